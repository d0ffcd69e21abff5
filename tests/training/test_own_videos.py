"""`lgi-former finetune` on one list: divided by class and person, in folds, with classes of different sizes."""

import csv
import json
import shutil
import statistics
from collections import Counter
from pathlib import Path

import pytest

from lgi_former.commands.cli import main
from lgi_former.training.data.annotations import load_annotations
from lgi_former.training.run.run_data import name_of_source


RECIPE = """\
train_data: list.csv
per_device_train_batch_size: 4
base_learning_rate: 0.1
randaugment_operations: 0
logging_steps: 1
disable_tqdm: true
seed: 3
"""
CLASSES = {"dark": 40, "light": 200}

pytestmark = pytest.mark.usefixtures("in_workplace")


@pytest.fixture(scope="module")
def workplace(tmp_path_factory, load_module, tiny_recipe):
    """A folder with 12 videos of four people, their list, and a list with 20 videos of one class and 1 of another."""
    folder = tmp_path_factory.mktemp("workplace")
    write_clip = load_module(Path(__file__).with_name("rough_corpus.py")).write_clip
    rows = [("path", "label", "person")]
    for name, grey in CLASSES.items():
        (folder / "videos" / name).mkdir(parents=True)
        for number in range(6):
            path = write_clip(folder / "videos" / name / f"clip {number}.mp4", grey=grey + number, count=4)
            rows.append((path.relative_to(folder), name, f"P{number % 4}"))
    with (folder / "list.csv").open("w", newline="") as file:
        csv.writer(file).writerows(rows)
    names = [f"videos/dark/clip {number % 6}.mp4" for number in range(20)]
    for number, name in enumerate(names[6:], start=6):
        shutil.copy(folder / name, folder / "videos" / "dark" / f"copy {number}.mp4")
    names = [*names[:6], *(f"videos/dark/copy {number}.mp4" for number in range(6, 20))]
    lines = [*(f"{name} dark\n" for name in names), "videos/light/clip 0.mp4 light\n"]
    (folder / "rare.txt").write_text("".join(lines))
    (folder / "tiny.yaml").write_text(tiny_recipe + RECIPE)
    return folder


def finetune(*options):
    return main(["finetune", "tiny.yaml", *map(str, options)])


def rows_of(path):
    with Path(path).open(newline="") as file:
        return list(csv.DictReader(file))


def weights_of(folder):
    return Path(folder, "model.safetensors").read_bytes()


def test_a_split_separates_people_and_its_lists_can_be_used_again(workplace, tmp_path, capsys):
    split, again = tmp_path / "split", tmp_path / "again"
    assert finetune("--eval_split", 0.25, "--max_steps", 2, "--output_dir", split) == 0
    train, evaluated = (rows_of(split / f"{part}_split.csv") for part in ("train", "eval"))
    assert len(train) + len(evaluated) == 12 and {row["label"] for row in evaluated} == set(CLASSES)
    persons = [{row["person"] for row in rows} for rows in (train, evaluated)]
    assert not persons[0] & persons[1] and persons[1]
    error = capsys.readouterr().err
    summary = f"{len(train)} videos (groups: {len(persons[0])}) to train on and {len(evaluated)} videos (groups: "
    assert summary in error and "by the column 'person'." in error
    tested = [str(workplace / row["path"]) for row in rows_of(split / "predictions.csv")]
    assert tested == [row["path"] for row in evaluated]

    lists = ["--train_data", split / "train_split.csv", "--eval_data", split / "eval_split.csv"]
    assert finetune(*lists, "--max_steps", 2, "--output_dir", again) == 0
    assert weights_of(again) == weights_of(split)
    assert load_annotations(split / "train_split.csv").features["label"].names == list(CLASSES)
    card = (split / "README.md").read_text()
    assert "\n- eval_split: 0.25\n" in card and "\n- group_column: person\n" in card
    assert "name: list\n" in card and "name: unknown" not in card  # the evaluated videos in the metadata


def test_class_folders_are_divided_by_class(tmp_path, capsys):
    options = ["--train_data", "videos", "--eval_split", 0.34, "--max_steps", 1, "--output_dir", tmp_path / "run"]
    assert finetune(*options) == 0
    counts = Counter(row["label"] for row in rows_of(tmp_path / "run" / "eval_split.csv"))
    assert counts == {"dark": 7, "light": 2}
    assert "No column of persons was found, so one person may be in both parts" in capsys.readouterr().err
    assert "\n- group_column: none\n" in (tmp_path / "run" / "README.md").read_text()


