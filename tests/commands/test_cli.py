"""The `lgi-former` command: output, exit status, and errors in one sentence."""

import contextlib
import csv
import json
import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

import lgi_former
from lgi_former import LGIFormerConfig, LGIFormerForPreTraining, LGIFormerForVideoClassification, extras
from lgi_former.commands import embed, prepare, visualize
from lgi_former.commands.cli import COMMANDS, OPTIONS, TASKS, TRAINING_COMMANDS, _build_parser, main
from lgi_former.figures.attention import HEADS
from lgi_former.figures.embedding_map import METHODS
from lgi_former.inference import annotated_video
from lgi_former.inference.embedding import LEVELS


LABELS = ("happy", "sad", "neutral")

HELP_WITHOUT_IMPORTS = """
import json
import sys
import types

package = types.ModuleType("lgi_former")  # imports nothing, so that only imports of the commands are seen
package.__path__ = [sys.argv[1]]
sys.modules["lgi_former"] = package
from lgi_former.commands.cli import main

for words in json.loads(sys.argv[2]):
    try:
        main([*words, "--help"])
    except SystemExit as ended:
        assert ended.code == 0
    heavy = {"torch", "transformers", "matplotlib", "sklearn", "gradio", "filelock"} & sys.modules.keys()
    assert not heavy, (words, heavy)
"""


def _predict(*arguments):
    return main(["predict", *arguments, "--device", "cpu", *([] if "--sample" in arguments else ["--no_crop_faces"])])


def test_the_module_runs_as_the_command():
    result = subprocess.run([sys.executable, "-m", "lgi_former", "--version"], capture_output=True, text=True)
    assert result.stdout == f"lgi-former {lgi_former.__version__}\n"


def _help(*words):
    with pytest.raises(SystemExit) as ended:
        main([*words, "--help"])
    assert ended.value.code == 0


NESTED = {
    "prepare": tuple(prepare.PREPARATIONS),
    "visualize": tuple(visualize.KINDS),
}
ALL_COMMANDS = ["help", *COMMANDS, *TRAINING_COMMANDS]
ALL_COMMANDS += [f"{name} {kind}" for name, kinds in NESTED.items() for kind in kinds]


def test_help_imports_no_large_package():
    """One process shows the help of all commands, because a process takes long to start."""
    commands = json.dumps([[], *(command.split() for command in ALL_COMMANDS)])
    package = str(Path(lgi_former.__file__).parent)
    result = subprocess.run(
        [sys.executable, "-c", HELP_WITHOUT_IMPORTS, package, commands], capture_output=True, text=True
    )
    assert result.returncode == 0, result.stderr


@pytest.mark.parametrize(
    "words",
    [
        ["export", "nowhere", "out"],
        ["embed", "a.mp4", "--model", "nowhere", "--output", "a.npy"],
        ["reconstruct", "a.mp4", "--model", "nowhere", "--output", "a.png"],
        ["predict", "a.mp4", "--model", "nowhere"],
        ["evaluate", "--data", "nowhere", "--model", "nowhere"],
    ],
)
def test_loading_libraries_is_announced_once(words, tmp_path, monkeypatch):
    announced = []

    class Timer:
        def __init__(self, seconds, function, args):
            announced.extend(args)

        def start(self):
            pass

        cancel = start

    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("lgi_former.messages.threading.Timer", Timer)
    with contextlib.suppress(SystemExit):
        main(words)
    assert announced.count("Loading PyTorch and Transformers ...") == 1


def test_the_help_lists_all_commands_by_task(capsys):
    _help()
    shown = capsys.readouterr().out
    tasks = {line.rstrip(":") for line in shown.splitlines() if line.endswith(":")}
    assert set(TASKS) < tasks
    names = [name for names in TASKS.values() for name in names]
    assert sorted(names) == sorted(["help", *COMMANDS, *TRAINING_COMMANDS])
    assert all(f"\n  {name} " in shown for name in names)
    assert max(map(len, shown.splitlines())) < 80


def test_the_help_of_all_commands_lists_the_options_of_the_parser():
    options = [option for action in _build_parser()._actions for option in action.option_strings]
    assert sorted(options) == sorted(option for pair in OPTIONS for option in pair.split(", "))


@pytest.mark.parametrize("command", ALL_COMMANDS)
def test_the_help_of_each_command_ends_in_an_example_that_the_command_accepts(command, capsys):
    _help(*command.split())
    shown = capsys.readouterr().out
    title, example = shown.splitlines()[-2:]
    words = shlex.split(example.partition(" > ")[0])
    assert title == "example:"
    assert words[: len(command.split()) + 1] in (["lgi-former", *command.split()], ["lgi-former", "prepare", "faces"])
    parser = _build_parser()
    parser.add_all_arguments()
    _, unknown = parser.parse_known_args(words[1:])
    assert not unknown


