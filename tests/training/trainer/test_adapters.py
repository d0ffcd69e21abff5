"""Adapters of PEFT: the folder that the trainer saves, everything that loads it, and errors."""

import json
import shutil
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from huggingface_hub import ModelCard
from peft import LoraConfig, PeftModel, get_peft_model
from safetensors.torch import load_file
from transformers import (
    AutoModel,
    AutoModelForVideoClassification,
    VideoMAEForPreTraining,
    VideoMAEForVideoClassification,
    pipeline,
)
from transformers.integrations.peft import MIN_PEFT_VERSION
from transformers.utils import check_peft_version

from lgi_former import LGIFormerForPreTraining, LGIFormerForVideoClassification, LGIFormerVideoProcessor
from lgi_former.commands.cli import main
from lgi_former.hub.loading import load_classifier, load_encoder
from lgi_former.hub.upload import files_to_upload
from lgi_former.training.data.collators import FinetuningCollator
from lgi_former.training.quickstart.sample_clip import write_sample_clip
from lgi_former.training.run.arguments import ModelArguments
from lgi_former.training.run.starting_model import load_model_to_finetune
from lgi_former.training.trainer import LGIFormerTrainer


LABELS = ["happy", "sad", "neutral"]
LORA = {"r": 2, "target_modules": ["q_proj", "v_proj"], "modules_to_save": ["classifier"]}


class Clips(torch.utils.data.Dataset):
    """Random clips of 4 frames of 32 x 32 pixels. `labels` makes their labels."""

    def __init__(self, label=lambda index: index % 3):
        self.label = label

    def __len__(self):
        return 4

    def __getitem__(self, index):
        clip = torch.randn(4, 3, 32, 32, generator=torch.Generator().manual_seed(index))
        return {"pixel_values": clip, "labels": self.label(index), "seed": index, "video": str(index)}


def stacked(items):
    return {name: torch.stack([torch.as_tensor(item[name]) for item in items]) for name in ("pixel_values", "labels")}


@pytest.fixture(scope="module")
def pretrained(save_tiny_model, tmp_path_factory):
    folder = tmp_path_factory.mktemp("base") / "pretrained"
    save_tiny_model(LGIFormerForPreTraining, folder, ["a", "b"])
    return folder


@pytest.fixture(scope="module")
def train(tiny_run, pretrained):
    """Function that trains an adapter, saves it and returns its trainer."""

    def run(folder, base=pretrained, label=None, add=get_peft_model, lora=LORA, fields=None, **arguments):
        torch.manual_seed(0)
        fields = {"id2label": dict(enumerate(LABELS)), **(fields or {})}
        model = LGIFormerForVideoClassification.from_pretrained(base, **fields)
        trainer = LGIFormerTrainer(
            add(model, LoraConfig(**lora)),
            tiny_run.training_arguments(folder, **{"max_steps": 3, "learning_rate": 0.05, **arguments}),
            data_collator=FinetuningCollator(3, mixup_alpha=0, cutmix_alpha=0) if label is None else stacked,
            train_dataset=Clips() if label is None else Clips(label),
            eval_dataset=Clips() if label is None else Clips(label),
            eval_data_collator=stacked,
            processing_class=LGIFormerVideoProcessor(size={"height": 32, "width": 32}, num_frames=4),
        )
        trainer.train(resume_from_checkpoint=arguments.pop("resume_from_checkpoint", None))
        trainer.save_model()
        trainer.create_model_card()
        return trainer

    return run


@pytest.fixture(scope="module")
def trained(train, tmp_path_factory):
    """The trainer of an adapter, its folder, and a clip beside it."""
    folder = tmp_path_factory.mktemp("trained") / "adapter"
    trainer = train(folder)
    write_sample_clip(folder.parent / "face.mp4")
    return trainer, folder


CLIP = torch.randn(2, 4, 3, 32, 32, generator=torch.Generator().manual_seed(7))


def logits_of(model):
    with torch.no_grad():
        return model.eval()(pixel_values=CLIP).logits


# What is saved, and what loads it


