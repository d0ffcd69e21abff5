"""`lgi-former pretrain`, `finetune` and `evaluate`, from annotation files to tables, on small real videos."""

import csv
import importlib.util
import json
import os
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch
from huggingface_hub import ModelCard
from PIL import Image
from transformers import AutoModelForVideoClassification, AutoVideoProcessor

from lgi_former.commands.cli import main
from lgi_former.image_processing import LGIFormerVideoProcessor, read_video
from lgi_former.training.evaluate import EvaluationArguments, load_for_evaluation


spec = importlib.util.spec_from_file_location("rough_corpus", Path(__file__).with_name("rough_corpus.py"))
corpus = importlib.util.module_from_spec(spec)
spec.loader.exec_module(corpus)
rough_corpus = corpus.rough_corpus

RECIPE = """
config_overrides:
  {patch_size: 4, region_size: [2, 2, 4], hidden_size: 16, num_hidden_layers: 2, num_attention_heads: 2,
   intermediate_size: 16, decoder_hidden_size: 12, decoder_num_hidden_layers: 1, decoder_num_attention_heads: 2,
   decoder_intermediate_size: 16}
image_size: 16
num_frames: 4
sampling_rate: 1
data_root: videos
per_device_train_batch_size: 4
base_learning_rate: 0.1
logging_steps: 1
use_cpu: true
bf16: false
disable_tqdm: true
seed: 3
"""
CLASSES = {"dark": 40, "light": 200}
LABELS = ("--labels", *CLASSES)

pytestmark = pytest.mark.usefixtures("in_workplace")


@pytest.fixture(scope="module")
def workplace(tmp_path_factory):
    """A folder with videos of two classes, two folds of them, and a recipe. All paths are relative to it."""
    folder = tmp_path_factory.mktemp("workplace")
    for name, grey in CLASSES.items():
        (folder / "videos" / name).mkdir(parents=True)
        for number in range(6):
            corpus.write_clip(folder / "videos" / name / f"clip {number}.mp4", grey=grey + number, count=6)
    for fold in (1, 2):
        tested = {2 * fold, 2 * fold + 1}
        lines = {True: [], False: []}
        for name in CLASSES:
            for number in range(6):
                lines[number in tested].append(f"{name}/clip {number}.mp4 {name}\n")
        (folder / f"test_{fold}.txt").write_text("".join(lines[True]))
        (folder / f"train_{fold}.txt").write_text("".join(lines[False]))
    (folder / "bare.txt").write_text("dark/clip 0.mp4\n")
    (folder / "tiny.yaml").write_text(RECIPE)
    return folder


def pretrain(*options):
    return main(["pretrain", "tiny.yaml", "--train-data", "videos", "--mask_ratio", "0.75", *options])


def finetune(*options, fold=1):
    data = ["--train_data", f"train_{fold}.txt", "--eval_data", f"test_{fold}.txt"]
    return main(["finetune", "tiny.yaml", *data, "--randaugment_operations", "0", "--crop_area", "0.8", "1", *options])


@pytest.fixture(scope="module")
def pretrained(workplace):
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(workplace)
        assert pretrain("--output_dir", "pretrained", "--num_train_epochs", "2") == 0
    return "pretrained"


@pytest.fixture(scope="module")
def finetuned(workplace, pretrained):
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(workplace)
        options = ["--output_dir", "finetuned", "--max_steps", "20", "--label_smoothing_factor", "0.1"]
        assert finetune("--model_name_or_path", pretrained, *options, "--num_segments", "2") == 0
    return "finetuned"


def rows_of(path):
    with Path(path).open(newline="") as file:
        return list(csv.DictReader(file))


def log_of(folder):
    return json.loads(Path(folder, "trainer_state.json").read_text())["log_history"]