@pytest.mark.parametrize("command", ["", "predict", "prepare faces", "finetune"])
def test_the_command_help_shows_the_help_of_commands(command, capsys):
    _help(*command.split())
    shown = capsys.readouterr().out
    with pytest.raises(SystemExit):
        main(["help", *command.split()])
    assert capsys.readouterr().out == shown


def test_help_of_a_misspelt_command_suggests_the_right_one(capsys):
    with pytest.raises(SystemExit):
        main(["help", "finetun"])
    assert "did you mean finetune?" in capsys.readouterr().err


@pytest.mark.parametrize("option", ["-V", "--version"])
def test_the_version_is_shown(option, capsys):
    with pytest.raises(SystemExit):
        main([option])
    assert capsys.readouterr().out == f"lgi-former {lgi_former.__version__}\n"


COMPLETE = """
COMP_WORDS=({words}); COMP_CWORD={last}; COMPREPLY=()
$(complete -p lgi-former | sed 's/.*-F \\([^ ]*\\).*/\\1/')
echo "${{COMPREPLY[@]}}"
"""


@pytest.mark.skipif(shutil.which("bash") is None, reason="needs bash")
@pytest.mark.parametrize(
    ("words", "completed"),
    [
        ("lgi-former fine", ["finetune"]),
        ("lgi-former prepare sh", ["shards"]),
        ("lgi-former finetune --per_device_ev", ["--per_device_eval_batch_size"]),
        ("lgi-former evaluate --max_sk", ["--max_skipped_fraction"]),
        ("lgi-former predict --timel", ["--timeline"]),
        ("lgi-former convert --dataset df", ["dfew"]),
    ],
)
def test_bash_completes_commands_and_options(words, completed, capsys):
    assert main(["completion", "bash"]) == 0
    script = capsys.readouterr().out + COMPLETE.format(words=words, last=len(words.split()) - 1)
    result = subprocess.run(["bash", "-c", script], capture_output=True, text=True)
    assert result.stdout.split() == completed, result.stderr


def test_there_is_a_completion_for_zsh(capsys):
    assert main(["completion", "zsh"]) == 0
    assert capsys.readouterr().out.startswith("#compdef lgi-former")


def test_choices_of_options_are_those_of_the_functions():
    assert (embed.LEVELS, visualize.HEADS, visualize.METHODS) == (LEVELS, HEADS, METHODS)


def test_predict_prints_a_table(finetuned, video, capsys):
    assert _predict(video, "--model", finetuned) == 0
    output = capsys.readouterr()
    lines = [line.split() for line in output.out.splitlines()]
    assert [video] in lines
    scores = {words[0]: float(words[1]) for words in lines if words and words[0] in LABELS}
    assert sum(scores.values()) == pytest.approx(1, abs=1e-3)
    assert output.err == ""


def test_predict_prints_json_lines(finetuned, video, capsys):
    assert _predict(video, video, "--model", finetuned, "--json", "--num_segments", "2") == 0
    results = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert [result["video"] for result in results] == [video, video]
    scores = results[0]["scores"]
    assert sorted(scores) == ["happy", "neutral", "sad"]
    assert list(scores.values()) == sorted(scores.values(), reverse=True)
    assert sum(scores.values()) == pytest.approx(1)
    assert results[0]["num_views"] == 2


@pytest.mark.parametrize("option", ["--top-k", "--top_k"])
def test_top_k_selects_the_highest_scores(finetuned, video, capsys, option):
    assert _predict(video, "--model", finetuned, "--json", option, "2") == 0
    assert len(json.loads(capsys.readouterr().out)["scores"]) == 2


@pytest.mark.parametrize("as_json", [[], ["--json"]], ids=["table", "json"])
def test_a_broken_video_is_reported_and_the_others_are_predicted(finetuned, video, tmp_path, capsys, as_json):
    broken = tmp_path / "broken.mp4"
    broken.write_bytes(b"not a video")
    missing = tmp_path / "missing.mp4"
    assert _predict(str(broken), str(missing), video, "--model", finetuned, *as_json) == 1
    output = capsys.readouterr()
    reports = output.err.splitlines()
    assert len(reports) == 2
    for report, path in zip(reports, (broken, missing), strict=True):
        assert report.startswith("lgi-former: ")
        assert str(path) in report
    assert video in output.out
    if as_json:
        results = [json.loads(line) for line in output.out.splitlines()]
        assert ["error" in result for result in results] == [True, True, False]