def test_the_folder_has_the_adapter_and_its_classes(trained):
    _, folder = trained
    names = {path.name for path in folder.iterdir() if path.suffix != ".py"}
    assert names == {
        "README.md",
        "adapter_config.json",
        "adapter_model.safetensors",
        "config.json",
        "training_args.bin",
        "video_preprocessor_config.json",
    }
    config = json.loads((folder / "config.json").read_text())
    assert list(config["id2label"].values()) == LABELS
    assert config["architectures"] == ["LGIFormerForVideoClassification"]
    assert any("classifier" in name for name in load_file(folder / "adapter_model.safetensors"))


def test_the_path_of_the_base_does_not_depend_on_the_current_folder(train, pretrained, tmp_path, monkeypatch):
    monkeypatch.chdir(pretrained.parent)
    train(tmp_path / "adapter", base=pretrained.name, max_steps=1)
    settings = json.loads((tmp_path / "adapter" / "adapter_config.json").read_text())
    assert settings["base_model_name_or_path"] == str(pretrained.resolve())


def test_auto_classes_load_the_adapter(trained, pretrained):
    trainer, folder = trained
    model = AutoModelForVideoClassification.from_pretrained(folder)
    assert list(model.config.id2label.values()) == LABELS
    assert not model.training and all(weight.requires_grad for weight in model.parameters())
    assert not any("lora" in name for name, _ in model.named_parameters())
    torch.testing.assert_close(logits_of(model), logits_of(trainer.model))
    base = LGIFormerForVideoClassification.from_pretrained(pretrained)
    assert not torch.allclose(logits_of(base)[:, :2], logits_of(model)[:, :2], atol=1e-2)

    encoder = AutoModel.from_pretrained(folder)
    assert not any("lora" in name for name, _ in encoder.named_parameters())
    with torch.no_grad():
        expected = trainer.model.get_base_model().eval().lgi_former(CLIP).pooler_output
        torch.testing.assert_close(encoder(CLIP).pooler_output, expected)


def test_the_base_of_an_adapter_on_the_hub_is_given_its_configuration(trained, pretrained):
    """Auto classes pass the base model and its configuration if the adapter is not in a local folder."""
    trainer, folder = trained
    model = LGIFormerForVideoClassification.from_pretrained(
        str(pretrained), adapter_kwargs={"_adapter_model_path": str(folder)}, dtype=torch.float32
    )
    torch.testing.assert_close(logits_of(model), logits_of(trainer.model))


def test_a_loaded_adapter_computes_in_half_precision(trained):
    model = AutoModelForVideoClassification.from_pretrained(trained[1], dtype=torch.bfloat16)
    with torch.no_grad():
        logits = model(CLIP.bfloat16()).logits.float()
    torch.testing.assert_close(logits, logits_of(trained[0].model), atol=0.1, rtol=0.1)


def test_both_pipelines_load_the_adapter(trained):
    trainer, folder = trained
    video = str(folder.parent / "face.mp4")
    processor = LGIFormerVideoProcessor.from_pretrained(folder)
    with torch.no_grad():
        clip = processor(video, num_segments=1, return_tensors="pt")["pixel_values"]
        expected = trainer.model.eval()(pixel_values=clip).logits.softmax(-1)[0].tolist()
    scores = {entry["label"]: entry["score"] for entry in pipeline("video-classification", str(folder))(video)}
    assert [scores[label] for label in LABELS] == pytest.approx(expected, abs=1e-3)
    result = pipeline("facial-expression-recognition", str(folder))(video, crop_faces=False)
    assert set(result["scores"]) == set(LABELS)


