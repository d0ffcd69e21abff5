"""Messages of the commands: errors in one sentence, suggestions for misspelt words, notes and progress.

At import, this file imports only the standard library, so that every room can import it.
"""

import argparse
import contextlib
import difflib
import io
import logging
import os
import re
import shlex
import subprocess
import sys
import threading
import warnings
from collections.abc import Iterator


# PyTorch has no class for these errors: of the CPU, of Apple's GPUs, and of CUDA's libraries.
_OUT_OF_MEMORY_PHRASES = (
    "out of memory",
    "can't allocate memory",
    "cannot allocate memory",
    "not enough memory",
    "status_alloc_failed",
)

ADVICE = "Lower --batch_size if it is above 1, take a model of fewer frames, or choose another --device, such as cpu."
"""For commands that use a model."""

ADVICE_FOR_ONE_CLIP = "Take a model of fewer frames or smaller pictures, or choose another --device, such as cpu."
"""For commands that compute one clip and have no batch size."""

ADVICE_FOR_TRAINING = (
    "Lower --per_device_train_batch_size and raise --gradient_accumulation_steps by the same factor, set "
    "--gradient_checkpointing true, train in half precision (--bf16 true), or take clips of fewer frames "
    "(--num_frames). In evaluation, lower --per_device_eval_batch_size."
)
"""For the commands that train."""

ADVICE_FOR_EVALUATION = (
    "Lower --batch_size, compute in half precision (--bf16 true), or compute on the CPU (--use_cpu true)."
)
"""For the command that evaluates."""


LOADING_LIBRARIES = "Loading PyTorch and Transformers ..."

SILENCE = 2.0
"""Seconds after which a command says what it is doing."""

QUIET = ("-q", "--quiet")

_LOGGER = logging.getLogger("lgi_former")
"""Its level says whether the command is quiet: at `ERROR` it is."""


_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069]")
"""Control characters, separators of lines, and marks that change the direction of the text after them."""


class CommandParser(argparse.ArgumentParser):
    """A parser with the option `--quiet`. Its help ends in an example, its errors suggest the nearest known word.

    `wants_quiet` reads `--quiet`, because parsing the other options may take seconds. `suggest_on_error` of `argparse`
    suggests only choices, from Python 3.14 on.

    Args:
        example: A command line, without line breaks, so that it can be copied.
    """

    def __init__(self, *args, example: str | None = None, **kwargs):
        super().__init__(*args, **kwargs)
        self.example = example
        self.add_argument(*QUIET, action="store_true", default=argparse.SUPPRESS, help="print only results and errors")

    def format_help(self) -> str:
        return super().format_help() + (f"\nexample:\n  {self.example}\n" if self.example else "")

    def refuse_unknown(self, unknown: list[str]):
        """Exit with an error about the unknown arguments that `parse_known_args` returned."""
        option = next((word.partition("=")[0] for word in unknown if word.startswith("--")), "")
        # `HfArgumentParser` also adds each name with hyphens.
        known = [name for name in self._option_string_actions if "-" not in name[2:]]
        self.error(f"unrecognized arguments: {' '.join(unknown)}{nearest(option, known)}")

    def _check_value(self, action: argparse.Action, value):
        try:
            super()._check_value(action, value)
        except argparse.ArgumentError as error:
            if isinstance(value, str):
                error.message += nearest(value, [str(choice) for choice in action.choices or ()])
            raise


def nearest(misspelt: str, known: list[str]) -> str:
    """The end of an error message, `"; did you mean X?"`. Empty if no known word is near."""
    found = difflib.get_close_matches(misspelt, known, n=1)
    return f"; did you mean {found[0]}?" if found else ""


def spell_with_underscores(argv: list[str]) -> list[str]:
    """Respell `--top-k=3` as `--top_k=3`. Arguments after a bare `--` do not change."""
    options_end = argv.index("--") if "--" in argv else len(argv)
    respelt = []
    for argument in argv[:options_end]:
        name, equals, value = argument.partition("=")
        is_option = name.startswith("--")
        respelt.append(f"--{name[2:].replace('-', '_')}{equals}{value}" if is_option else argument)
    return respelt + argv[options_end:]


def is_out_of_memory(error: BaseException) -> bool:
    """Whether a device or the machine ran out of memory."""
    torch = sys.modules.get("torch")  # if torch is not imported, it raised no error
    if isinstance(error, MemoryError) or (torch is not None and isinstance(error, torch.OutOfMemoryError)):
        return True
    message = str(error).lower()
    return isinstance(error, RuntimeError) and any(phrase in message for phrase in _OUT_OF_MEMORY_PHRASES)


def out_of_memory_sentence(error: BaseException, advice: str = ADVICE) -> str:
    """Say what ran out of memory, how much was requested if that is known, and what to do."""
    is_host = isinstance(error, MemoryError) or "allocate memory" in str(error)
    amount = " ".join(str(error).partition("Tried to allocate ")[2].split()[:2]).rstrip(".")
    asked = f" when it asked for {amount} more" if amount else ""
    return f"{'The machine' if is_host else 'The device'} ran out of memory{asked}. {advice}"


