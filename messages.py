"""Messages of the commands: errors in one sentence, and suggestions for misspelt words.

This file imports only the standard library, so that every room can import it.
"""

import argparse
import difflib
import io
import os
import sys


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


class SuggestsNearest(argparse.ArgumentParser):
    """A parser whose errors suggest the nearest known word for a misspelt one.

    `suggest_on_error` of `argparse` does this for choices only, from Python 3.14 on.
    """

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
    print(f"lgi-former: {message}", file=sys.stderr)
    return 2


def escape_what_cannot_be_printed():
    """Let stdout and stderr write letters that their encoding lacks as escapes, such as `\\u5e78`.

    Names of videos and classes may hold any letter. Every command calls this first.
    """
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):  # a calling program may have replaced it
            stream.reconfigure(errors="backslashreplace")


def discard_stdout():
    """Discard further output after a failed write to stdout. Otherwise Python reports the failure again at exit."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def escaped(name: str) -> str:
    """`name` with escapes, such as `\\udce9`, for bytes of a file name that are not UTF-8."""
    return name.encode("utf-8", "backslashreplace").decode("utf-8")


def silence_libraries():
    """Silence the logs and progress bars of libraries."""
    from huggingface_hub.utils import disable_progress_bars
    from transformers.utils import logging

    logging.set_verbosity_error()
    logging.disable_progress_bar()
    disable_progress_bars()