def test_the_commands_load_the_adapter(trained, tmp_path, monkeypatch):
    trainer, folder = trained
    monkeypatch.chdir(tmp_path)
    video = folder.parent / "face.mp4"
    for label in LABELS:
        shutil.copy(video, f"{label}.mp4")
    Path("test.txt").write_text("".join(f"{label}.mp4 {label}\n" for label in LABELS))
    assert main(["predict", str(video), "--model", str(folder), "--no_crop_faces", "--output", "scores.csv"]) == 0
    options = ["--model", str(folder), "--data", "test.txt", "--bf16", "false", "--output_dir", "evaluated"]
    assert main(["evaluate", *options]) == 0
    table = pd.read_csv("evaluated/predictions.csv")
    _, processor = load_classifier(str(folder), "cpu")
    clips = processor(str(video), return_tensors="pt")["pixel_values"]
    with torch.no_grad():
        expected = trainer.model.eval()(pixel_values=clips).logits.softmax(-1).mean(0)
    assert table.filter(like="probability_").iloc[0].tolist() == pytest.approx(expected.tolist(), abs=1e-3)
    assert main(["embed", str(video), "--model", str(folder), "--output", "faces.npy"]) == 0
    assert np.load("faces.npy").shape == (1, 32)
    options = ["--train_data", "test.txt", "--labels", *LABELS, "--num_train_epochs", "1", "--use_cpu", "true"]
    assert main(["finetune", "--model_name_or_path", str(folder), "--output_dir", "next", *options]) == 0
    assert Path("next/model.safetensors").is_file() and not Path("next/adapter_config.json").exists()


def test_fine_tuning_starts_from_the_merged_weights(trained):
    trainer, folder = trained
    same, _ = load_model_to_finetune(ModelArguments(model_name_or_path=str(folder)), LABELS)
    torch.testing.assert_close(logits_of(same), logits_of(trainer.model))
    assert all(weight.requires_grad for weight in same.parameters())
    other, _ = load_model_to_finetune(ModelArguments(model_name_or_path=str(folder), image_size=64), ["a", "b"])
    assert (other.config.image_size, other.classifier.out_features) == (64, 2)
    layers = [model.lgi_former.encoder.layers[0].intra_region_attention for model in (same, other)]
    torch.testing.assert_close(*[layer.q_proj.weight for layer in layers])


def test_an_adapter_is_trained_further_by_peft(trained, pretrained):
    trainer, folder = trained
    base = LGIFormerForVideoClassification.from_pretrained(pretrained, id2label=dict(enumerate(LABELS)))
    model = PeftModel.from_pretrained(base, folder, is_trainable=True)
    torch.testing.assert_close(logits_of(model), logits_of(trainer.model))
    assert any(weight.requires_grad for weight in model.parameters())


def test_an_adapter_that_peft_saved(trained, tmp_path):
    """Without a configuration, the caller says which classes there are, as elsewhere in Transformers."""
    model = trained[0].model
    model.save_pretrained(tmp_path)
    with pytest.raises(ValueError, match=r"does not fit its base model with 2 labels \(size mismatch for .*id2label"):
        AutoModelForVideoClassification.from_pretrained(tmp_path)
    loaded = AutoModelForVideoClassification.from_pretrained(tmp_path, id2label=dict(enumerate(LABELS)))
    torch.testing.assert_close(logits_of(loaded), logits_of(model))
    loaded = LGIFormerForVideoClassification.from_pretrained(tmp_path, num_labels=3)
    torch.testing.assert_close(logits_of(loaded), logits_of(model))
    encoder, expected = AutoModel.from_pretrained(tmp_path, num_labels=3), AutoModel.from_pretrained(trained[1])
    torch.testing.assert_close(list(encoder.parameters()), list(expected.parameters()))

    config = LGIFormerForVideoClassification.config_class.from_pretrained(trained[1])
    config.architectures = ["LGIFormerForPreTraining"]  # that of the base model, which stays in its configuration
    config.save_pretrained(tmp_path)
    LGIFormerVideoProcessor.from_pretrained(trained[1]).save_pretrained(tmp_path)
    for loaded in (AutoModelForVideoClassification.from_pretrained(tmp_path), load_classifier(tmp_path, "cpu")[0]):
        torch.testing.assert_close(logits_of(loaded), logits_of(model))


@pytest.mark.parametrize(
    ("problem_type", "label"),
    [
        ("multi_label_classification", lambda index: torch.eye(3)[index % 3]),
        ("regression", lambda index: torch.arange(3.0) + index),
    ],
)
def test_the_kind_of_labels_is_saved(problem_type, label, train, tmp_path):
    trainer = train(tmp_path / "adapter", label=label, fields={"problem_type": problem_type})
    model = AutoModelForVideoClassification.from_pretrained(tmp_path / "adapter")
    assert model.config.problem_type == problem_type
    torch.testing.assert_close(logits_of(model), logits_of(trainer.model))


