"""README and the documents: links, commands and Python examples."""

import csv
import json
import re
import shlex
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch
import yaml
from datasets import load_dataset
from datasets.table import embed_table_storage
from safetensors.torch import load_file
from transformers import pipeline

import lgi_former
from lgi_former import (
    LGIFormerConfig,
    LGIFormerForPreTraining,
    LGIFormerForVideoClassification,
    LGIFormerVideoProcessor,
    TrainingTransform,
    load_videos,
)
from lgi_former.commands import cli
from lgi_former.image_processing.faces import face_cropping
from lgi_former.training import evaluate, finetune, pretrain
from lgi_former.training.quickstart.drawn_faces import LABELS, draw_faces, write_video
from lgi_former.training.quickstart.sample_clip import write_sample_clip


ROOT = Path(lgi_former.__file__).parent
DOCS = ROOT / "docs"
DOCUMENTS = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", ROOT / "SECURITY.md", *sorted(DOCS.glob("*.md"))]
LINK = re.compile(r"(?<!\\)\[[^\]]*\]\(([^)\s]+)\)")
IN_COMMAND = {module.__name__.rpartition(".")[2]: module for module in (pretrain, finetune, evaluate)}


def text_without_code(path):
    """The text of a document, without blocks of code."""
    return re.sub(r"^( *)```.*?^\1```$", "", path.read_text(encoding="utf-8"), flags=re.DOTALL | re.MULTILINE)


def blocks(path, *languages):
    """The blocks of code in these languages, also those in lists."""
    pattern = rf"^( *)```(?:{'|'.join(languages)})\n(.*?)^\1```$"
    found = re.findall(pattern, path.read_text(encoding="utf-8"), re.DOTALL | re.MULTILINE)
    return [re.sub(rf"^{indent}", "", block, flags=re.MULTILINE) for indent, block in found]


TRAINING = [block for block in blocks(DOCS / "python.md", "python") if "trainer.train()" in block]
"""The scripts of docs/python.md that train."""


def anchors(path):
    """The anchors that GitHub gives the headings of a document."""
    headings = re.findall(r"^#+ (.+)$", text_without_code(path), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


def broken_links(document):
    """Relative links of a document to a file or heading that does not exist."""
    broken = []
    for link in LINK.findall(text_without_code(document)):
        target, _, anchor = link.partition("#")
        path = (document.parent / target).resolve() if target else document
        if re.match(r"\w+:", link):
            continue
        if not path.exists() or (anchor and anchor not in anchors(path)):
            broken.append(link)
        elif document.parent == DOCS and not path.is_relative_to(DOCS):  # the site has no such page
            broken.append(f"{link} (outside docs/)")
    return broken


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: path.name)
def test_links_lead_somewhere(document):
    assert not broken_links(document)


def test_broken_links_are_found(tmp_path):
    (tmp_path / "b.md").write_text("# A `b`, c\n", encoding="utf-8")
    page = tmp_path / "a.md"
    links = "[1](b.md) [2](b.md#a-b-c) [3](#top) [4](c.md) [5](b.md#b) ![6](x.png) [7](https://x.org/#y)"
    page.write_text(f"# Top\n{links}\n```sh\n[8](code.md)\n```\n", encoding="utf-8")
    assert broken_links(page) == ["c.md", "b.md#b", "x.png"]


def pages_of_navigation(entries):
    for entry in entries:
        for item in entry.values() if isinstance(entry, dict) else [entry]:
            yield from pages_of_navigation(item) if isinstance(item, list) else [item]


def test_every_page_can_be_reached():
    pages = {path.name for path in DOCS.glob("*.md")}
    navigation = yaml.safe_load((ROOT / "mkdocs.yml").read_text(encoding="utf-8"))["nav"]
    assert set(pages_of_navigation(navigation)) == pages
    assert set(LINK.findall((DOCS / "index.md").read_text(encoding="utf-8"))) >= pages - {"index.md"}
    linked = {Path(link).name for link in LINK.findall((ROOT / "README.md").read_text(encoding="utf-8"))}
    assert linked >= pages - {"api.md"}  # python.md links to it


def test_readme_is_short():
    assert len((ROOT / "README.md").read_text(encoding="utf-8").splitlines()) <= 120


def test_the_first_two_bash_blocks_are_the_set_up_commands():
    quickstart, tests = (block.splitlines() for block in blocks(ROOT / "README.md", "bash")[:2])
    assert len(quickstart) == len(tests) == 1
    assert quickstart[0].endswith("lgi-former quickstart") and "pytest" in tests[0]


def commands_in(document):
    """The arguments of each `lgi-former` command in the blocks of shell commands. "..." stands for more options."""
    for block in blocks(document, "sh", "bash"):
        for line in re.split(r"\n|&&", block.replace("\\\n", " ")):
            if not re.search(r"^ *lgi-former |-m lgi_former\.training", line):
                continue
            words = [word for word in shlex.split(line, comments=True) if word != "..."]
            if words[0] == "lgi-former":
                yield words[1:]
            else:  # accelerate launch
                start = words.index("-m") + 1
                yield [words[start].rpartition(".")[2], *words[start + 1 :]]