def test_csv_has_a_row_for_each_window(finetuned, video, capsys):
    assert _predict(video, "--model", finetuned, "--csv", "--window", "1", "--stride", "1") == 0
    rows = list(csv.DictReader(capsys.readouterr().out.splitlines()))
    assert [(row["video"], row["person"], row["start"], row["end"]) for row in rows] == [
        (video, "1", "0.0", "1.0"),
        (video, "1", "1.0", "2.0"),
        (video, "1", "1.75", "2.56"),
    ]
    for row in rows:
        scores = {label: row[label] for label in LABELS}
        assert sum(map(float, scores.values())) == pytest.approx(1, abs=2e-4)
        assert row["expression"] == max(scores, key=lambda label: float(scores[label]))
        assert all(re.fullmatch(r"[01]\.\d{4}", score) for score in scores.values())


def test_csv_of_the_papers_evaluation_has_a_row_for_each_video(finetuned, video, capsys):
    assert _predict(video, video, "--model", finetuned, "--csv", "--num_segments", "2") == 0
    rows = list(csv.DictReader(capsys.readouterr().out.splitlines()))
    assert [(row["video"], row["start"]) for row in rows] == [(video, ""), (video, "")]


def test_json_has_the_timeline(finetuned, video, capsys):
    assert _predict(video, "--model", finetuned, "--json", "--window", "1") == 0
    result = json.loads(capsys.readouterr().out)
    assert [entry["start"] for entry in result["timeline"]] == [0, 0.5, 1, 1.5, 1.75]
    assert result["duration"] == 2.56


def test_the_table_has_a_short_timeline(finetuned, video, capsys):
    assert _predict(video, "--model", finetuned, "--window", "1") == 0
    assert "0.0 to 2.6" in capsys.readouterr().out


def test_timeline_and_annotated_video_are_written_and_not_over_others(finetuned, video, tmp_path, capsys):
    files = ["--timeline", str(tmp_path / "timeline.png"), "--annotate", str(tmp_path / "annotated.mp4")]
    assert _predict(video, "--model", finetuned, *files) == 0
    assert sorted(path.name for path in tmp_path.iterdir()) == ["annotated.mp4", "timeline.png"]
    with pytest.raises(SystemExit):
        _predict(video, "--model", finetuned, *files)
    assert "pass --overwrite" in capsys.readouterr().err
    assert _predict(video, "--model", finetuned, *files, "--overwrite") == 0


def test_a_prediction_is_not_lost_when_a_file_cannot_be_written(finetuned, video, tmp_path, capsys, monkeypatch):
    def fill_the_disk(video, result, path, *args, **kwargs):
        raise OSError(f"'{path}' cannot be written: the disk is full.")

    monkeypatch.setattr(annotated_video, "annotate_video", fill_the_disk)
    assert _predict(video, "--model", finetuned, "--json", "--annotate", str(tmp_path / "annotated.mp4")) == 1
    output = capsys.readouterr()
    assert "scores" in json.loads(output.out)
    assert "annotated.mp4" in output.err and output.err.count("\n") == 1


def test_a_missing_extra_is_an_error_with_advice(finetuned, video, monkeypatch, capsys):
    monkeypatch.setitem(extras.MODULES, "faces", ("no_such_package",))
    assert main(["predict", video, "--model", finetuned, "--device", "cpu"]) == 2
    output = capsys.readouterr()
    assert output.out == ""
    assert output.err.count("\n") == 1
    assert 'pip install "lgi-former[faces]"' in output.err and "--no_crop_faces" in output.err


def test_the_sample_is_predicted_with_the_model(finetuned, capsys):
    assert _predict("--sample", "--model", finetuned, "--json") == 0
    output = capsys.readouterr()
    assert output.err == ""
    assert set(json.loads(output.out)["scores"]) == {"happy", "sad", "neutral"}


def _missing(folder, saved):
    return folder / "nowhere"


def _a_file(folder, saved):
    (folder / "checkpoint.pth").touch()
    return folder / "checkpoint.pth"


def _empty(folder, saved):
    return folder


def _truncated(folder, saved):
    shutil.copytree(saved("finetuned"), folder, dirs_exist_ok=True)
    weights = folder / "model.safetensors"
    weights.write_bytes(weights.read_bytes()[:1000])
    return folder


def _without_a_head(folder, saved):
    return saved("pretrained")


