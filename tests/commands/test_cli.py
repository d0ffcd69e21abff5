"""The `lgi-former` command: output, exit status, and one clear sentence for whatever is wrong."""

import csv
import json
import subprocess
import sys

import numpy as np
import pytest
import torch

import lgi_former
from lgi_former import (
    LGIFormerConfig,
    LGIFormerForPreTraining,
    LGIFormerForVideoClassification,
    LGIFormerVideoProcessor,
)
from lgi_former.commands.cli import main
from lgi_former.image_processing.faces import face_cropping, face_detection
from lgi_former.inference import annotated_video
from lgi_former.messages import first_line
from lgi_former.training.quickstart.sample_clip import write_sample_clip


TINY = {
    "image_size": 32,
    "num_frames": 4,
    "region_size": (1, 1, 2),
    "hidden_size": 32,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "intermediate_size": 64,
    "decoder_hidden_size": 24,
    "decoder_intermediate_size": 48,
    "decoder_num_hidden_layers": 1,
    "id2label": {0: "happy", 1: "sad", 2: "neutral"},
}


@pytest.fixture(scope="module")
def model_dir(tmp_path_factory):
    return _save(LGIFormerForVideoClassification, tmp_path_factory.mktemp("model"))


@pytest.fixture(scope="module")
def clip(tmp_path_factory):
    return str(write_sample_clip(tmp_path_factory.mktemp("clips") / "face.mp4"))


def _save(model_class, folder):
    torch.manual_seed(0)
    model_class(LGIFormerConfig(**TINY)).save_pretrained(folder)
    LGIFormerVideoProcessor(size={"height": 32, "width": 32}, num_frames=4).save_pretrained(folder)
    return str(folder)


def _predict(*arguments):
    return main(["predict", *arguments, "--device", "cpu", *([] if "--sample" in arguments else ["--no_crop_faces"])])


def test_help_lists_the_commands():
    result = subprocess.run([sys.executable, "-m", "lgi_former", "--help"], capture_output=True, text=True)
    assert result.returncode == 0, result.stderr
    assert "predict" in result.stdout
    assert "convert" in result.stdout


def test_the_module_runs_as_the_command():
    result = subprocess.run([sys.executable, "-m", "lgi_former", "--version"], capture_output=True, text=True)
    assert result.stdout == f"lgi-former {lgi_former.__version__}\n"


def test_predict_prints_a_table(model_dir, clip, capsys):
    assert _predict(clip, "--model", model_dir) == 0
    output = capsys.readouterr()
    lines = [line.split() for line in output.out.splitlines()]
    assert [clip] in lines
    scores = {words[0]: float(words[1]) for words in lines if words and words[0] in TINY["id2label"].values()}
    assert sum(scores.values()) == pytest.approx(1, abs=1e-3)
    assert output.err == ""


def test_predict_prints_json_lines(model_dir, clip, capsys):
    assert _predict(clip, clip, "--model", model_dir, "--json", "--num_segments", "2") == 0
    results = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert [result["video"] for result in results] == [clip, clip]
    scores = results[0]["scores"]
    assert sorted(scores) == ["happy", "neutral", "sad"]
    assert list(scores.values()) == sorted(scores.values(), reverse=True)
    assert sum(scores.values()) == pytest.approx(1)
    assert results[0]["num_views"] == 2


@pytest.mark.parametrize("option", ["--top-k", "--top_k"])
def test_top_k_keeps_the_highest_scores(model_dir, clip, capsys, option):
    assert _predict(clip, "--model", model_dir, "--json", option, "2") == 0
    assert len(json.loads(capsys.readouterr().out)["scores"]) == 2


@pytest.mark.parametrize("as_json", [[], ["--json"]], ids=["table", "json"])
def test_a_broken_video_is_reported_and_the_others_are_done(model_dir, clip, tmp_path, capsys, as_json):
    broken = tmp_path / "broken.mp4"
    broken.write_bytes(b"not a video")
    missing = tmp_path / "missing.mp4"
    assert _predict(str(broken), str(missing), clip, "--model", model_dir, *as_json) == 1
    output = capsys.readouterr()
    reports = output.err.splitlines()
    assert len(reports) == 2
    for report, video in zip(reports, (broken, missing), strict=True):
        assert report.startswith("lgi-former: ")
        assert str(video) in report
    assert clip in output.out
    if as_json:
        results = [json.loads(line) for line in output.out.splitlines()]
        assert ["error" in result for result in results] == [True, True, False]


