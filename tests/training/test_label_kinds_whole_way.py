"""Labels of every kind through the commands: a list, `finetune`, `evaluate`, metrics, the saved model and its card."""

import csv
import json

import numpy as np
import pytest
from transformers import AutoConfig

from lgi_former import LGIFormerForVideoClassification
from lgi_former.commands.cli import main
from lgi_former.image_processing import processor_for
from lgi_former.inference.prediction import labels_of


NUM_VIDEOS, NUM_FRAMES = 6, 5  # frames of a video; a clip has 4
TINY = {
    "patch_size": 4,
    "region_size": [2, 2, 4],
    "hidden_size": 16,
    "num_hidden_layers": 1,
    "num_attention_heads": 2,
    "intermediate_size": 16,
}
BY_FRAMES = json.dumps(TINY | {"frame_level": True})
KINDS = {  # the task, the lines of a list for grey levels from 0 to 1, the labels, metrics
    "regression": (
        "path,valence,arousal",
        lambda grey: f"{2 * grey - 1},{grey}",
        ["valence", "arousal"],
        {"ccc", "mae"},
    ),
    "multi_label": (
        "path,label",
        lambda grey: "dim;grey" if grey < 0.5 else "grey",
        ["dim", "grey"],
        {"map", "micro_f1"},
    ),
    "distribution": ("path,dim,light", lambda grey: f"{1 - grey},{grey}", ["dim", "light"], {"kl", "uar"}),
    "single_label": ("path,label", lambda grey: "dim" if grey < 0.5 else "light", ["dim", "light"], {"uar", "war"}),
}


@pytest.fixture
def workplace(tmp_path, monkeypatch, load_module, request):
    """The current folder, with videos of grey levels and a recipe."""
    corpus = load_module(request.path.with_name("rough_corpus.py"))
    monkeypatch.chdir(tmp_path)
    for number in range(NUM_VIDEOS):
        corpus.write_clip(tmp_path / f"{number}.mp4", grey=40 * number, count=NUM_FRAMES)
    options = {"image_size": 16, "num_frames": 4, "sampling_rate": 1, "use_cpu": True, "bf16": False, "max_steps": 2}
    options |= {"per_device_train_batch_size": 3, "disable_tqdm": True, "report_to": "none", "config_overrides": TINY}
    (tmp_path / "tiny.yaml").write_text(json.dumps(options))
    return tmp_path


def finetune(*options):
    data = ["--train_data", "list.csv", "--eval_data", "list.csv"]
    return main(["finetune", "tiny.yaml", *data, "--output_dir", "out", "--randaugment_operations", "0", *options])


def levels():
    return [number / (NUM_VIDEOS - 1) for number in range(NUM_VIDEOS)]


@pytest.mark.parametrize("task", KINDS)
def test_from_list_to_card(task, workplace, capsys):
    header, label, names, metrics = KINDS[task]
    lines = [f"{number}.mp4,{label(grey)}" for number, grey in enumerate(levels())]
    (workplace / "list.csv").write_text("\n".join([header, *lines]))
    units = ["--label_units", "", "Hz"] if task == "regression" else []
    assert finetune(*units) == 0
    assert f"Task: {task} of {', '.join(names)} (from the " in "".join(capsys.readouterr())
    config = AutoConfig.from_pretrained("out")
    assert labels_of(config) == names and config.label_units == (units[1:] or None)
    figures = json.loads((workplace / "out/metrics.json").read_text())
    assert metrics <= set(figures) and figures["num_videos"] == NUM_VIDEOS
    card = (workplace / "out/README.md").read_text()
    assert all(name in card for name in names)
    command = ["evaluate", "--model", "out", "--data", "list.csv", "--output_dir", "again", "--use_cpu", "--bf16"]
    task_option = ["--task", task] if task == "distribution" else []
    assert main([*command, "false", *task_option]) == 0
    again = json.loads((workplace / "again/metrics.json").read_text())
    assert again["precision"] == figures["precision"] == "float32"
    for metric in metrics:
        assert again[metric] == pytest.approx(figures[metric])
    if task == "regression":
        capsys.readouterr()
        assert main([*command, "true", "--overwrite", "true"]) == 0
        assert json.loads((workplace / "again/metrics.json").read_text())["precision"] == "bfloat16"
        assert "computed in bfloat16" in capsys.readouterr().out


FRAMES = {
    "single_label": ("path,label", lambda grey: f"[{' '.join(str(int(frame > 2)) for frame in range(NUM_FRAMES))}]"),
    "regression": ("path,valence", lambda grey: f"[{' '.join(f'{grey + frame}' for frame in range(NUM_FRAMES))}]"),
}


