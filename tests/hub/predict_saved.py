"""Predictions of saved models on an input without randomness, by the code beside them.

`python predict_saved.py FOLDER...` runs in a process without lgi_former. It writes `predictions.json` into each
folder. The file may contain an error of Transformers instead.
"""

import importlib.util
import json
import sys
from pathlib import Path

import numpy as np
import torch
from transformers import AutoModelForPreTraining, AutoModelForVideoClassification, AutoVideoProcessor


def predictions_of(folder):
    """Logits (nested lists) of the model in a folder, and for a masked autoencoder its loss."""
    if "classifier" in Path(folder).name:
        model = AutoModelForVideoClassification.from_pretrained(folder, trust_remote_code=True).eval()
        processor = AutoVideoProcessor.from_pretrained(folder, trust_remote_code=True)
        inputs = {"pixel_values": processor(video(), return_tensors="pt")["pixel_values"]}
    else:
        model = AutoModelForPreTraining.from_pretrained(folder, trust_remote_code=True).eval()
        config = model.config
        shape = (1, config.num_frames, 3, config.image_size, config.image_size)
        pixels = torch.arange(np.prod(shape)).reshape(shape).float().sin()
        window = torch.arange(config.region_size[1] * config.region_size[2]) % 4 > 0
        frame = window.view(config.region_size[1:]).tile(config.token_grid[1] // config.region_size[1], 1)
        inputs = {"pixel_values": pixels, "bool_masked_pos": frame.flatten().repeat(config.token_grid[0])[None]}
    with torch.no_grad():
        outputs = model(**inputs)
    return {name: outputs[name].tolist() for name in ("loss", "logits") if outputs.get(name) is not None}


def video():
    """Five frames of 24 x 20 pixels, uint8 (frames, height, width, 3)."""
    frame, row, column, channel = np.ogrid[:5, :24, :20, :3]
    return (frame * 17 + row * 5 + column * 3 + channel * 40 + row * column % 11).astype(np.uint8)


def run(folders):
    assert importlib.util.find_spec("lgi_former") is None
    torch.set_num_threads(1)
    for folder in folders:
        try:
            predictions = predictions_of(folder)
        except ImportError as error:
            predictions = {"error": str(error)}
        Path(folder, "predictions.json").write_text(json.dumps(predictions))


if __name__ == "__main__":
    run(sys.argv[1:])
