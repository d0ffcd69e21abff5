"""Errors in one sentence, and suggestions for misspelt options and choices."""

import argparse
from dataclasses import dataclass, field

import pytest
from transformers import HfArgumentParser

from lgi_former.messages import SuggestsNearest, first_line


@dataclass
class Options:
    """Options of a training command."""

    model_type: str = field(default="lgi_former", metadata={"choices": ["lgi_former", "videomae", "v1.5 'large'"]})
    num_frames: int = field(default=16, metadata={"choices": [8, 16]})


class _HfParser(SuggestsNearest, HfArgumentParser):
    pass


def _plain_parser():
    parser = SuggestsNearest(allow_abbrev=False)
    parser.add_argument("--model_type", choices=["lgi_former", "videomae", "v1.5 'large'"])
    parser.add_argument_group("more").add_argument("--num_frames", type=int, choices=[8, 16])
    return parser


def _parse(parser, *words):
    with pytest.raises(SystemExit):
        _, unknown = parser.parse_known_args(words)
        parser.refuse_unknown(unknown)


@pytest.fixture(params=["plain", "HfArgumentParser"])
def parser(request):
    return _plain_parser() if request.param == "plain" else _HfParser(Options, allow_abbrev=False)


@pytest.mark.parametrize(
    ("words", "suggestion"),
    [
        (["--modle_type", "videomae"], "--model_type"),
        (["--num_framse=8"], "--num_frames"),
        (["x", "--num-framse", "8"], "--num_frames"),
        (["--model_type", "lgiformer"], "lgi_former"),
        (["--model_type", "v1.5 'large"], "v1.5 'large'"),
        (["--model_type", "vidéomae"], "videomae"),
        (["--model_type", "it's (choose from videomae)"], None),
        (["--num_frames", "18"], None),
        (["--unlike", "8"], None),
    ],
)
def test_the_nearest_word_is_suggested(parser, words, suggestion, capsys):
    _parse(parser, *words)
    error = capsys.readouterr().err
    if suggestion is None:
        assert "did you mean" not in error
    else:
        assert error.endswith(f"; did you mean {suggestion}?\n")


def test_the_nearest_subcommand_is_suggested(capsys):
    parser = SuggestsNearest()
    parser.add_subparsers().add_parser("predict")
    _parse(parser, "predcit")
    assert capsys.readouterr().err.endswith("did you mean predict?\n")


def test_other_errors_have_no_suggestion(capsys):
    def parse(text):
        raise argparse.ArgumentTypeError("invalid choice: 'x' (choose from xy)")

    parser = SuggestsNearest()
    parser.add_argument("--option", type=parse)
    _parse(parser, "--option", "x")
    assert capsys.readouterr().err.endswith("(choose from xy)\n")


def test_a_file_name_that_is_not_utf8_is_escaped_in_the_message():
    with pytest.raises(UnicodeEncodeError) as caught:
        "faces/caf\udce9.mp4 3\n".encode()
    assert first_line(caught.value) == (
        "'faces/caf\\udce9.mp4 3' holds bytes of a file name that are not UTF-8. Rename the file, then run the "
        "command again."
    )
