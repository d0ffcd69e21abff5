"""The commands refuse lists that say something else before they write anything, and report what they accept."""

import pytest

from lgi_former import LGIFormerForVideoClassification
from lgi_former.commands.cli import main
from lgi_former.image_processing import processor_for


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """The current folder, with four files that are named as videos."""
    monkeypatch.chdir(tmp_path)
    for name in "abcd":
        (tmp_path / f"{name}.mp4").write_bytes(b"no video")
    return tmp_path


@pytest.fixture
def model(tiny_run, folder):
    """A model of the classes happy, sad and neutral."""
    config = tiny_run.tiny_config(id2label=dict(enumerate(tiny_run.LABEL_NAMES)))
    LGIFormerForVideoClassification(config).save_pretrained("model")
    processor_for(config, sampling_rate=1).save_pretrained("model")
    return "model"


def finetune(*options):
    return main(["finetune", "--use_cpu", "--bf16", "false", "--output_dir", "out", *options])


@pytest.fixture
def is_refused(capsys, folder):
    """Check that a command wrote one sentence, after the bars of loading a model, and no file."""
    capsys.readouterr()

    def check(status, message):
        *_, error = capsys.readouterr().err.rstrip("\n").split("\n")
        assert status == 2 and error.startswith("lgi-former: ") and message in error
        assert not any(folder.glob("out*"))

    return check


COMMANDS = {
    "finetune": lambda: finetune("--train_data", "list.csv"),
    "finetune --eval_data": lambda: finetune("--train_data", "good.txt", "--eval_data", "list.csv"),
    "pretrain": lambda: main(["pretrain", "--use_cpu", "--output_dir", "out", "--train_data", "list.csv"]),
    "evaluate": lambda: main(
        ["evaluate", "--model", "model", "--data", "list.csv", "--output_dir", "out", "--use_cpu", "--bf16", "false"]
    ),
    "prepare shards": lambda: main(["prepare", "shards", "list.csv", "out"]),
    "embed": lambda: main(["embed", "--data", "list.csv", "--model", "model", "--output", "out.npy"]),
}


@pytest.mark.parametrize("command", COMMANDS)
@pytest.mark.parametrize(
    ("content", "message"),
    [
        ('path,label\na.mp4,happy\n"b.mp4,sad\nc.mp4,sad\n"d.mp4,happy\n', "line 3: there is a stray quotation mark"),
        ("path,label\na.mp4,0.35\nb.mp4,1\n", "line 2: the label '0.35' is a real number"),
        ("path,label\na.mp4,happy;sad\nb.mp4,neutral\n", "line 2: the label 'happy;sad' looks like several labels"),
        ("a.mp4 happy\nb.mp4 99999999999999999999\n", "line 2: the label 99999999999999999999 is"),
    ],
)
def test_lists_are_refused_before_anything_is_written(command, content, message, model, folder, is_refused):
    (folder / "good.txt").write_text("a.mp4 happy\nb.mp4 sad\nc.mp4 neutral\n")
    if "9999" in message and "eval" not in command:
        content, message = content.replace("happy", "0"), message
    (folder / "list.csv").write_text(content)
    is_refused(COMMANDS[command](), message)


@pytest.mark.parametrize(
    ("content", "options", "message"),
    [
        ("a.mp4 1\nb.mp4 2\nc.mp4 3\n", [], "train_data has the labels 1 to 3, but classes count from 0"),
        ("a.mp4 happy\nb.mp4 happy\n", [], "train_data has one class only, 'happy'"),
        ("a.mp4 0\nb.mp4 0\n", [], "train_data has one class only, '0'"),
        ("a.mp4 happy\nb.mp4 happy\n", ["--labels", "happy", "sad"], "train_data has one class only, 'happy'"),
        ("a.mp4 1\nb.mp4 2\n", ["--labels", "happy", "sad"], "line 2: the label 2 is out of range"),
        ("a.mp4 0\nb.mp4 1\n", ["--labels", "happy,sad"], "line 2: the label 1 is out of range"),
        ("a.mp4 happy\nb.mp4 sad\n", ["--labels", "happy", "sad", "sad"], "repeat a name"),
        ("a.mp4 happy\nb.mp4 sad\n", ["--eval_data", "more.txt"], "more.txt', line 1: the label 'fear' is unknown"),
    ],
)
def test_what_cannot_be_trained_on_is_refused(content, options, message, folder, is_refused):
    (folder / "list.txt").write_text(content)
    (folder / "more.txt").write_text("c.mp4 fear\n")
    is_refused(finetune("--train_data", "list.txt", *options), message)


def test_all_folds_are_checked_before_the_first_is_trained(folder, is_refused):
    for fold, labels in ((1, ("happy", "sad")), (2, ("happy", "0.5"))):
        (folder / f"train_{fold}.txt").write_text(f"a.mp4 {labels[0]}\nb.mp4 {labels[1]}\n")
    options = ["--train_data", "train_{fold}.txt", "--eval_data", "train_{fold}.txt", "--folds", "1", "2"]
    is_refused(finetune(*options), "train_2.txt', line 2: the label '0.5' is a real number")


def test_evaluation_reports_classes_that_differ_from_the_models(model, folder, capsys, caplog):
    data = ["--model", model, "--use_cpu", "--bf16", "false", "--data", "list.txt", "--output_dir", "out"]
    (folder / "list.txt").write_text("a.mp4 happy\nb.mp4 sad\n")
    main(["evaluate", *data])
    assert "'list.txt' has no video of 1 of 3 classes: neutral." in caplog.text
    (folder / "list.txt").write_text("a.mp4 Happy\nb.mp4 sad\n")
    assert main(["evaluate", *data]) == 2
    assert (
        "line 1: the label 'Happy' is unknown (is it 'happy'?); the labels are happy, sad" in capsys.readouterr().err
    )


def test_shards_count_from_zero(folder, is_refused):
    (folder / "list.txt").write_text("a.mp4 1\nb.mp4 2\n")
    is_refused(
        main(["prepare", "shards", "list.txt", "out"]), "The list has the labels 1, 2, but classes count from 0"
    )