COMMANDS = {shlex.join(words) for document in DOCUMENTS for words in commands_in(document)}


@pytest.mark.parametrize("command", sorted(COMMANDS))
def test_commands_are_understood(command, monkeypatch):
    """Commands and options exist, and recipes are shipped or written on the page. Nothing is run."""
    calls = []

    def record(*args):
        """Record a call instead of running the command."""
        calls.append(args)
        return 0

    for module in cli.COMMANDS.values():
        monkeypatch.setattr(module, "run", record)
    words = shlex.split(command)
    if words[0] in IN_COMMAND:
        record.__name__ = words[0]  # the name of the command in errors
        monkeypatch.setattr(IN_COMMAND[words[0]], words[0], record)
    if words[1:2] == ["my_faces.yaml"]:  # a recipe on a page
        words[1:2] = ["finetune_dfew"]
    assert cli.main(words) == 0
    assert len(calls) == 1


def test_commands_are_found():
    assert len(COMMANDS) > 40
    assert "quickstart" in COMMANDS
    assert any(
        command.startswith("pretrain pretrain_voxceleb2") and "save_steps" not in command for command in COMMANDS
    )


@pytest.fixture
def folder(tmp_path, monkeypatch, save_tiny_model):
    """The current folder, with the models and videos that the examples need."""
    monkeypatch.chdir(tmp_path)
    save_tiny_model(LGIFormerForVideoClassification, "my_model", ["happy", "sad", "neutral"])
    save_tiny_model(LGIFormerForPreTraining, "pretrained", ["happy", "sad"])
    Path("my_model/trainer_state.json").write_text('{"log_history": [{"step": 1, "loss": 1.0}]}')
    write_sample_clip("holiday.mp4")
    return tmp_path


def sort_drawn_videos(save_tiny_model):
    """Run the script of docs/finetune.md on a small corpus with the files of a quickstart."""
    save_tiny_model(LGIFormerForVideoClassification, "quickstart/model", list(LABELS))
    names = [f"test/{index:05d}.mp4" for index in range(140)]
    corpus = Path("quickstart/corpus")
    (corpus / "test").mkdir(parents=True)
    clip = Path("holiday.mp4").read_bytes()
    for name in names:
        (corpus / name).write_bytes(clip)
    with (corpus / "test.csv").open("w", newline="") as file:
        csv.writer(file).writerows([("path", "label"), *((name, index % 7) for index, name in enumerate(names))])
    (script,) = blocks(DOCS / "finetune.md", "python")
    exec(script, {})


def test_the_worked_example_of_finetuning_runs(folder, save_tiny_model):
    sort_drawn_videos(save_tiny_model)
    counts = {part: len(list(Path("my_faces", part).glob("*/*.mp4"))) for part in ("train", "test")}
    assert counts == {"train": 36, "test": 24}
    assert len(list(Path("my_faces/test").iterdir())) == 4
    (recipe,) = blocks(DOCS / "finetune.md", "yaml")
    Path("my_faces.yaml").write_text(recipe, encoding="utf-8")
    options = ["--output_dir", "trained", "--max_steps", "1"]
    assert cli.main(["finetune", "my_faces.yaml", *options]) == 0
    assert {"confusion_matrix.png", "metrics.json", "predictions.csv"} <= {
        path.name for path in Path("trained").iterdir()
    }


def test_the_examples_of_the_python_page_run(folder, monkeypatch):
    calls = []
    monkeypatch.setattr(finetune, "main", lambda argv: calls.append(argv))
    face = np.array([[25, 10, 135, 150, 0.9]])  # the drawn face, which the detector does not find
    monkeypatch.setattr(face_cropping, "CenterFaceDetector", lambda: lambda image: face)
    examples = [block for block in blocks(DOCS / "python.md", "python") if block not in TRAINING]
    assert len(examples) == 8
    namespace = {}
    for example in examples:
        exec(example, namespace)
    assert calls and Path("losses.png").is_file()
    assert namespace["vector"].shape == (32,) and namespace["result"]["timeline"]
    assert set(namespace["prediction"].scores) == {"happy", "sad", "neutral"}


def test_the_examples_of_training_in_python_run(folder, monkeypatch):
    for part, count in (("train", 2), ("test", 1)):
        for label in ("happy", "sad"):
            clips = Path("faces", part, label)
            clips.mkdir(parents=True)
            for number in range(count):
                (clips / f"{number}.mp4").write_bytes(Path("holiday.mp4").read_bytes())
    examples = blocks(DOCS / "train_in_python.md", "python")
    assert len(examples) == 10
    monkeypatch.setenv("ACCELERATE_USE_CPU", "true")
    namespace = {"__name__": "train"}
    for example in examples:
        exec(example.replace('"num_train_epochs": 20', '"num_train_epochs": 1'), namespace)
    frozen, start = (load_file(f"{folder}/model.safetensors") for folder in ("last_layers/checkpoint-1", "pretrained"))
    name = "lgi_former.embeddings.projection.weight"
    assert torch.equal(frozen[name], start[name])
    assert namespace["weights"].tolist() == [1.0, 1.0]
    larger = LGIFormerConfig.from_pretrained("larger/checkpoint-1")
    assert (larger.image_size, larger.num_frames) == (224, 32)
    assert Path("adapter/adapter_config.json").is_file() and not Path("adapter/model.safetensors").exists()
    assert LGIFormerConfig.from_pretrained("whole").id2label == {0: "happy", 1: "sad"}