@pytest.mark.parametrize("task", FRAMES)
def test_labels_of_frames(task, workplace, capsys):
    header, label = FRAMES[task]
    lines = [f"{number}.mp4,{label(grey)}" for number, grey in enumerate(levels())]
    (workplace / "list.csv").write_text("\n".join([header, *lines]))
    assert finetune("--task", task, "--config_overrides", BY_FRAMES) == 0
    figures = json.loads((workplace / "out/metrics.json").read_text())
    assert figures["num_frames"] == 4 * NUM_VIDEOS
    rows = (workplace / "out/predictions.csv").read_text().splitlines()
    assert rows[0].startswith("path,frame,") and len(rows) == 1 + 4 * NUM_VIDEOS
    # one frame more than the clip has: evaluation takes the first of two possible windows
    assert [row.split(",")[1] for row in rows[1:5]] == ["0", "1", "2", "3"]
    if task == "regression":
        assert [float(row.split(",")[2]) for row in rows[1:5]] == [0, 1, 2, 3]
    capsys.readouterr()
    (workplace / "list.csv").write_text("\n".join([header, *lines[:-1], lines[-1].replace("[", "[0 ")]))
    assert finetune("--task", task, "--config_overrides", BY_FRAMES, "--output_dir", "other") == 2
    assert "has 5 frames, but 6 labels of frames" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("content", "options", "message"),
    [
        (
            "path,v\n0.mp4,0.5\n1.mp4,1\n",
            ["--label_units", "a", "b"],
            "label_units has the length 2, but",
        ),
        ("path,label\n0.mp4,x\n1.mp4,y\n", ["--label_units", "a", "b"], "label_units are for --task regression"),
        ("path,label\n0.mp4,[x x]\n1.mp4,[y]\n", [], "'[x x]' looks like several labels"),
        ("path,frame,label\n0.mp4,0,x\n0.mp4,1,y\n", [], "gives '0.mp4' two labels"),
        (
            "path,label\n0.mp4,x\n1.mp4,y\n",
            ["--config_overrides", BY_FRAMES],
            "has one label for each video",
        ),
        (
            "path,v\n0.mp4,0.5\n1.mp4,1\n",
            ["--config_overrides", '{"problem_type": "regression"}', "--task", "single_label"],
            "no labels",
        ),
        (
            "path,label\n0.mp4,x\n1.mp4,y\n",
            ["--config_overrides", '{"problem_type": "regression"}'],
            "problem_type='regression', but --task single",
        ),
        ("path,x,y\n0.mp4,1,0\n1.mp4,1,0\n", ["--task", "distribution"], "has one class only, 'x'"),
    ],
)
def test_what_does_not_fit_is_refused(content, options, message, workplace, capsys):
    (workplace / "list.csv").write_text(content)
    assert finetune(*options) == 2
    assert message in capsys.readouterr().err


def test_another_task_gets_a_new_head(workplace, capsys, tiny_run):
    config = tiny_run.tiny_config(num_labels=2, problem_type="multi_label_classification", label_units=["a", "b"])
    model = LGIFormerForVideoClassification(config)
    model.save_pretrained("model")
    (workplace / "list.csv").write_text("path,x,y\n0.mp4,0.5,1\n1.mp4,1,-1\n")
    assert finetune("--model_name_or_path", "model", "--config_overrides", "{}", "--learning_rate", "1e-12") == 0
    assert "The head is new, because the starting model has problem_type='multi_label_class" in capsys.readouterr().err
    trained = LGIFormerForVideoClassification.from_pretrained("out")
    assert not np.allclose(trained.classifier.weight.detach(), model.classifier.weight.detach())
    assert trained.config.problem_type == "regression" and trained.config.label_units is None


def test_shards_refuse_other_labels(workplace, capsys):
    (workplace / "list.csv").write_text("path,label\n0.mp4,0.5\n1.mp4,1.5\n")
    assert main(["prepare", "shards", "list.csv", "shards", "--num_workers", "0"]) == 2
    assert "Shards hold one class for each video, but" in capsys.readouterr().err
    (workplace / "list.csv").write_text("path,label\n0.mp4,x\n1.mp4,y\n")
    assert main(["prepare", "shards", "list.csv", "shards", "--num_workers", "0"]) == 0
    capsys.readouterr()
    assert (
        main(["finetune", "tiny.yaml", "--train_data", "shards", "--output_dir", "out", "--task", "regression"]) == 2
    )
    assert "has one class for each video, which does not fit --task regression" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("labels", "header", "written"), [(("x;y", "y"), "label", "x;y"), (("0.5", "1.5"), "value", "0.5")]
)
def test_embeddings_get_labels_of_every_kind(labels, header, written, workplace, tiny_run):
    LGIFormerForVideoClassification(tiny_run.tiny_config()).save_pretrained("model")
    processor_for(tiny_run.tiny_config(), sampling_rate=1).save_pretrained("model")
    (workplace / "list.txt").write_text(f"0.mp4 {labels[0]}\n1.mp4 {labels[1]}\n")
    assert main(["embed", "--data", "list.txt", "--model", "model", "--output", "e.npy", "--device", "cpu"]) == 0
    with (workplace / "e.rows.csv").open(newline="") as file:
        assert next(csv.DictReader(file))[header] == written