def test_pretraining_leaves_a_model_and_its_processor(pretrained):
    losses = [entry["loss"] for entry in log_of(pretrained) if "loss" in entry]
    assert len(losses) == 6 and losses[-1] < losses[0]
    processor = AutoVideoProcessor.from_pretrained(pretrained)
    assert isinstance(processor, LGIFormerVideoProcessor)
    assert (processor.num_frames, processor.sampling_rate, processor.size["height"]) == (4, 1, 16)
    assert json.loads(Path(pretrained, "config.json").read_text())["architectures"] == ["LGIFormerForPreTraining"]


@pytest.mark.parametrize("command", ["pretrain", "finetune"])
def test_frames_are_sampled_as_of_the_starting_model(command, pretrained, tmp_path):
    (tmp_path / "tiny.yaml").write_text(RECIPE.replace("sampling_rate: 1", "model_name_or_path: pretrained"))
    options = ["--train_data", "videos", "--max_steps", "1", "--output_dir", str(tmp_path / "run")]
    assert main([command, str(tmp_path / "tiny.yaml"), *options]) == 0
    assert AutoVideoProcessor.from_pretrained(tmp_path / "run").sampling_rate == 1
    assert "\n- sampling_rate: 1\n" in (tmp_path / "run" / "README.md").read_text()


@pytest.mark.parametrize("command", ["pretrain", "finetune"])
def test_sampling_in_time_is_used_saved_and_followed(command, pretrained, tmp_path, monkeypatch):
    rates = []

    def read(*args, sampling_frame_rate=None, **kwargs):
        rates.append(sampling_frame_rate)
        return read_video(*args, sampling_frame_rate=sampling_frame_rate, **kwargs)

    monkeypatch.setattr("lgi_former.training.data.clips.read_video", read)
    options = ["--train_data", "videos", "--max_steps", "1", "--model_name_or_path", pretrained]
    assert main([command, "tiny.yaml", *options, "--sampling_frame_rate", "12.5", "--output_dir", str(tmp_path)]) == 0
    assert rates and set(rates) == {12.5}
    assert AutoVideoProcessor.from_pretrained(tmp_path).sampling_frame_rate == 12.5
    assert "\n- sampling_frame_rate: 12.5\n" in (tmp_path / "README.md").read_text()
    if command == "finetune":
        evaluation = {"model": str(tmp_path), "data": "videos"}
        for given, expected in ((None, 12.5), (0, None), (50, 50)):
            arguments = EvaluationArguments(**evaluation, sampling_frame_rate=given)
            assert load_for_evaluation(arguments)[1].sampling_frame_rate == expected
        with pytest.raises(ValueError, match="sampling_frame_rate=-1 must be a positive number"):
            EvaluationArguments(**evaluation, sampling_frame_rate=-1)


def test_finetuning_leaves_a_model_that_tells_dark_from_light(finetuned):
    figures = json.loads(Path(finetuned, "metrics.json").read_text())
    assert figures["uar"] == 1.0 and figures["class_accuracy"] == {"dark": 1.0, "light": 1.0}
    rows = rows_of(Path(finetuned, "predictions.csv"))
    assert [row["path"] for row in rows] == [f"videos/{name}/clip {n}.mp4" for name in CLASSES for n in (2, 3)]
    assert all(row["label"] == row["prediction"] for row in rows)
    assert sum(float(rows[0][f"probability_{name}"]) for name in CLASSES) == pytest.approx(1, abs=1e-5)
    assert Path(finetuned, "confusion_matrix.png").read_bytes().startswith(b"\x89PNG")

    model = AutoModelForVideoClassification.from_pretrained(finetuned)
    processor = AutoVideoProcessor.from_pretrained(finetuned)
    assert model.config.id2label == {0: "dark", 1: "light"} and processor.num_segments == 2
    with torch.no_grad():
        logits = model.eval()(pixel_values=processor(rows[0]["path"], return_tensors="pt")["pixel_values"]).logits
    assert model.config.id2label[logits.mean(0).argmax().item()] == "dark"