def test_an_adapter_for_larger_clips_is_loaded_for_them(train, tmp_path):
    trainer = train(tmp_path / "small", fields={"num_frames": 8}, label=lambda index: index % 3, max_steps=0)
    trainer = LGIFormerTrainer(trainer.model, trainer.args)
    trainer.save_model(tmp_path / "adapter")
    model = AutoModelForVideoClassification.from_pretrained(tmp_path / "adapter")
    assert model.config.num_frames == 8
    clip = CLIP.repeat(1, 2, 1, 1, 1)
    with torch.no_grad():
        torch.testing.assert_close(model(clip).logits, trainer.model.eval()(pixel_values=clip).logits)


def test_an_adapter_of_videomae_is_loaded_by_the_commands(tiny_run, videomae_config, tmp_path):
    torch.manual_seed(0)
    VideoMAEForPreTraining(videomae_config).save_pretrained(tmp_path / "base")
    fields = {"id2label": dict(enumerate(LABELS)), "problem_type": "single_label_classification"}
    base = VideoMAEForVideoClassification.from_pretrained(tmp_path / "base", **fields)
    trainer = LGIFormerTrainer(
        get_peft_model(base, LoraConfig(**LORA | {"target_modules": ["query", "value"]})),
        tiny_run.training_arguments(tmp_path / "adapter", max_steps=2),
        data_collator=FinetuningCollator(3),
        train_dataset=tiny_run.Clips(8),
        processing_class=LGIFormerVideoProcessor(size={"height": 16, "width": 16}, num_frames=4),
    )
    trainer.train()
    trainer.save_model()
    model, _ = load_classifier(str(tmp_path / "adapter"), "cpu")
    clip = torch.randn(1, 4, 3, 16, 16)
    assert list(model.config.id2label.values()) == LABELS
    with torch.no_grad():
        torch.testing.assert_close(model(clip).logits, trainer.model.eval()(pixel_values=clip).logits)


def skip_without_add_adapter():
    try:
        check_peft_version(MIN_PEFT_VERSION)
    except ValueError as error:
        pytest.skip(f"model.add_adapter of this version of Transformers: {error}")


def test_an_adapter_that_transformers_added(train, tmp_path):
    skip_without_add_adapter()

    def add(model, settings):
        model.add_adapter(settings)
        return model

    trainer = train(tmp_path / "adapter", add=add)
    model = AutoModelForVideoClassification.from_pretrained(tmp_path / "adapter")
    torch.testing.assert_close(logits_of(model), logits_of(trainer.model))
    merged, _ = load_classifier(str(tmp_path / "adapter"), "cpu")
    torch.testing.assert_close(logits_of(merged), logits_of(trainer.model))
    with pytest.raises(ValueError, match=r"load_best_model_at_end=True cannot load .* peft\.get_peft_model"):
        train(tmp_path / "other", add=add, load_best_model_at_end=True, eval_strategy="steps", save_strategy="steps")


# Runs


def test_a_run_resumes_and_loads_its_best_adapter(train, tmp_path):
    saving = {"save_strategy": "steps", "save_steps": 2, "eval_strategy": "steps", "eval_steps": 2}
    whole = train(tmp_path / "whole", max_steps=6, **saving)
    shutil.rmtree(tmp_path / "whole" / "checkpoint-6")
    shutil.rmtree(tmp_path / "whole" / "checkpoint-4")
    resumed = train(tmp_path / "whole", max_steps=6, resume_from_checkpoint=True, **saving)
    torch.testing.assert_close(logits_of(resumed.model), logits_of(whole.model))
    best = {"load_best_model_at_end": True, "metric_for_best_model": "loss", "greater_is_better": True}
    trainer = train(tmp_path / "best", max_steps=4, **saving, **best)
    first = AutoModelForVideoClassification.from_pretrained(trainer.state.best_model_checkpoint)
    torch.testing.assert_close(logits_of(trainer.model), logits_of(first))