def _without_a_processor(folder, saved):
    shutil.copytree(saved("finetuned"), folder, dirs_exist_ok=True)
    (folder / "video_preprocessor_config.json").unlink()
    return folder


@pytest.mark.parametrize("broken", [_missing, _a_file, _empty, _truncated, _without_a_head, _without_a_processor])
def test_a_model_that_cannot_be_loaded_is_an_error_of_one_line(broken, video, tmp_path, request, capsys, monkeypatch):
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    model = str(broken(tmp_path, request.getfixturevalue))
    assert _predict(video, "--model", model) == 2
    output = capsys.readouterr()
    assert output.out == ""
    assert output.err.startswith("lgi-former: cannot load the model: ")
    assert model in output.err
    assert output.err.count("\n") == 1


def test_a_device_that_does_not_exist_is_an_error_of_one_line(finetuned, video, capsys):
    assert main(["predict", video, "--model", finetuned, "--device", "abacus"]) == 2
    assert capsys.readouterr().err.count("\n") == 1


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["predcit"], "did you mean predict?"),
        (["predict", "a.mp4", "--modle", "x"], "did you mean --model?"),
        (["predict", "a.mp4"], "--model is needed"),
        (["predict", "--sample"], "--model is needed"),
        (["predict"], "give either videos or --sample"),
        (["predict", "--annotate", "a.mp4"], "--annotate takes 'a.mp4' as the file to write. Name the videos first"),
        (["predict", "--output", "out", "--annotate", "a.mp4"], "Name the videos first"),
        (["predict", "a.mp4", "--sample"], "give either videos or --sample"),
        (["predict", "a.mp4", "--model", "x", "--top-k", "0"], "'0' is not a positive whole number"),
        (["predict", "a.mp4", "--model", "x", "--top-k", "1_0"], "'1_0' is not a positive whole number"),
        (["predict", "a.mp4", "--model", "x", "--window", "0"], "'0' is not a positive number"),
        (["predict", "a.mp4", "--model", "x", "--window", "long"], "'long' is not a number"),
        (["predict", "a.mp4", "--model", "x", "--num_segments", "2"], "add --no_crop_faces"),
        (["predict", "a.mp4", "--model", "x", "--no_crop_faces", "--no_align"], "leave out --no_align"),
        (["predict", "--sample", "--model", "x", "--no_align"], "leave out --no_align"),
        (["predict", "a.mp4", "--model", "x", "--num_segments", "2", "--window", "3"], "leave out --window"),
        (["predict", "a.mp4", "b.mp4", "--model", "x", "--timeline", "t.png"], "--timeline is for one video"),
        (["predict", "a.mp4", "--model", "x", "--window", "inf"], "'inf' is not a finite number"),
        (["predict", "a.mp4", "--model", "x", "--stride", "nan"], "'nan' is not a finite number"),
        (["predict", "a.mp4", "--model", "x", "--timeline", "t.foo"], "--timeline t.foo should end in .png"),
        (["predict", "a.mp4", "--model", "x", "--annotate", "t.gif"], "--annotate t.gif should end in .mp4"),
        (["predict", "a.mp4", "--model", "x", "--timeline", "no/t.png"], "there is no folder 'no'"),
        (["predict", "a.mp4", "--model", "x", "--annotate", "no/t.mp4"], "there is no folder 'no'"),
        (
            ["predict", "a.mp4", "--model", "x", "--annotate", "t.mp4", "--timeline", "t.mp4"],
            "--timeline t.mp4 should",
        ),
        (["predict", "a.mp4", "--model", "x", "--csv", "--json"], "not allowed with"),
        (["predict", "a.mp4", "--model", "x", "--csv", "--top_k", "2"], "leave out --top_k"),
        (["convert", "a.pth", "b", "--dataset", "dfwe"], "did you mean dfew?"),
        (["convert", "a.pth", "b", "--regoin_size", "2", "5", "10"], "did you mean --region_size?"),
        (["convert", "a.pth", "b", "--num-frames", "few"], "'few' is not a positive whole number"),
        (["convert", "a.pth", "b", "--hidden_act", "relu"], "unrecognized arguments: --hidden_act"),
    ],
)
def test_wrong_usage_is_an_error_with_a_suggestion(arguments, message, capsys):
    with pytest.raises(SystemExit) as exit_status:
        main(arguments)
    assert exit_status.value.code == 2
    assert message in capsys.readouterr().err