def test_csv_has_a_row_for_each_window(model_dir, clip, capsys):
    assert _predict(clip, "--model", model_dir, "--csv", "--window", "1", "--stride", "1") == 0
    rows = list(csv.DictReader(capsys.readouterr().out.splitlines()))
    assert [(row["video"], row["person"], row["start"], row["end"]) for row in rows] == [
        (clip, "0", "0.0", "1.0"),
        (clip, "0", "1.0", "2.0"),
        (clip, "0", "1.75", "2.56"),
    ]
    for row in rows:
        assert sum(float(row[label]) for label in ("happy", "sad", "neutral")) == pytest.approx(1)


def test_csv_of_the_papers_evaluation_has_a_row_for_each_video(model_dir, clip, capsys):
    assert _predict(clip, clip, "--model", model_dir, "--csv", "--num_segments", "2") == 0
    rows = list(csv.DictReader(capsys.readouterr().out.splitlines()))
    assert [(row["video"], row["start"]) for row in rows] == [(clip, ""), (clip, "")]


def test_json_tells_the_timeline(model_dir, clip, capsys):
    assert _predict(clip, "--model", model_dir, "--json", "--window", "1") == 0
    result = json.loads(capsys.readouterr().out)
    assert [entry["start"] for entry in result["timeline"]] == [0, 0.5, 1, 1.5, 1.75]
    assert result["duration"] == 2.56


def test_the_table_tells_the_timeline_in_short(model_dir, clip, capsys):
    assert _predict(clip, "--model", model_dir, "--window", "1") == 0
    assert "0.0 to 2.6" in capsys.readouterr().out


def test_timeline_and_annotated_video_are_written_and_not_over_others(model_dir, clip, tmp_path, capsys):
    files = ["--timeline", str(tmp_path / "timeline.png"), "--annotate", str(tmp_path / "annotated.mp4")]
    assert _predict(clip, "--model", model_dir, *files) == 0
    assert sorted(path.name for path in tmp_path.iterdir()) == ["annotated.mp4", "timeline.png"]
    with pytest.raises(SystemExit):
        _predict(clip, "--model", model_dir, *files)
    assert "pass --overwrite" in capsys.readouterr().err
    assert _predict(clip, "--model", model_dir, *files, "--overwrite") == 0


def test_a_prediction_is_not_lost_when_a_file_cannot_be_written(model_dir, clip, tmp_path, capsys, monkeypatch):
    def fill_the_disk(video, result, path, *args, **kwargs):
        raise OSError(f"'{path}' cannot be written: the disk is full.")

    monkeypatch.setattr(annotated_video, "annotate_video", fill_the_disk)
    assert _predict(clip, "--model", model_dir, "--json", "--annotate", str(tmp_path / "annotated.mp4")) == 1
    output = capsys.readouterr()
    assert "scores" in json.loads(output.out)
    assert "annotated.mp4" in output.err and output.err.count("\n") == 1


def test_faces_are_looked_for_unless_told_not_to(model_dir, clip, monkeypatch, capsys):
    monkeypatch.setattr(face_cropping, "CenterFaceDetector", lambda: lambda image: np.empty((0, 5)))
    assert main(["predict", clip, "--model", model_dir, "--device", "cpu"]) == 0
    assert "No face was found" in capsys.readouterr().out


def test_without_the_extra_a_sentence_says_how_to_go_on(model_dir, clip, monkeypatch, capsys):
    monkeypatch.setattr(face_detection, "PACKAGES", ("no_such_package",))
    assert main(["predict", clip, "--model", model_dir, "--device", "cpu"]) == 2
    output = capsys.readouterr()
    assert output.out == ""
    assert output.err.count("\n") == 1
    assert 'pip install "lgi-former[faces]"' in output.err and "--no_crop_faces" in output.err


def test_the_sample_says_that_its_model_is_untrained(capsys):
    assert _predict("--sample", "--json") == 0
    output = capsys.readouterr()
    assert "never trained" in output.err
    assert len(json.loads(output.out)["scores"]) == 7