def test_the_card_names_the_base_model(trained, train, tmp_path):
    card = ModelCard.load(trained[1] / "README.md")
    assert card.data.library_name == "peft" and "lora" in card.data.tags
    assert "starting from `pretrained`" in card.text and "This is an adapter (LORA of" in card.text
    assert str(trained[1].parent) not in card.text
    trainer = train(tmp_path / "adapter")
    trainer.model.peft_config["default"].base_model_name_or_path = "someone/pretrained"
    trainer.save_model()
    trainer.create_model_card()
    card = ModelCard.load(tmp_path / "adapter" / "README.md")
    assert (card.data.base_model, card.data.base_model_relation) == ("someone/pretrained", "adapter")
    assert {"README.md", "adapter_config.json", "config.json"} <= files_to_upload(
        tmp_path / "adapter", "someone/adapter", tmp_path
    ).keys()


def test_an_edited_card_survives(train, tmp_path):
    trainer = train(tmp_path)
    (tmp_path / "README.md").write_text("Mine.\n")
    trainer.save_model()
    trainer.create_model_card()
    assert (tmp_path / "README.md").read_text() == "Mine.\n"


def test_weights_follow_the_umask(trained):
    modes = {path.stat().st_mode for path in trained[1].glob("*.safetensors")}
    assert modes == {(trained[1] / "config.json").stat().st_mode}


# Refusals

LOADERS = {
    "Auto class": AutoModelForVideoClassification.from_pretrained,
    "classifier": load_classifier,
    "encoder": load_encoder,
    "start": lambda folder: load_model_to_finetune(ModelArguments(model_name_or_path=folder), LABELS),
}


@pytest.fixture
def adapter(trained, tmp_path):
    """A copy of the adapter's folder."""
    shutil.copytree(trained[1], tmp_path / "copy")
    return tmp_path / "copy"


def set_base(adapter, base):
    path = adapter / "adapter_config.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | {"base_model_name_or_path": base}))