@pytest.fixture
def conversion(monkeypatch, save_tiny_model):
    """Replaces the conversion: records its arguments and writes a model of the class in `writes`."""
    calls = []

    def convert(checkpoint_path, output_dir, facts, **options):
        calls.append((checkpoint_path, output_dir, {"dataset": facts.dataset} | options))
        save_tiny_model(convert.writes, output_dir, LABELS)
        return Path(output_dir), None

    convert.writes, convert.calls = LGIFormerForVideoClassification, calls
    monkeypatch.setattr("lgi_former.conversion.convert.convert_checkpoint", convert)
    return convert


def test_convert_passes_its_options(conversion, tmp_path, capsys):
    output_dir = str(tmp_path / "model")
    options = ["--labels", "happy, sad,neutral", "--overwrite", "--region-size", "2", "5", "5", "--image_size", "80"]
    assert main(["convert", "a.pth", output_dir, *options]) == 0
    assert conversion.calls == [
        (
            "a.pth",
            output_dir,
            {
                "config": None,
                "dataset": None,
                "labels": ["happy", "sad", "neutral"],
                "overwrite": True,
                "region_size": [2, 5, 5],
                "image_size": 80,
            },
        )
    ]
    output = capsys.readouterr().out
    assert "LGIFormerForVideoClassification" in output
    assert "happy, sad, neutral" in output
    assert f"lgi-former predict VIDEO --model {output_dir}" in output


def test_convert_reads_a_given_configuration(conversion, tmp_path, capsys):
    conversion.writes = LGIFormerForPreTraining
    LGIFormerConfig(hidden_size=32, num_attention_heads=4).save_pretrained(tmp_path / "config")
    for path in (tmp_path / "config", tmp_path / "config" / "config.json"):
        assert main(["convert", "a.pth", str(tmp_path / "model"), "--config", str(path)]) == 0
        assert conversion.calls.pop()[2]["config"].hidden_size == 32
    output = capsys.readouterr()
    assert "not fine-tuned" in output.out
    assert output.err.splitlines()[-1].startswith(f"Next: lgi-former finetune --model_name_or_path {tmp_path}/model ")


@pytest.mark.parametrize("config", [["--config", "nowhere.json"], []], ids=["missing config", "missing checkpoint"])
def test_convert_reports_what_is_missing_in_one_line(tmp_path, capsys, config):
    assert main(["convert", str(tmp_path / "missing.pth"), str(tmp_path / "model"), *config]) == 2
    output = capsys.readouterr()
    assert output.err.count("\n") == 1
    assert not (tmp_path / "model").exists()


@pytest.mark.parametrize(
    "command",
    [
        "embed a.mp4 --model x --output taken.npy",
        "reconstruct a.mp4 --model x --output taken.png",
        "visualize losses run --output taken.png",
        "visualize confusion run --output taken.png",
        "convert a.pth taken",
        "convert a.pth taken.png",
        "quickstart --output taken",
        "quickstart --output taken.png",
        "prepare faces videos taken.png",
        "prepare shards list.csv taken",
        "prepare shards list.csv taken.png",
    ],
)
def test_an_output_that_exists_is_an_error_of_one_line(command, tmp_path, monkeypatch, video, capsys):
    monkeypatch.chdir(tmp_path)
    for name in ("taken.npy", "taken.png"):
        (tmp_path / name).touch()
    for name in ("taken", "videos"):
        (tmp_path / name).mkdir()
    shutil.copy(video, tmp_path / "videos")
    (tmp_path / "taken" / "index.json").write_text("precious")
    (tmp_path / "list.csv").write_text(f"path,label\n{video},0\n")
    assert main(command.split()) == 2
    error = capsys.readouterr().err
    assert error.splitlines()[-1].startswith("lgi-former: ") and "taken" in error and "usage" not in error
    assert (tmp_path / "taken" / "index.json").read_text() == "precious"


def test_an_error_in_a_configuration_is_one_line(finetuned, video, tmp_path, error_line):
    shutil.copytree(finetuned, tmp_path / "model")
    config = json.loads((tmp_path / "model" / "config.json").read_text())
    (tmp_path / "model" / "config.json").write_text(json.dumps(config | {"num_frames": "many"}))
    words = ["reconstruct", video, "--model", str(tmp_path / "model"), "--output", str(tmp_path / "figure.png")]
    assert main(words) == 2
    assert "num_frames" in error_line()


def test_a_bug_has_a_traceback(monkeypatch):
    def run(args):
        raise KeyError("a bug")

    monkeypatch.setattr("lgi_former.commands.embed.run", run)
    with pytest.raises(KeyError, match="a bug"):
        main(["embed", "a.mp4", "--model", "x", "--output", "a.npy"])