@pytest.mark.parametrize(
    ("source", "name"),
    [
        ("faces.csv", "faces"),
        ("my_faces/test", "my_faces"),
        ("clips/my_faces/test/", "my_faces"),
        ("clips/my_faces/Test.txt", "my_faces"),
        ("shards/train/index.json", "shards"),
        ("s3://bucket/dfew/val/index.json", "dfew"),
        (r"C:\clips\faces\test.csv", "faces"),
        ("../test.csv", "test"),
        (str(Path.home() / "test.csv"), "test"),
    ],
)
def test_the_name_of_a_source(source, name):
    assert name_of_source(source) == name


def test_one_list_is_divided_into_folds(tmp_path, capsys):
    options = ["--folds", 3, "--max_steps", 2, "--output_dir", tmp_path]
    assert finetune(*options) == 0
    table = json.loads((tmp_path / "cross_validation.json").read_text())
    uars = [table["folds"][fold]["uar"] for fold in "123"]
    assert table["standard_deviation"]["uar"] == pytest.approx(statistics.stdev(uars))
    assert "standard deviation (n - 1)" in capsys.readouterr().out
    assert table["pooled"]["num_videos"] == 12
    tested = [row["path"].removeprefix("./") for row in rows_of(tmp_path / "all_folds" / "predictions.csv")]
    assert sorted(tested) == sorted(row["path"] for row in rows_of("list.csv"))
    persons = [{row["person"] for row in rows_of(tmp_path / f"fold_{fold}" / "eval_split.csv")} for fold in "123"]
    assert sum(map(len, persons)) == 4 == len(set.union(*persons))

    written = (tmp_path / "fold_1" / "model.safetensors").stat().st_mtime_ns
    (tmp_path / "fold_3" / "metrics.json").unlink()
    assert finetune(*options, "--resume_from_checkpoint", "true") == 0
    assert (tmp_path / "fold_1" / "model.safetensors").stat().st_mtime_ns == written
    assert json.loads((tmp_path / "cross_validation.json").read_text()) == table
    (tmp_path / "other.csv").write_text(Path("list.csv").read_text().replace("P3", "P2"))
    other = ["--train_data", tmp_path / "other.csv", "--data_root", "."]
    assert finetune(*options, "--resume_from_checkpoint", "true", *other) == 2
    assert "fold_1/train_split.csv' has other videos than this run would have" in capsys.readouterr().err


def test_balanced_sampling_and_class_weights_of_a_rare_class(tmp_path, capsys):
    """Resumed in the middle of an epoch of 6 steps, the run equals the whole run."""
    options = ["--train_data", "rare.txt", "--max_steps", 8, "--save_steps", 4]
    balanced = [*options, "--sampler", "balanced", "--class_weight", "balanced"]
    assert finetune(*balanced, "--output_dir", tmp_path / "whole") == 0
    shown = capsys.readouterr().out.split("balanced weight")[1].split()
    assert shown[shown.index("dark") :][:6] == ["dark", "20", "0.525", "light", "1", "10.5"]
    card = (tmp_path / "whole" / "README.md").read_text()
    assert "- class_weights: dark 0.525, light 10.5\n" in card and "- sampler: balanced\n" in card
    assert finetune(*options, "--output_dir", tmp_path / "plain") == 0
    assert weights_of(tmp_path / "plain") != weights_of(tmp_path / "whole")

    shutil.copytree(tmp_path / "whole" / "checkpoint-4", tmp_path / "cut" / "checkpoint-4")
    resume = ["--output_dir", tmp_path / "cut", "--resume_from_checkpoint", "true"]
    assert finetune(*options, *resume) == 2
    assert "other batches: sampler was balanced" in capsys.readouterr().err
    assert finetune(*balanced, *resume) == 0
    assert weights_of(tmp_path / "cut") == weights_of(tmp_path / "whole")


def test_early_stopping_ends_a_run_that_does_not_improve(tmp_path, caplog):
    options = ["--eval_split", 0.25, "--early_stopping_patience", 2, "--num_train_epochs", 9]
    assert finetune(*options, "--base_learning_rate", 1e-30, "--output_dir", tmp_path / "run") == 0
    log = json.loads((tmp_path / "run" / "trainer_state.json").read_text())["log_history"]
    assert [entry["epoch"] for entry in log if "eval_loss" in entry] == [1, 2, 3]
    assert "The best checkpoint is chosen on the videos that are evaluated" in caplog.text


