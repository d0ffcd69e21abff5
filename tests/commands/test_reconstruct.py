"""`lgi-former reconstruct`: the figure, and errors."""

import shutil

import pytest
from transformers import VideoMAEConfig, VideoMAEForPreTraining

from lgi_former import LGIFormerConfig, LGIFormerVideoProcessor
from lgi_former.commands.cli import main


def _reconstruct(*arguments):
    return main(["reconstruct", *map(str, arguments), "--device", "cpu"])


@pytest.mark.parametrize(
    ("suffix", "start"), [(".png", b"\x89PNG"), (".pdf", b"%PDF"), (".svg", b"<?xml")], ids=["png", "pdf", "svg"]
)
def test_the_figure_is_saved(suffix, start, pretrained, video, tmp_path, capsys):
    output = tmp_path / "new" / f"figure{suffix}"
    assert _reconstruct(video, "--model", pretrained, "--output", output, "--mask-ratio", "0.5", "--seed", "3") == 0
    assert output.read_bytes().startswith(start)
    assert capsys.readouterr().out.startswith(f"{output}: loss ")


@pytest.mark.parametrize("fields", [{"norm_pix_loss": False}, {"motion_target": False}], ids=str)
def test_models_of_other_targets_are_drawn(fields, pretrained, video, tmp_path):
    shutil.copytree(pretrained, tmp_path / "model")
    LGIFormerConfig.from_pretrained(pretrained, **fields).save_pretrained(tmp_path / "model")
    assert _reconstruct(video, "--model", tmp_path / "model", "--output", tmp_path / "figure.png") == 0


def test_a_classifier_has_no_decoder(finetuned, video, tmp_path, error_line):
    assert _reconstruct(video, "--model", finetuned, "--output", tmp_path / "figure.png") == 2
    message = error_line()
    assert finetuned in message
    assert "decoder" in message and "not a masked autoencoder" in message


def test_another_family_is_refused(video, tmp_path, error_line):
    config = VideoMAEConfig(
        image_size=32, hidden_size=32, num_hidden_layers=1, num_attention_heads=2, intermediate_size=32, num_frames=4
    )
    VideoMAEForPreTraining(config).save_pretrained(tmp_path / "videomae")
    LGIFormerVideoProcessor().save_pretrained(tmp_path / "videomae")
    assert _reconstruct(video, "--model", tmp_path / "videomae", "--output", tmp_path / "figure.png") == 2
    assert "is a 'videomae'" in error_line()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["missing.mp4"], "missing.mp4"),
        (["VIDEO", "--mask_ratio", "0.1"], "masks none"),
        (["VIDEO", "--mask_ratio", "1.5"], "less than 1"),
        (["VIDEO", "--device", "abacus"], "abacus"),
        (["VIDEO", "--output", "figure.jpeg"], "should end in .png or .pdf or .svg"),
    ],
    ids=["video", "too low a ratio", "too high a ratio", "device", "suffix"],
)
def test_wrong_arguments_are_an_error(options, message, pretrained, video, tmp_path, monkeypatch, error_line):
    monkeypatch.chdir(tmp_path)
    options = [video if option == "VIDEO" else option for option in options]
    assert main(["reconstruct", "--model", pretrained, "--device", "cpu", "--output", "figure.png", *options]) == 2
    assert message in error_line()
    assert not any(tmp_path.iterdir())


def test_a_figure_is_overwritten_only_with_the_option(pretrained, video, tmp_path, error_line):
    output = tmp_path / "figure.png"
    output.write_text("precious")
    assert _reconstruct(video, "--model", pretrained, "--output", output) == 2
    assert "is there already" in error_line()
    assert output.read_text() == "precious"
    assert _reconstruct(video, "--model", pretrained, "--output", output, "--overwrite") == 0
