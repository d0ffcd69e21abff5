"""Process without the package: loads the models that `push_models.py` pushed. `python load_models.py FOLDER`.

Leaves `elsewhere.json` in the folder.
"""

import importlib.util
import json
import sys
from pathlib import Path

import torch
import transformers
from huggingface_hub import HfApi, hf_hub_download
from transformers import (
    AutoConfig,
    AutoModel,
    AutoModelForPreTraining,
    AutoModelForVideoClassification,
    AutoVideoProcessor,
    pipeline,
)


TRUST = {"trust_remote_code": True}


def predictions_of(clip):
    """Outputs of every kind of model for a video file, as lists."""
    return {
        "finetuned": outputs_of(AutoModelForVideoClassification, "someone/finetuned", clip),
        "pretrained": outputs_of(AutoModelForPreTraining, "someone/pretrained", clip),
        "encoder": outputs_of(AutoModel, "someone/encoder", clip),
        "encoder of the classifier": outputs_of(AutoModel, "someone/finetuned", clip),
        "converted classifier": outputs_of(AutoModelForVideoClassification, "someone/converted-classification", clip),
        "converted autoencoder": outputs_of(AutoModelForPreTraining, "someone/converted-pretraining", clip),
        "pipeline": pipeline("video-classification", model="someone/finetuned", **TRUST)(str(clip)),
    }


def outputs_of(auto_class, name, clip):
    processor = AutoVideoProcessor.from_pretrained(name, **TRUST)
    model = auto_class.from_pretrained(name, **TRUST).eval()
    inputs = {"pixel_values": processor(str(clip), return_tensors="pt")["pixel_values"]}
    if auto_class is AutoModelForPreTraining:
        # The same quarter of each window is visible in all frames.
        grid, region = model.config.token_grid, model.config.region_size
        window = (torch.arange(region[1] * region[2]) % 4 > 0).view(1, region[1], region[2])
        frame = window.tile(grid[0], grid[1] // region[1], grid[2] // region[2])
        inputs["bool_masked_pos"] = frame.flatten().expand(len(inputs["pixel_values"]), -1)
    with torch.no_grad():
        outputs = model(**inputs)
    return {field: value.tolist() for field, value in outputs.items() if isinstance(value, torch.Tensor)}


def check_that_the_package_is_not_there():
    for name in ("lgi_former", "datasets", "evaluate"):
        assert importlib.util.find_spec(name) is None, name


def saved_again(folder):
    """Outputs of the classifier after it was loaded, saved and loaded again, and the saved files."""
    model = AutoModelForVideoClassification.from_pretrained("someone/finetuned", **TRUST)
    model.save_pretrained(folder / "again")
    AutoVideoProcessor.from_pretrained("someone/finetuned", **TRUST).save_pretrained(folder / "again")
    outputs = outputs_of(AutoModelForVideoClassification, str(folder / "again"), folder / "clip.mp4")
    return outputs, sorted(path.name for path in (folder / "again").iterdir())


def marks_after_an_update():
    """Versions of the code that run after an update of the repository's code, by the requested revisions."""
    api = HfApi()
    first = api.model_info("someone/finetuned").sha
    path = hf_hub_download("someone/finetuned", "modeling_lgi_former.py")
    code = Path(path).read_bytes() + b"\n\nLGIFormerForVideoClassification.mark = 'updated'\n"
    api.upload_file(path_or_fileobj=code, path_in_repo="modeling_lgi_former.py", repo_id="someone/finetuned")
    asked = {"newest": {}, "revision": {"revision": first}, "code_revision": {"code_revision": first}}
    return {
        name: getattr(
            AutoModelForVideoClassification.from_pretrained("someone/finetuned", **TRUST, **revisions), "mark", "first"
        )
        for name, revisions in asked.items()
    }


def refusal():
    """The error without `trust_remote_code`."""
    try:
        AutoConfig.from_pretrained("someone/finetuned", trust_remote_code=False)
    except ValueError as error:
        return str(error)


def run(folder):
    torch.set_num_threads(1)
    check_that_the_package_is_not_there()
    results = {"refusal": refusal(), "predictions": predictions_of(folder / "clip.mp4")}
    results["saved again"], results["files saved again"] = saved_again(folder)
    results["marks"] = marks_after_an_update()
    results["transformers"] = transformers.__version__
    (folder / "elsewhere.json").write_text(json.dumps(results))


if __name__ == "__main__":
    run(Path(sys.argv[1]))
