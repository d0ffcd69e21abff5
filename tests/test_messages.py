"""Errors in one sentence, suggestions for misspelt words, notes and progress."""

import argparse
import io
import logging
import time
import warnings
from dataclasses import dataclass, field

import pytest
from rich.table import Table
from transformers import HfArgumentParser

from lgi_former.messages import (
    CommandParser,
    announce_if_slow,
    complain,
    console,
    escape_what_cannot_be_printed,
    fail,
    first_line,
    is_quiet,
    note,
    print_step,
    printable,
    quiet,
    shows_progress,
    suggest,
    wants_quiet,
)


@dataclass
class Options:
    """Options of a training command."""

    model_type: str = field(default="lgi_former", metadata={"choices": ["lgi_former", "videomae", "v1.5 'large'"]})
    num_frames: int = field(default=16, metadata={"choices": [8, 16]})


class _HfParser(CommandParser, HfArgumentParser):
    pass


def _plain_parser():
    parser = CommandParser(allow_abbrev=False)
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
        (["--unlisted", "8"], None),
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
    parser = CommandParser()
    parser.add_subparsers().add_parser("predict")
    _parse(parser, "predcit")
    assert capsys.readouterr().err.endswith("did you mean predict?\n")


def test_other_errors_have_no_suggestion(capsys):
    def parse(text):
        raise argparse.ArgumentTypeError("invalid choice: 'x' (choose from xy)")

    parser = CommandParser()
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


def test_a_quiet_command_prints_no_notes_and_no_warnings(capsys, recwarn):
    logger = logging.getLogger("lgi_former.some.room")
    note("before")
    with quiet(wants_quiet(["predict", "a.mp4", "--quiet"])):
        note("inside")
        suggest("lgi-former", "predict")
        warnings.warn("inside", stacklevel=1)
        assert is_quiet() and not logger.isEnabledFor(logging.WARNING) and logger.isEnabledFor(logging.ERROR)
    note("after")
    assert capsys.readouterr().err == "before\nafter\n"
    assert not recwarn.list
    assert logger.isEnabledFor(logging.WARNING)


@pytest.mark.parametrize("argv", [[], ["predict", "quiet"], ["predict", "--", "--quiet"], ["predict", "--", "-q"]])
def test_other_words_do_not_make_a_command_quiet(argv, capsys):
    with quiet(wants_quiet(argv)):
        note("shown")
    assert capsys.readouterr().err == "shown\n"


def test_the_suggested_command_can_be_copied(capsys):
    suggest("lgi-former", "predict", "VIDEO", "--model", "my model")
    assert capsys.readouterr().err == "Next: lgi-former predict VIDEO --model 'my model'\n"


@pytest.mark.parametrize(("duration", "printed"), [(0.2, "Loading ...\n"), (0, "")])
def test_a_slow_step_is_announced(duration, printed, capsys):
    with announce_if_slow("Loading ...", seconds=0.05):
        time.sleep(duration)
    time.sleep(0.1)
    assert capsys.readouterr().err == printed


class _Terminal(io.StringIO):
    def isatty(self):
        return True


def test_progress_is_shown_on_terminals_only(monkeypatch):
    assert not shows_progress()
    monkeypatch.setattr("sys.stderr", _Terminal())
    assert shows_progress()
    with quiet():
        assert not shows_progress()
    monkeypatch.setattr("sys.stderr", None)  # closed by the shell
    assert not shows_progress()


@pytest.mark.parametrize(("value", "is_plain"), [("1", True), ("", False)])
def test_no_color_leaves_no_bold(value, is_plain, monkeypatch):
    terminal = _Terminal()
    monkeypatch.setattr("sys.stdout", terminal)
    monkeypatch.setenv("TERM", "xterm-256color")
    monkeypatch.setenv("NO_COLOR", value)
    table = Table("name")
    table.add_row("value")
    console().print(table)
    assert ("\x1b" not in terminal.getvalue()) == is_plain


EVIL = "a\x1b]52;c;cm0=\x07\x9b2J\rb\u202ec.mp4"
SHOWN = r"a\x1b]52;c;cm0=\x07\x9b2J\rb\u202ec.mp4"


def test_control_characters_are_escaped():
    assert printable(EVIL) == SHOWN
    assert printable("a\n\tb") == "a\n\tb" and printable("a\n\tb", keeps="") == r"a\n\tb"
    assert printable("happy, \u5e78 \u0627 \U0001f642\u200d") == "happy, \u5e78 \u0627 \U0001f642\u200d"


@pytest.mark.parametrize("show", [note, complain, print_step, fail])
def test_a_message_moves_no_cursor(show, capsys):
    show(EVIL)
    out, err = capsys.readouterr()
    assert SHOWN in out + err and "\x1b" not in out + err


def test_a_warning_moves_no_cursor(capsys):
    for _ in range(2):
        escape_what_cannot_be_printed()
    assert len(logging.lastResort.filters) == 1
    logging.lastResort.handle(logging.LogRecord("lgi_former.a", logging.WARNING, "", 0, "%s is bad", (EVIL,), None))
    assert capsys.readouterr().err == f"{SHOWN} is bad\n"