def test_pretraining_with_decoder_masking_resumes_exactly(tmp_path):
    options = ["--decoder_mask_ratio", "0.5", "--max_steps", "4", "--save_steps", "2", "--save_strategy", "steps"]
    whole, cut = tmp_path / "whole", tmp_path / "cut"
    assert pretrain(*options, "--output_dir", str(whole)) == 0
    assert json.loads((whole / "config.json").read_text())["decoder_mask_ratio"] == 0.5
    assert "- decoder_mask_ratio: 0.5\n" in ModelCard.load(whole / "README.md").text
    shutil.copytree(whole / "checkpoint-2", cut / "checkpoint-2")
    assert pretrain(*options, "--output_dir", str(cut), "--resume_from_checkpoint", "true") == 0
    losses, resumed = ([entry["loss"] for entry in log_of(folder) if "loss" in entry] for folder in (whole, cut))
    assert len(losses) == 4 and resumed == losses
    assert pretrain("--max_steps", "1", "--output_dir", str(tmp_path / "other")) == 0
    assert log_of(tmp_path / "other")[0]["loss"] != losses[0]  # all masked tokens


def test_cards_tell_what_was_measured_and_no_paths(pretrained, finetuned, workplace):
    card = ModelCard.load(Path(finetuned, "README.md"))
    figures = json.loads(Path(finetuned, "metrics.json").read_text())
    measured = {result.metric_name: result.metric_value for result in card.data.eval_results}
    assert measured == {
        "UAR": figures["uar"],
        "WAR": figures["war"],
        "weighted F1": figures["weighted_f1"],
        "micro F1": figures["micro_f1"],
        "macro F1": figures["macro_f1"],
    }
    for line in ("- label_smoothing_factor: 0.1", "- crop_area: [0.8, 1.0]", "- num_segments: 2"):
        assert f"\n{line}\n" in card.text
    assert "starting from `pretrained`" in card.text and "gives scores of dark, light." in card.text

    of_pretraining = ModelCard.load(Path(pretrained, "README.md"))
    assert "- mask_ratio: 0.75\n" in of_pretraining.text and of_pretraining.data.eval_results is None
    assert str(workplace) not in str(card) + str(of_pretraining)


WRONG_SIZE = (
    "meant for frames of 224 x 224 pixels (height x width), but these frames have 32 x 64. Switch the crop off"
)


@pytest.mark.parametrize("workers", ["0", "1"])
def test_a_crop_for_other_frames_is_refused_and_no_video_counts_as_broken(workers, tmp_path, capsys):
    Path("one_is_broken.csv").write_text("path\nbroken.mp4\nlight/clip 1.mp4\ndark/clip 1.mp4\ndark/clip 2.mp4\n")
    Path("videos", "broken.mp4").write_text("not a video")
    shipped = ["--crop", "0", "32", "160", "160", "--crop_frame_size", "224", "224", "--max_skipped_fraction", "1"]
    options = [*shipped, "--train_data", "one_is_broken.csv", "--dataloader_num_workers", workers]
    output = tmp_path / "pretrained"
    assert pretrain(*options, "--output_dir", str(output)) == 2
    message = capsys.readouterr().err
    assert WRONG_SIZE in message and "--crop none" in message and "clip " in message and "Traceback" not in message
    assert not (output / "model.safetensors").exists()
    skipped = output / "skipped_videos.csv"
    assert not skipped.exists() or [row["path"] for row in rows_of(skipped)] == ["videos/broken.mp4"]


def test_the_shipped_recipe_refuses_other_videos_than_voxceleb2s(tmp_path, capsys):
    fields = {"hidden_size": 16, "num_hidden_layers": 1, "num_attention_heads": 2, "intermediate_size": 16}
    small = {**fields, **{f"decoder_{name}": value for name, value in fields.items()}}
    options = ["--config_overrides", json.dumps(small), "--report_to", "none", "--per_device_train_batch_size", "2"]
    options += ["--use_cpu", "true", "--dataloader_num_workers", "0", "--max_steps", "1", "--disable_tqdm", "true"]
    command = ["pretrain", "pretrain_voxceleb2", "--train_data", "videos", *options]
    assert main([*command, "--output_dir", str(tmp_path / "cropped")]) == 2
    assert WRONG_SIZE in capsys.readouterr().err
    assert main([*command, "--output_dir", str(tmp_path / "whole"), "--crop", "none"]) == 0


