"""`examples/predict_onnx.py`, without torch and Transformers, makes the clips and scores of processor and model."""

import json
import runpy
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

import lgi_former
from lgi_former import LGIFormerConfig, LGIFormerVideoProcessor, export_model
from lgi_former.export.preprocessing import preprocessing_of
from lgi_former.inference import predict_video


pytest.importorskip("onnxruntime")
pytest.importorskip("onnxscript")

EXAMPLE = Path(lgi_former.__file__).with_name("examples") / "predict_onnx.py"

RUN = """
import json, runpy, sys
from pathlib import Path
heavy = ("torch", "torchvision", "transformers", "lgi_former")
sys.modules.update(dict.fromkeys(heavy))  # their import fails
example, *calls = json.loads(sys.argv[1])
names = runpy.run_path(example)
import numpy as np
for model, frames, clips in calls:
    settings = json.loads(Path(model, "preprocessing.json").read_text(encoding="utf-8"))
    np.save(clips, names["clips_of"](names["frame_files"]([Path(frames)]), settings))
    names["main"]([model, frames])
assert not any(sys.modules[name] for name in heavy)
"""


@pytest.fixture
def frames(tmp_path):
    """A folder of frames in several formats: turned, transparent, palettes, grey."""
    folder, generator = tmp_path / "frames", np.random.default_rng(0)
    folder.mkdir()
    noise = [generator.integers(0, 256, (45, 60, 4), dtype=np.uint8) for _ in range(30)]
    turned = Image.Exif()
    turned[0x0112] = 6
    for index, pixels in enumerate(noise):
        picture, name = Image.fromarray(pixels[..., :3]), folder / str(index)
        if index % 5 == 0:
            picture = picture.rotate(90, expand=True) if index == 10 else picture
            picture.save(f"{name}.jpg", **({"exif": turned} if index == 10 else {}))
        elif index % 5 == 1:
            Image.fromarray(pixels).save(f"{name}.png")
        elif index % 5 == 2:
            picture.convert("P" if index == 2 else "L").save(f"{name}.png")
        else:
            picture.save(f"{name}.bmp")
    return folder


def test_clips_and_scores_are_those_of_the_processor_and_the_model(frames, tmp_path, tiny_model, tiny_processor):
    one = shutil.copytree(frames, tmp_path / "one", ignore=lambda folder, names: sorted(names)[1:])
    processor, model = tiny_processor(num_segments=2, sampling_rate=2), tiny_model(frame_level=True)
    export_model(model, tmp_path / "out", processor=processor)
    calls = [[str(tmp_path / "out"), str(folder), str(tmp_path / f"{folder.name}.npy")] for folder in (frames, one)]
    words = [sys.executable, "-c", RUN, json.dumps([str(EXAMPLE), *calls])]
    done = subprocess.run(words, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    printed = [line.split("\t") for line in done.stdout.splitlines()]
    for (_, folder, clips), lines in zip(calls, (printed[:3], printed[3:]), strict=True):
        expected = processor(folder, return_tensors="pt")["pixel_values"]
        torch.testing.assert_close(torch.from_numpy(np.load(clips)), expected, atol=1e-6, rtol=0)
        scores = predict_video(model, processor, folder).scores
        assert {label: float(score) for label, score in lines} == pytest.approx(scores, abs=1e-4)


def test_the_example_refuses_what_it_cannot_read(frames, tmp_path, load_module, tiny_model, tiny_processor):
    example = load_module(EXAMPLE)
    out = tmp_path / "out"
    export_model(tiny_model(), out, "torch", encoder_only=True, processor=tiny_processor())
    Image.fromarray(np.zeros((8, 8), np.uint16)).save(tmp_path / "deep.png")
    (tmp_path / "empty").mkdir()
    export_model(tiny_model(), tmp_path / "torch", "torch", processor=tiny_processor())
    for model, video, message in (
        (out, frames, "is no classifier"),
        (tmp_path / "torch", frames, "has no model.onnx"),
        (tmp_path, frames, "preprocessing.json"),
    ):
        with pytest.raises(SystemExit, match=message):
            example.main([str(model), str(video)])
    settings = json.loads((out / "preprocessing.json").read_text(encoding="utf-8"))
    with pytest.raises(ValueError, match=r"deep.png' has grey levels of more than 8 bits"):
        example.clips_of([tmp_path / "deep.png"], settings)
    with pytest.raises(ValueError, match="no images"):
        example.frame_files([tmp_path / "empty"])


def test_another_sampling_in_time_is_described_and_refused(tmp_path):
    processor = LGIFormerVideoProcessor(sampling_frame_rate=50)
    settings = preprocessing_of(processor, LGIFormerConfig())
    assert settings["frame_sampling"]["sampling_frame_rate"] == 50
    with pytest.raises(SystemExit, match="of frames for 25 a second"):
        runpy.run_path(EXAMPLE)["clips_of"]([], settings)
    assert (
        "sampling_frame_rate" not in preprocessing_of(LGIFormerVideoProcessor(), LGIFormerConfig())["frame_sampling"]
    )