def test_the_sample_takes_a_model(model_dir, capsys):
    assert _predict("--sample", "--model", model_dir, "--json") == 0
    output = capsys.readouterr()
    assert output.err == ""
    assert set(json.loads(output.out)["scores"]) == {"happy", "sad", "neutral"}


def _missing(folder):
    return str(folder / "nowhere")


def _a_file(folder):
    (folder / "checkpoint.pth").touch()
    return str(folder / "checkpoint.pth")


def _empty(folder):
    return str(folder)


def _truncated(folder):
    _save(LGIFormerForVideoClassification, folder)
    weights = folder / "model.safetensors"
    weights.write_bytes(weights.read_bytes()[:1000])
    return str(folder)


def _without_a_head(folder):
    return _save(LGIFormerForPreTraining, folder)


def _without_a_processor(folder):
    LGIFormerForVideoClassification(LGIFormerConfig(**TINY)).save_pretrained(folder)
    return str(folder)


@pytest.mark.parametrize("broken", [_missing, _a_file, _empty, _truncated, _without_a_head, _without_a_processor])
def test_a_model_that_cannot_be_loaded_is_told_in_one_line(broken, clip, tmp_path, capsys, monkeypatch):
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    model = broken(tmp_path)
    assert _predict(clip, "--model", model) == 2
    output = capsys.readouterr()
    assert output.out == ""
    assert output.err.startswith("lgi-former: cannot load the model: ")
    assert model in output.err
    assert output.err.count("\n") == 1


def test_a_device_that_does_not_exist_is_told_in_one_line(model_dir, clip, capsys):
    assert main(["predict", clip, "--model", model_dir, "--device", "abacus"]) == 2
    assert capsys.readouterr().err.count("\n") == 1


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["predcit"], "did you mean predict?"),
        (["predict", "a.mp4", "--modle", "x"], "did you mean --model?"),
        (["predict", "a.mp4"], "--model is needed"),
        (["predict"], "give either videos or --sample"),
        (["predict", "a.mp4", "--sample"], "give either videos or --sample"),
        (["predict", "a.mp4", "--model", "x", "--top-k", "0"], "'0' is not a positive whole number"),
        (["predict", "a.mp4", "--model", "x", "--window", "0"], "'0' is not a positive number"),
        (["predict", "a.mp4", "--model", "x", "--num_segments", "2"], "add --no_crop_faces"),
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
def test_wrong_usage_is_told_with_a_suggestion(arguments, message, capsys):
    with pytest.raises(SystemExit) as exit_status:
        main(arguments)
    assert exit_status.value.code == 2
    assert message in capsys.readouterr().err


@pytest.fixture
def conversion(monkeypatch):
    """Stands in for the conversion: records its arguments, writes a model of the class that is set in `writes`."""
    calls = []

    def convert(checkpoint_path, output_dir, **options):
        calls.append((checkpoint_path, output_dir, options))
        return _save(convert.writes, output_dir)

    convert.writes, convert.calls = LGIFormerForVideoClassification, calls
    monkeypatch.setattr("lgi_former.conversion.convert_mae_dfer_checkpoint", convert)
    return convert


def test_convert_hands_its_options_over(conversion, tmp_path, capsys):
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
    LGIFormerConfig(**TINY).save_pretrained(tmp_path / "config")
    for path in (tmp_path / "config", tmp_path / "config" / "config.json"):
        assert main(["convert", "a.pth", str(tmp_path / "model"), "--config", str(path)]) == 0
        assert conversion.calls.pop()[2]["config"].hidden_size == 32
    assert "not fine-tuned" in capsys.readouterr().out


@pytest.mark.parametrize("config", [["--config", "nowhere.json"], []], ids=["missing config", "missing checkpoint"])
def test_convert_tells_what_is_missing_in_one_line(tmp_path, capsys, config):
    assert main(["convert", str(tmp_path / "missing.pth"), str(tmp_path / "model"), *config]) == 2
    output = capsys.readouterr()
    assert output.err.count("\n") == 1
    assert not (tmp_path / "model").exists()


def test_a_file_whose_name_is_no_text_is_named_in_a_sentence():
    with pytest.raises(UnicodeEncodeError) as caught:
        "faces/caf\udce9.mp4 3\n".encode()
    assert first_line(caught.value) == (
        "'faces/caf\\udce9.mp4 3' holds bytes of a file name that are not UTF-8. Rename the file, then run the "
        "command again."
    )
