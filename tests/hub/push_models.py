"""Process with the package: trains, converts, pushes to the Hub, and predicts. `python push_models.py FOLDER`.

Leaves `clip.mp4` and `predictions.json` in the folder.
"""

import importlib.util
import json
import sys
from pathlib import Path

import torch
from huggingface_hub import HfApi
from load_models import predictions_of
from transformers import AutoModelForVideoClassification

from lgi_former import LGIFormerForPreTraining, LGIFormerModel, convert_mae_dfer_checkpoint
from lgi_former.commands.cli import main
from lgi_former.hub import model_files
from lgi_former.image_processing import processor_for


TESTS = Path(__file__).parents[1]
OPTIONS = """
config_overrides:
  {patch_size: 4, region_size: [2, 2, 4], hidden_size: 16, num_hidden_layers: 2, num_attention_heads: 2,
   intermediate_size: 16, decoder_hidden_size: 12, decoder_num_hidden_layers: 1, decoder_num_attention_heads: 2,
   decoder_intermediate_size: 16, initializer_range: 0.2, classifier_init_scale: 1.0}
image_size: 16
num_frames: 4
sampling_rate: 1
num_segments: 2
per_device_train_batch_size: 2
logging_steps: 1
use_cpu: true
bf16: false
disable_tqdm: true
max_steps: 2
save_strategy: steps
save_steps: 1
report_to: tensorboard
push_to_hub: true
"""


def module_of_tests(path):
    spec = importlib.util.spec_from_file_location(path.stem, path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def finetune(folder):
    """`someone/finetuned`: a classifier and its processor, of a training run."""
    write_clip = module_of_tests(TESTS / "training" / "rough_corpus.py").write_clip
    write_clip(folder / "clip.mp4", grey=90, count=9)
    for label, grey in {"dark": 40, "light": 200}.items():
        (folder / "videos" / label).mkdir(parents=True)
        for number in range(2):
            write_clip(folder / "videos" / label / f"{number}.mp4", grey=grey + number, count=6)
    recipe = folder / "recipe.yaml"
    recipe.write_text(OPTIONS)
    options = ["--train_data", str(folder / "videos"), "--eval_data", str(folder / "videos")]
    assert main(["finetune", str(recipe), *options, "--output_dir", str(folder / "finetuned")]) == 0


def push_by_call(folder):
    """`someone/by-call`: pushed by a call, from a trainer without `push_to_hub`."""
    tiny_run = module_of_tests(TESTS / "training" / "tiny_run.py")
    fields = {"hub_model_id": "by-call", "trainer_fields": {"processing_class": processor_for(tiny_run.tiny_config())}}
    trainer = tiny_run.finetuning(folder / "by call", max_steps=1, **fields)
    trainer.train()
    trainer.push_to_hub("Pushed by call", blocking=False, private=True).result()


def push_pretraining_model_and_encoder(config):
    """`someone/pretrained` and `someone/encoder`."""
    for model_class, name in ((LGIFormerForPreTraining, "pretrained"), (LGIFormerModel, "encoder")):
        torch.manual_seed(0)
        model_class(config).push_to_hub(name)
        processor_for(config, sampling_rate=2).push_to_hub(name)


def push_conversions(folder):
    """`someone/converted-classification` and `someone/converted-pretraining`."""
    published = module_of_tests(TESTS / "conversion" / "test_conversion.py")
    for kind in ("classification", "pretraining"):
        _, weights, config, arguments = published.golden(f"{kind}_default")
        checkpoint = published.save(folder / f"{kind}.pth", weights, **arguments)
        output = convert_mae_dfer_checkpoint(checkpoint, folder / f"converted-{kind}", config=config)
        repository = HfApi().create_repo(f"converted-{kind}").repo_id
        names = [path.name for path in model_files(output)]
        HfApi().upload_folder(repo_id=repository, folder_path=output, allow_patterns=names)


def run(folder):
    torch.set_num_threads(1)
    finetune(folder)
    push_by_call(folder)
    config = AutoModelForVideoClassification.from_pretrained("someone/finetuned").config
    push_pretraining_model_and_encoder(config)
    push_conversions(folder)
    (folder / "predictions.json").write_text(json.dumps(predictions_of(folder / "clip.mp4")))
    assert "transformers_modules" not in sys.modules, "code from the Hub was run although the package is installed"


if __name__ == "__main__":
    run(Path(sys.argv[1]))
