"""An adapter and its base model on the Hub: Auto classes, pipelines and commands use the classes of the adapter."""

import os
import subprocess
import sys

import pytest

from lgi_former import LGIFormerForPreTraining


# The client of the Hub reads the environment when it is imported, so another process uses it.
# It starts as the command `lgi-former push`.
SCRIPT = """
import sys

sys.argv = ["/bin/lgi-former", "push"]
from lgi_former.commands.cli import main

assert "transformers" not in sys.modules
assert main(["push", "pretrained", "someone/base"]) == 0

import torch
from peft import LoraConfig, get_peft_model
from transformers import AutoModelForVideoClassification, pipeline

from lgi_former import LGIFormerForVideoClassification, LGIFormerVideoProcessor
from lgi_former.hub.loading import load_classifier
from lgi_former.training.quickstart.sample_clip import write_sample_clip

base = LGIFormerForVideoClassification.from_pretrained("someone/base", id2label={0: "happy", 1: "sad"})
model = get_peft_model(base, LoraConfig(target_modules=["q_proj"], modules_to_save=["classifier"])).eval()
for name, weight in model.named_parameters():
    if "lora_B" in name or "modules_to_save" in name:
        torch.nn.init.normal_(weight)
model.save_pretrained("adapter")
base.config.save_pretrained("adapter")
LGIFormerVideoProcessor.from_pretrained("pretrained").save_pretrained("adapter")
assert main(["push", "adapter", "someone/adapter"]) == 0

clip = torch.randn(1, 4, 3, 32, 32)
with torch.inference_mode():
    expected = model(pixel_values=clip).logits
    for loaded in (
        AutoModelForVideoClassification.from_pretrained("someone/adapter"),
        LGIFormerForVideoClassification.from_pretrained("someone/adapter"),
        load_classifier("someone/adapter", "cpu")[0],
        pipeline("video-classification", "someone/adapter").model,
    ):
        assert loaded.config.id2label == {0: "happy", 1: "sad"}
        torch.testing.assert_close(loaded(pixel_values=clip).logits, expected)
write_sample_clip("face.mp4")
assert main(["predict", "face.mp4", "--model", "someone/adapter", "--no_crop_faces"]) == 0
"""


@pytest.mark.slow
def test_an_adapter_on_the_hub(loopback_hub, save_tiny_model, tmp_path):
    save_tiny_model(LGIFormerForPreTraining, tmp_path / "pretrained", ["a", "b"])
    environment = os.environ | loopback_hub.environment(tmp_path / "home")
    command = [sys.executable, "-c", SCRIPT]
    done = subprocess.run(
        command, cwd=tmp_path, env=environment, stdin=subprocess.DEVNULL, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    assert {"adapter_config.json", "config.json"} <= loopback_hub.files("someone/adapter").keys()