def test_evaluation_gives_the_same_predictions(finetuned, tmp_path, capsys):
    options = ["--model", finetuned, "--data", "test_1.txt", "--data_root", "videos", "--use_cpu", "--bf16", "false"]
    assert main(["evaluate", *options, "--output_dir", str(tmp_path)]) == 0
    assert "UAR" in capsys.readouterr().out
    assert rows_of(tmp_path / "predictions.csv") == rows_of(Path(finetuned, "predictions.csv"))
    assert main(["evaluate", *options, "--output_dir", str(tmp_path)]) == 2
    assert "holds an evaluation already" in capsys.readouterr().err
    assert main(["evaluate", *options, "--output_dir", str(tmp_path), "--overwrite", "--batch_size", "1"]) == 0


def test_commands_end_by_naming_what_they_wrote_and_the_next_command(pretrained, tmp_path, capsys):
    def ending():
        return capsys.readouterr().err.splitlines()[-2:]

    steps, model = ["--max_steps", "1"], str(tmp_path / "my model")
    assert pretrain(*steps, "--output_dir", str(tmp_path / "pretrained")) == 0
    written, following = ending()
    assert written == f"Wrote the model to '{tmp_path / 'pretrained'}'."
    assert following.startswith(
        f"Next: lgi-former finetune --model_name_or_path {tmp_path / 'pretrained'} --train_data"
    )
    assert finetune("--model_name_or_path", pretrained, *steps, "--output_dir", model) == 0
    evaluation = "(metrics.json, predictions.csv, confusion_matrix.png)"
    assert ending() == [
        f"Wrote the model and its evaluation {evaluation} to '{model}'.",
        f"Next: lgi-former predict VIDEO --model '{model}'",
    ]
    data = ["--data", "test_1.txt", "--data_root", "videos", "--use_cpu", "--bf16", "false"]
    assert main(["evaluate", "--model", model, *data]) == 0
    assert ending() == [
        f"Wrote metrics.json, predictions.csv, confusion_matrix.png to '{model}/evaluation'.",
        f"Next: lgi-former predict VIDEO --model '{model}'",
    ]
    unevaluated = str(tmp_path / "unevaluated")
    options = ["--train_data", "train_1.txt", "--model_name_or_path", pretrained, "--output_dir", unevaluated]
    assert main(["finetune", "tiny.yaml", *options, *steps]) == 0
    assert ending() == [
        f"Wrote the model to '{unevaluated}'.",
        f"Next: lgi-former evaluate --model {unevaluated} --data LABELLED_VIDEOS",
    ]


@pytest.mark.parametrize("place", ["before the command", "after the command"])
def test_a_quiet_command_prints_only_results(place, pretrained, finetuned, tmp_path, capsys):
    arguments = ["pretrain", "tiny.yaml", "--train_data", "videos", "--mask_ratio", "0.75", "--max_steps", "1"]
    arguments += ["--output_dir", str(tmp_path / "pretrained")]
    assert main(["-q", *arguments] if place == "before the command" else [*arguments, "--quiet"]) == 0
    output = capsys.readouterr()
    assert (output.out, output.err) == ("", "")
    data = ["--data", "test_1.txt", "--data_root", "videos", "--use_cpu", "--bf16", "false"]
    assert main(["evaluate", "--model", finetuned, *data, "--output_dir", str(tmp_path / "report"), "-q"]) == 0
    output = capsys.readouterr()
    assert "UAR" in output.out and output.err == ""


def test_logs_have_no_control_characters(pretrained, tmp_path, capsys):
    """Progress bars would write carriage returns."""
    (tmp_path / "tiny.yaml").write_text(RECIPE.replace("disable_tqdm: true\n", ""))
    data = ["--train_data", "train_1.txt", "--eval_data", "test_1.txt", "--data_root", "videos"]
    options = ["--model_name_or_path", "pretrained", "--max_steps", "2", "--output_dir", str(tmp_path / "run")]
    assert main(["finetune", str(tmp_path / "tiny.yaml"), *data, *options]) == 0
    output = capsys.readouterr()
    assert "loss" in output.out
    assert "\r" not in output.out + output.err