def test_a_starting_model_of_another_size_is_reported(tmp_path, caplog):
    assert finetune("--max_steps", 1, "--output_dir", tmp_path / "start") == 0
    options = ["--model_name_or_path", tmp_path / "start", "--max_steps", 1]
    assert finetune(*options, "--output_dir", tmp_path / "same") == 0
    assert "The starting model takes" not in caplog.text
    assert finetune(*options, "--num_frames", 8, "--output_dir", tmp_path / "other") == 0
    assert (
        "The starting model takes 4 frames of 16 x 16 pixels. It is trained with 8 frames of 16 x 16 pixels"
        in caplog.text
    )


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--eval_split", 0.2, "--eval_data", "list.csv"], "eval_split divides --train_data, so eval_data='list.csv'"),
        (["--eval_split", 0.2, "--folds", 3], "eval_split clashes with folds"),
        (["--folds", 3, "--eval_data", "list.csv"], "folds divides --train_data"),
        (["--folds", 3, 4], "must contain {fold}, which is replaced by the number of each fold. To divide one list"),
        (["--folds", 1], "must contain {fold}"),
        (["--folds", 5], "--folds 5 needs as many groups, but there are 4"),
        (["--group_column", "person"], "group_column has no effect without --eval_split"),
        (["--eval_split", 0.2, "--group_column", "actor"], "but group_column is 'actor'"),
        (["--early_stopping_patience", 3], "Evaluation in training needs videos: give --eval_data, or --eval_split"),
        (["--dataset_name", "DFEW"], "take the recipe finetune_own, or give them another --dataset_name"),
    ],
)
def test_options_that_clash_are_refused(options, message, capsys, tmp_path):
    assert finetune(*options, "--output_dir", tmp_path / "new") == 2
    error = capsys.readouterr().err.splitlines()[-1]
    assert error.startswith("lgi-former: ") and message in error
    assert not (tmp_path / "new").exists()


def test_folds_need_videos(tmp_path, capsys):
    assert main(["finetune", "--folds", "3", "--output_dir", str(tmp_path / "new")]) == 2
    assert "train_data is missing" in capsys.readouterr().err


def write_rows(path, *columns):
    """Write a list with further columns after the path and the person of each video."""
    rows = rows_of("list.csv")
    with path.open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["path", "person", *(name for name, _ in columns)])
        writer.writerows(
            [str(Path(row["path"]).absolute()), row["person"], *(value(index) for _, value in columns)]
            for index, row in enumerate(rows)
        )
    return path


def test_folds_of_numbers(tmp_path, capsys):
    numbers = [("valence", lambda index: index / 12 - 0.4), ("arousal", lambda index: (index * 5 % 12) / 12)]
    source = write_rows(tmp_path / "numbers.csv", *numbers)
    options = ["--train_data", source, "--max_steps", 1, "--output_dir", tmp_path / "run"]
    assert finetune(*options, "--folds", 2) == 0
    table = json.loads((tmp_path / "run" / "cross_validation.json").read_text())
    assert set(table["mean"]) == {"ccc", "pearson", "mae"} and table["pooled"]["num_videos"] == 12
    assert "truth_and_prediction.png" in capsys.readouterr().err
    lists = [load_annotations(tmp_path / f"run/fold_1/{part}_split.csv") for part in ("train", "eval")]
    assert list(lists[0].features["label"]) == ["valence", "arousal"] and sum(map(len, lists)) == 12
    for option, message in (
        (["--class_weight", "balanced"], "class_weight=balanced needs classes, but the labels are numbers"),
        (["--sampler", "balanced"], "sampler=balanced needs one class for each video"),
    ):
        assert finetune(*options[:-1], tmp_path / "refused", *option) == 2
        assert message in capsys.readouterr().err.splitlines()[-1]


def test_weights_of_several_labels(tmp_path):
    labels = [("happy", lambda index: str(index < 3).lower()), ("sad", lambda index: str(index % 2 == 0).lower())]
    source = write_rows(tmp_path / "several.csv", *labels)
    options = ["--train_data", source, "--class_weight", "balanced", "--max_steps", 1, "--mixup_alpha", 0]
    assert finetune(*options, "--output_dir", tmp_path / "run") == 0
    assert "- class_weights: happy 3, sad 1\n" in (tmp_path / "run" / "README.md").read_text()


def test_shards_and_streams(tmp_path, capsys):
    shards = tmp_path / "shards"
    assert main(["prepare", "shards", "rare.txt", str(shards), "--clips-per-shard", "5", "--num-workers", "0"]) == 0
    options = ["--max_steps", 2, "--shuffle_buffer", 6, "--sampler", "balanced", "--class_weight", "effective"]
    assert finetune(*options, "--train_data", shards, "--output_dir", tmp_path / "sharded") == 0
    assert "- class_weights: dark 0.527, light 10.5\n" in (tmp_path / "sharded" / "README.md").read_text()
    stream = ["--train_data", shards / "*.tar", "--labels", *CLASSES, "--output_dir", tmp_path / "stream"]
    capsys.readouterr()
    for option, message in (
        (["--sampler", "balanced"], "sampler=balanced needs the classes of all videos, which a stream does not list"),
        (["--class_weight", "balanced"], "class_weight=balanced needs the classes of all videos"),
        (["--eval_split", 0.5], "cannot be divided, because it is not one list or class folder"),
    ):
        assert finetune("--max_steps", 2, *stream, *option) == 2
        assert message in capsys.readouterr().err