@pytest.fixture
def faces(folder, monkeypatch, on_loopback):
    """Drawn faces of two expressions in the current folder, and a small pre-trained model among the downloads.

    The expressions differ in colour, too, so that a small model tells them apart after few steps.
    """
    monkeypatch.setattr("huggingface_hub.constants.HF_HOME", str(folder / "downloads"))
    monkeypatch.setattr("datasets.config.HF_DATASETS_CACHE", folder / "cache")
    shutil.copytree("pretrained", "downloads/lgi_former/mae-dfer-voxceleb2")
    generator = torch.Generator().manual_seed(0)
    for part in ("train", "test"):
        for label, colour in {"happy": (1, 0.3, 0.1), "surprise": (0.1, 0.3, 1)}.items():
            clips = draw_faces([list(LABELS).index(label)] * 16, generator, size=32) * torch.tensor(colour)
            Path("my_faces", part, label).mkdir(parents=True)
            for number, clip in enumerate(clips):
                write_video(Path("my_faces", part, label, f"{number}.mp4"), clip.to(torch.uint8))
    shutil.copytree("my_faces", "clips")
    return on_loopback


def run_script(script, **arguments):
    """Run a script of docs/python.md with other training arguments. Returns the trainer."""
    for name, value in arguments.items():
        script, count = re.subn(rf"\b{name}=[^,)]+", f"{name}={value}", script)
        assert count == 1
    namespace = {}
    exec(script, namespace)
    return namespace["trainer"]


def test_the_training_scripts_are_short():
    (in_readme,) = [block for block in blocks(ROOT / "README.md", "py") if "trainer.train()" in block]
    assert in_readme == TRAINING[0] and len(TRAINING) == 2
    for script in TRAINING:
        assert len(script.splitlines()) <= 25 and max(map(len, script.splitlines())) <= 120
        imports = re.findall(r"^(?:from|import) (\w+)", script, re.MULTILINE)
        assert set(imports) <= {"lgi_former", "transformers", "datasets"}


@pytest.mark.parametrize("script", TRAINING, ids=["LGIFormerTrainer", "Trainer"])
def test_the_training_scripts_run(script, faces, capsys):
    trainer = run_script(script, num_train_epochs=2)
    assert 0 <= float(capsys.readouterr().out.splitlines()[-1]) <= 1
    assert len(set(trainer.lr_scheduler.base_lrs)) > 1  # layer decay
    files = faces.files(f"someone/{trainer.args.output_dir}")
    assert {"README.md", "config.json", "model.safetensors", "video_preprocessor_config.json"} <= files.keys()
    assert json.loads(files["config.json"])["id2label"] == {"0": "happy", "1": "surprise"}
    if trainer.args.output_dir == "finetuned":
        card = files["README.md"].decode()
        assert "| UAR |" in card and "`mae-dfer-voxceleb2`" in card and "layer_decay: 0.75" in card
    classify = pipeline("video-classification", model=trainer.args.output_dir)
    assert {entry["label"] for entry in classify("holiday.mp4")} == {"happy", "surprise"}


def test_the_training_script_learns(faces):
    """With mixup, the loss in training stays high. That of the evaluation falls from log(2) = 0.69."""
    trainer = run_script(TRAINING[0], num_train_epochs=24, per_device_train_batch_size=16, base_learning_rate=0.05)
    losses = [log["loss"] for log in trainer.state.log_history if "loss" in log]
    assert np.mean(losses[-2:]) < losses[0] - 0.04
    metrics = trainer.evaluate()
    assert metrics["eval_uar"] > 0.8 and metrics["eval_loss"] < 0.5


def test_videos_come_from_every_source_of_the_page(faces):
    load_dataset("videofolder", data_dir="clips", split="train").with_format("arrow").map(
        embed_table_storage, batched=True
    ).with_format(None).to_parquet("your-name/faces/train.parquet")
    Path("train.csv").write_text(
        "video,label\nmy_faces/train/happy/0.mp4,happy\nmy_faces/train/surprise/1.mp4,surprise\n"
    )
    page = (DOCS / "python.md").read_text(encoding="utf-8")
    calls = re.findall(r"`(load_videos\(.+?\))`", page)
    assert len(calls) == 3
    transform = TrainingTransform(LGIFormerVideoProcessor(size={"height": 32, "width": 32}, num_frames=4))
    for call in calls:
        videos = eval(call, {"load_dataset": load_dataset, "load_videos": load_videos})
        item = videos.with_transform(transform)[len(videos) - 1]
        assert item["pixel_values"].shape == (4, 3, 32, 32)
        assert videos.features["label"].names[item["labels"]] == "surprise"