def test_an_interrupted_run_goes_on_to_the_same_weights(pretrained, tmp_path, capsys):
    options = ["--model_name_or_path", pretrained, "--max_steps", "6", "--save_steps", "2"]
    assert finetune(*options, "--output_dir", str(tmp_path / "whole")) == 0
    shutil.copytree(tmp_path / "whole" / "checkpoint-4", tmp_path / "cut" / "checkpoint-4")
    os.truncate(
        shutil.copytree(tmp_path / "whole" / "checkpoint-6", tmp_path / "cut" / "checkpoint-6") / "optimizer.pt", 9
    )
    assert finetune(*options, "--output_dir", str(tmp_path / "cut")) == 2
    assert "is not empty" in capsys.readouterr().err
    assert finetune(*options, "--output_dir", str(tmp_path / "cut"), "--resume_from_checkpoint", "true") == 0
    weights = [(tmp_path / run / "model.safetensors").read_bytes() for run in ("whole", "cut")]
    assert weights[0] == weights[1]


@pytest.fixture
def images(tmp_path):
    """Class folders of grey pictures."""
    for name, grey in CLASSES.items():
        (tmp_path / "images" / name).mkdir(parents=True)
        for number in range(4):
            Image.new("L", (20, 24), grey + number).save(tmp_path / "images" / name / f"{number}.png")
    return str(tmp_path / "images")


@pytest.mark.slow
def test_images_and_videos_train_together(images, pretrained, tmp_path, capsys):
    assert pretrain("--train_data", "videos", images, "--max_steps", "1", "--output_dir", str(tmp_path / "both")) == 0
    options = ["--train_data", "train_1.txt", images, "--mix", "2", "1", "--model_name_or_path", pretrained]
    options += ["--max_steps", "8", "--save_steps", "2"]
    assert finetune(*options, "--output_dir", str(tmp_path / "whole")) == 0
    assert f"Each epoch reads 8 of 'train_1.txt' (of 8), 4 of '{images}' (of 8)." in capsys.readouterr().err
    for step in (2, 6):  # in the first epoch of 3 steps, and at the end of the second
        shutil.copytree(tmp_path / "whole" / f"checkpoint-{step}", tmp_path / str(step) / f"checkpoint-{step}")
        resumed = ["--output_dir", str(tmp_path / str(step)), "--resume_from_checkpoint", "true"]
        assert finetune(*options, *resumed, "--mix", "1", "1") == 2
        assert "sampler was mix (8 of 8, 4 of 8) and is mix (8 of 8, 8 of 8)" in capsys.readouterr().err
        assert finetune(*options, *resumed) == 0
        weights = [(tmp_path / run / "model.safetensors").read_bytes() for run in ("whole", str(step))]
        assert weights[0] == weights[1]


def test_images_alone_train_and_are_evaluated(images, tmp_path):
    options = ["--train_data", images, "--eval_data", images, "--max_steps", "20"]
    assert finetune(*options, "--output_dir", str(tmp_path / "run")) == 0
    assert json.loads((tmp_path / "run" / "metrics.json").read_text())["uar"] == 1


def test_cross_validation_writes_the_table_of_all_folds(pretrained, tmp_path, capsys):
    output = str(tmp_path / "fold_{fold}")
    options = ["--model_name_or_path", pretrained, "--folds", "1", "2", "--max_steps", "20", "--output_dir", output]
    options += ["--dataset_name", "my-faces"]
    assert finetune(*options, fold="{fold}") == 0
    table = json.loads((tmp_path / "cross_validation.json").read_text())
    assert "fine-tuned on my-faces, fold 2\n" in (tmp_path / "fold_2" / "README.md").read_text()
    uars = [table["folds"][fold]["uar"] for fold in ("1", "2")]
    assert table["mean"]["uar"] == pytest.approx(np.mean(uars))
    assert len(rows_of(tmp_path / "all_folds" / "predictions.csv")) == 8 == table["pooled"]["num_videos"]
    output = capsys.readouterr()
    assert "standard deviation" in output.out
    assert f"Wrote '{tmp_path}/cross_validation.json'" in output.err.splitlines()[-1]

    written = (tmp_path / "fold_1" / "model.safetensors").stat().st_mtime_ns
    assert finetune(*options, "--resume_from_checkpoint", "true", fold="{fold}") == 0
    assert (tmp_path / "fold_1" / "model.safetensors").stat().st_mtime_ns == written