@pytest.mark.parametrize("load", LOADERS.values(), ids=LOADERS)
@pytest.mark.parametrize("base", ["{tmp_path}/gone", "gone", "outputs/gone", None])
def test_a_missing_base_model(base, load, adapter, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    Path("outputs").mkdir()
    base = base and base.format(tmp_path=tmp_path)
    set_base(adapter, base)
    message = f"There is no folder '{base}', the base model of the adapter" if base else "does not name its base model"
    with pytest.raises(OSError, match=message):
        load(str(adapter))


@pytest.mark.parametrize("load", LOADERS.values(), ids=LOADERS)
def test_a_base_model_of_another_width(load, adapter, tmp_path):
    config = LGIFormerForVideoClassification.config_class.from_pretrained(adapter, hidden_size=16, num_labels=3)
    LGIFormerForVideoClassification(config).save_pretrained(tmp_path / "narrow")
    set_base(adapter, str(tmp_path / "narrow"))
    with pytest.raises(ValueError, match=r"neither of them has weights of the right shape for .*embeddings"):
        load(str(adapter))


@pytest.mark.parametrize("load", LOADERS.values(), ids=LOADERS)
def test_a_base_model_with_other_layers(load, adapter, tmp_path):
    config = LGIFormerForVideoClassification.config_class.from_pretrained(adapter, num_hidden_layers=2)
    LGIFormerForVideoClassification(config).save_pretrained(tmp_path / "deep")
    config.save_pretrained(adapter)
    set_base(adapter, str(tmp_path / "deep"))
    with pytest.raises(ValueError, match=r"is the adapter of another model: they differ in .*layers\.1"):
        load(str(adapter))


@pytest.mark.parametrize("load", LOADERS.values(), ids=LOADERS)
def test_an_adapter_without_its_classifier(load, train, tmp_path):
    train(tmp_path / "adapter", lora={name: value for name, value in LORA.items() if name != "modules_to_save"})
    with pytest.raises(ValueError, match=r"for classifier\.bias, classifier\.weight\. .*modules_to_save"):
        load(str(tmp_path / "adapter"))


def test_an_adapter_on_a_classifier_needs_no_other(train, save_tiny_model, tmp_path):
    save_tiny_model(LGIFormerForVideoClassification, tmp_path / "finetuned", LABELS)
    lora = {"r": 2, "target_modules": ["q_proj"]}
    trainer = train(tmp_path / "adapter", base=tmp_path / "finetuned", lora=lora)
    model = AutoModelForVideoClassification.from_pretrained(tmp_path / "adapter")
    torch.testing.assert_close(logits_of(model), logits_of(trainer.model))


@pytest.mark.parametrize("load", list(LOADERS.values())[1:], ids=list(LOADERS)[1:])
def test_an_adapter_without_its_configuration(load, adapter):
    (adapter / "config.json").unlink()
    with pytest.raises(OSError, match=r"is an adapter without a config\.json, so its classes are unknown"):
        load(str(adapter))


@pytest.mark.parametrize("load", LOADERS.values(), ids=LOADERS)
def test_peft_is_not_installed(load, adapter, monkeypatch):
    monkeypatch.setattr("lgi_former.modeling_lgi_former.adapters.is_peft_available", lambda: False)
    monkeypatch.setattr("transformers.models.auto.auto_factory.is_peft_available", lambda: False)
    monkeypatch.setitem(__import__("lgi_former.extras").extras.MODULES, "peft", ("no_such_package",))
    with pytest.raises(ImportError, match="pip install"):
        load(str(adapter))


def test_an_adapter_of_a_local_base_is_not_uploaded(adapter, train, tmp_path):
    with pytest.raises(ValueError, match=r"by its path on this machine.*merge_and_unload"):
        files_to_upload(adapter, "someone/adapter", tmp_path)
    with pytest.raises(ValueError, match=r"push_to_hub=True would upload .* by its path on this machine"):
        train(tmp_path / "adapter", push_to_hub=True)


def test_a_base_model_without_a_name_is_reported(tiny_run, tmp_path, caplog):
    model = LGIFormerForVideoClassification(tiny_run.tiny_config())
    LGIFormerTrainer(get_peft_model(model, LoraConfig(**LORA)), tiny_run.training_arguments(tmp_path))
    assert "nobody can load the saved adapter" in caplog.text


@pytest.mark.parametrize(
    ("base", "lora", "warns"),
    [
        ("pretrained", {"target_modules": "all-linear"}, True),
        ("pretrained", {"target_modules": ["q_proj", "classifier"]}, True),
        ("pretrained", {"target_modules": "all-linear", "modules_to_save": ["classifier"]}, False),
        ("other labels", {"target_modules": ["q_proj"]}, True),
        ("same labels", {"target_modules": ["q_proj"]}, False),
        (None, {"target_modules": ["q_proj"]}, True),
    ],
)
@pytest.mark.parametrize("added", [False, True], ids=["get_peft_model", "add_adapter"])
def test_a_new_classifier_that_no_adapter_saves_is_reported(
    base, lora, warns, added, pretrained, save_tiny_model, tiny_run, tmp_path, caplog
):
    if base in ("other labels", "same labels"):
        save_tiny_model(LGIFormerForVideoClassification, tmp_path / "base", LABELS[: 2 + (base == "same labels")])
        pretrained = tmp_path / "base"
    fields = {"id2label": dict(enumerate(LABELS)), "ignore_mismatched_sizes": True}
    model = LGIFormerForVideoClassification.from_pretrained(pretrained, **fields)
    if base is None:
        model = LGIFormerForVideoClassification(model.config)
        model.config.architectures = None
    if added:
        skip_without_add_adapter()
        model.add_adapter(LoraConfig(**lora))
    else:
        model = get_peft_model(model, LoraConfig(**lora))
    caplog.clear()
    LGIFormerTrainer(model, tiny_run.training_arguments(tmp_path))
    assert ("The classifier of the model is new and random" in caplog.text) == warns


def test_an_adapter_of_an_autoencoder_has_no_classifier_to_save(pretrained, tiny_run, tmp_path, caplog):
    model = get_peft_model(LGIFormerForPreTraining.from_pretrained(pretrained), LoraConfig(target_modules=["q_proj"]))
    LGIFormerTrainer(model, tiny_run.training_arguments(tmp_path))
    assert "classifier" not in caplog.text