def first_line(error: Exception, memory_advice: str = ADVICE) -> str:
    """The first line of an error's message.

    Numbers of system errors are omitted. The type is put before messages that are not written for users. If memory ran
    out, the message ends with `memory_advice`.
    """
    if is_out_of_memory(error):
        return out_of_memory_sentence(error, memory_advice)
    if isinstance(error, OSError) and error.filename and error.strerror:
        return f"'{error.filename}' cannot be read or written: {error.strerror}."
    if isinstance(error, UnicodeEncodeError) and error.encoding == "utf-8":
        name = escaped(error.object[max(error.start - 100, 0) : error.end + 50]).strip()
        return f"'{name}' holds bytes of a file name that are not UTF-8. Rename the file, then run the command again."
    text = str(error).strip() or repr(error)
    line = text.splitlines()[0]
    return line if isinstance(error, (ValueError, OSError)) else f"{type(error).__name__}: {line}"


def fail(message: str) -> int:
    """Print an error on stderr and return the exit status 2."""
    complain(message)
    return 2


def complain(message: str):
    """Print an error on stderr."""
    print(printable(f"lgi-former: {message}"), file=sys.stderr)


def escape_what_cannot_be_printed():
    """Let stdout and stderr write letters that their encoding lacks as escapes, such as `\\u5e78`.

    Names of videos and classes may hold any letter. Every command calls this first. Warnings of the package also get
    escapes for control characters, as `printable` writes them.
    """
    if logging.lastResort is not None and _escape_warning not in logging.lastResort.filters:
        logging.lastResort.addFilter(_escape_warning)
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):  # a calling program may have replaced it
            stream.reconfigure(errors="backslashreplace")


def _escape_warning(record: logging.LogRecord) -> bool:
    record.msg, record.args = printable(record.getMessage()), ()
    return True


def discard_stdout():
    """Discard further output after a failed write to stdout. Otherwise Python reports the failure again at exit."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def printable(text: str, keeps: str = "\n\t") -> str:
    """`text` with escapes, such as `\\x1b`, for control characters other than `keeps`.

    Terminals act on control characters: they move the cursor, hide lines, or write to the clipboard.
    """

    def escape(found: re.Match) -> str:
        return found[0] if found[0] in keeps else found[0].encode("unicode_escape").decode("ascii")

    return _CONTROL.sub(escape, text)


def escaped(name: str) -> str:
    """`name` with escapes, such as `\\udce9`, for bytes of a file name that are not UTF-8."""
    return name.encode("utf-8", "backslashreplace").decode("utf-8")


def silence_libraries():
    """Silence the logs and progress bars of libraries."""
    from transformers.utils import logging

    logging.set_verbosity_error()
    silence_progress_bars()


def silence_progress_bars():
    """Silence the progress bars of Transformers and of downloads."""
    from huggingface_hub.utils import disable_progress_bars
    from transformers.utils import logging

    logging.disable_progress_bar()
    disable_progress_bars()


def silence_what_is_not_shown():
    """Silence the libraries' progress bars if output is not a terminal, and also their warnings if it is quiet.

    Commands that train call this.
    """
    import datasets

    if not shows_progress():
        silence_progress_bars()
        datasets.disable_progress_bars()
    if is_quiet():
        silence_libraries()


@contextlib.contextmanager
def quiet(wanted: bool = True) -> Iterator[None]:
    """Inside this context, the command prints only results and errors. Nothing changes if `wanted` is False."""
    if not wanted:
        yield
        return
    level = _LOGGER.level
    _LOGGER.setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        _LOGGER.setLevel(level)


def wants_quiet(argv: list[str]) -> bool:
    """Whether the arguments of a command have the option `--quiet`."""
    options_end = argv.index("--") if "--" in argv else len(argv)
    return not set(QUIET).isdisjoint(argv[:options_end])


def is_quiet() -> bool:
    """Whether the command prints only results and errors."""
    return not _LOGGER.isEnabledFor(logging.WARNING)


def note(message: str):
    """Print a message that is neither a result nor an error: on stderr, unless the command is quiet."""
    if not is_quiet():
        print(printable(message), file=sys.stderr, flush=True)


def print_step(message: str):
    """Print on stdout what a long command does, unless the command is quiet."""
    if not is_quiet():
        print(printable(message), flush=True)


def suggest(*words: str):
    """Print the next command as a note. The line can be copied."""
    note(f"Next: {command_line(*words)}")


def command_line(*words: str) -> str:
    """The line of a command, with quotes as the shell of this system needs them."""
    # Single quotes have no meaning in the command prompt of Windows.
    return subprocess.list2cmdline(words) if sys.platform == "win32" else shlex.join(words)


def words_to_finetune(model: str) -> list[str]:
    """The words of the command that fine-tunes a pre-trained model. Words in capitals are for the user to replace."""
    data = ["--train_data", "TRAIN", "--eval_data", "TEST", "--output_dir", "OUTPUT_DIR"]
    return ["lgi-former", "finetune", "--model_name_or_path", model, *data]


@contextlib.contextmanager
def announce_if_slow(message: str, seconds: float | None = None) -> Iterator[None]:
    """Print a note if the `with` block takes longer than `seconds`, by default `SILENCE`."""
    timer = threading.Timer(SILENCE if seconds is None else seconds, note, args=(message,))
    timer.daemon = True
    timer.start()
    try:
        yield
    finally:
        timer.cancel()


def shows_progress() -> bool:
    """Whether to show progress bars: if stderr is a terminal and the command is not quiet."""
    return not is_quiet() and sys.stderr is not None and sys.stderr.isatty()


def console():
    """The `rich` console of stdout. Logs get plain text, and so do terminals with `NO_COLOR` set.

    `rich` itself leaves bold and italic letters with `NO_COLOR`.
    """
    from rich.console import Console

    return Console(highlight=False, color_system=None if os.environ.get("NO_COLOR") else "auto")