def test_broken_videos_are_left_out_and_named(rough_corpus, tmp_path, capsys):
    names = [*corpus.GOOD, *corpus.BROKEN]
    annotations = tmp_path / "all.txt"
    annotations.write_text("".join(f"{name} {index % 2}\n" for index, name in enumerate(names)))
    options = ["--train_data", str(annotations), "--eval_data", str(annotations), "--num_train_epochs", "2"]
    options += ["--data_root", str(rough_corpus.folder), "--dataloader_num_workers", "2"]
    output = tmp_path / "run"
    assert finetune(*options, "--output_dir", str(output), "--max_skipped_fraction", "0.5") == 0
    broken = set(rough_corpus.paths(corpus.BROKEN))
    assert {row["path"] for row in rows_of(output / "skipped_videos.csv")} == broken
    assert f"6 of {len(names)} videos could not be read" in capsys.readouterr().out
    assert {row["path"] for row in rows_of(output / "predictions.csv")} == set(rough_corpus.paths(corpus.GOOD))

    assert finetune(*options, "--output_dir", str(tmp_path / "strict")) == 2
    error = capsys.readouterr().err
    assert (
        f"of {len(names)} videos cannot be read, where max_skipped_fraction=0.01 allows 1: " in error
        and "Traceback" not in error
    )

    assert finetune(*options, "--output_dir", str(tmp_path / "check"), "--check_data") == 1
    assert {row["path"] for row in rows_of(tmp_path / "check" / "bad_videos.csv")} == broken


def test_evaluation_of_broken_videos(rough_corpus, finetuned, tmp_path, capsys):
    annotations = tmp_path / "all.txt"
    annotations.write_text("".join(f"{name} light\n" for name in ["empty.mp4", *corpus.GOOD]))
    options = ["--model", finetuned, "--data", str(annotations), "--data_root", str(rough_corpus.folder), "--use_cpu"]
    assert main(["evaluate", *options, "--output_dir", str(tmp_path / "evaluation")]) == 0
    figures = json.loads((tmp_path / "evaluation" / "metrics.json").read_text())
    assert (figures["num_videos"], figures["num_unreadable_videos"]) == (len(corpus.GOOD), 1)
    assert "1 of 10 videos could not be read" in capsys.readouterr().out


def test_training_and_evaluation_on_shards(pretrained, tmp_path, capsys):
    shards = tmp_path / "shards"
    assert main(["prepare", "shards", "videos", str(shards), "--clips-per-shard", "5", "--num-workers", "0"]) == 0
    options = ["--train_data", str(shards), "--max_steps", "2", "--shuffle_buffer", "6"]
    assert pretrain(*options, "--output_dir", str(tmp_path / "pretrained")) == 0
    options += ["--eval_data", str(shards / "index.json"), "--model_name_or_path", pretrained]
    assert finetune(*options, "--output_dir", str(tmp_path / "finetuned")) == 0
    rows = rows_of(tmp_path / "finetuned" / "predictions.csv")
    assert {row["path"]: row["label"] for row in rows} == {
        f"{name}/clip {number}.mp4": name for name in CLASSES for number in range(6)
    }
    options = ["--model", str(tmp_path / "finetuned"), "--data", str(shards), "--use_cpu", "--bf16", "false"]
    assert main(["evaluate", *options]) == 0
    assert rows_of(tmp_path / "finetuned" / "evaluation" / "predictions.csv") == rows
    shards = shards.rename(tmp_path / "damaged")  # tables that were read stay in memory
    (shards / "shard-000001.parquet").unlink()
    options = ["--train_data", str(shards), "--dataloader_num_workers", "1", "--output_dir", str(tmp_path / "stopped")]
    assert pretrain(*options) == 2
    (message,) = (line for line in capsys.readouterr().err.splitlines() if line.startswith("lgi-former: "))
    assert message.startswith(f"lgi-former: There is no file '{shards}/shard-000001.parquet'.")


def test_class_folders_and_videomae(tmp_path, monkeypatch, capsys):
    videomae = ["--model_type", "videomae"]
    overrides = json.dumps({"patch_size": 8, "hidden_size": 16, "num_hidden_layers": 1, "num_attention_heads": 2})
    options = ["--config_overrides", overrides, "--max_steps", "2"]
    assert pretrain(*videomae, *options, "--output_dir", str(tmp_path / "pretrained")) == 0
    options = ["--model_name_or_path", str(tmp_path / "pretrained"), "--config_overrides", "{}", "--max_steps", "2"]
    assert finetune(*options, "--train_data", "videos", "--output_dir", str(tmp_path / "finetuned")) == 0
    config = json.loads((tmp_path / "finetuned" / "config.json").read_text())
    assert config["model_type"] == "videomae" and config["id2label"] == {"0": "dark", "1": "light"}

    shutil.copy(Path("videos", "dark", "clip 0.mp4"), tmp_path / "face.mp4")
    monkeypatch.chdir(tmp_path)
    for folder, shown in (("pretrained", "torch.Size([1, 16])"), ("finetuned", "'label': 'dark'")):
        card = Path(folder, "README.md").read_text()
        assert "[VideoMAE](https://arxiv.org/abs/2203.12602)" in card
        exec(card.partition("```python\n")[2].partition("```")[0], {})
        assert shown in capsys.readouterr().out


@pytest.mark.parametrize(
    ("run", "message"),
    [
        (lambda: main(["pretrain", "tiny.yaml", "--output_dir", "new"]), "train_data is missing"),
        (lambda: main(["finetune", "tiny.yaml"]), "output_dir is missing"),
        (lambda: finetune("--output_dir", "new", "--train_data", "nowhere.txt"), "'nowhere.txt' cannot be read"),
        (lambda: finetune("--output_dir", "new", "--data_root", "no"), "None of the 8 videos exists, such as 'no/"),
        (lambda: finetune("--output_dir", "new", "--train_data", "bare.txt", *LABELS), "train_data has no labels"),
        (lambda: finetune("--output_dir", "new", "--eval_data", "bare.txt", *LABELS), "eval_data has no labels"),
        (lambda: finetune("--output_dir", "new", "--train_data", "{fold}.txt"), "Choose folds"),
        (lambda: finetune("--output_dir", "new", "--folds", "1", "2"), "must contain {fold}"),
        (
            lambda: finetune("--output_dir", "new", "--folds", "1", "2", "--push_to_hub"),
            "each fold has its own repository",
        ),
        (lambda: finetune("--output_dir", "tiny.yaml"), "is a file"),
        (lambda: finetune("--output_dir", "new", "--labels", "dark", "lihgt"), "'light' is unknown (is it 'lihgt'?)"),
        (lambda: finetune("--output_dir", "new", "--num_frames", "5"), "num_frames"),
        (lambda: main(["evaluate", "--data", "test_1.txt"]), "--model is needed"),
        (lambda: main(["evaluate", "--model", "nowhere", "--data", "test_1.txt"]), "nowhere"),
    ],
)
def test_errors_are_one_line(run, message, capsys, monkeypatch):
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    assert run() == 2
    lines = capsys.readouterr().err.splitlines()
    (error,) = [line for line in lines if not line.endswith(" ...")]  # notes of a slow machine, such as "Loading ..."
    assert error.startswith("lgi-former: ") and message in error
    assert not Path("new").exists()
