"""Messages of the commands: errors in one sentence, and suggestions for misspelt words.

This file imports only the standard library, so that every room can import it.
"""

import difflib
import io
import os
import re
import sys


# Errors of devices that have no class of their own, of the processor's allocator, and of CUDA's libraries, which
# report a lack of memory in their own words.
_MESSAGES = re.compile(
    r"out of memory|can't allocate memory|cannot allocate memory|not enough memory|STATUS_ALLOC_FAILED", re.IGNORECASE
)
_AMOUNT = re.compile(r"[Tt]ried to allocate ([\d.]+ [KMGT]iB)")

ADVICE = "Lower --batch_size if it is above 1, take a model of fewer frames, or choose another --device, such as cpu."
"""For commands that use a model."""

ADVICE_FOR_ONE_CLIP = "Take a model of fewer frames or smaller pictures, or choose another --device, such as cpu."
"""For commands that compute one clip, which have no batch to make smaller."""

ADVICE_FOR_TRAINING = (
    "Lower --per_device_train_batch_size and raise --gradient_accumulation_steps by the same factor, set "
    "--gradient_checkpointing true, train in half precision (--bf16 true), or take clips of fewer frames "
    "(--num_frames). In evaluation, lower --per_device_eval_batch_size."
)
"""For the commands that train."""

ADVICE_FOR_EVALUATION = (
    "Lower --batch_size, compute in half precision (--bf16 true), or leave the device alone (--use_cpu true)."
)
"""For the command that evaluates."""


class SuggestsNearest:
    """Mixin for an `argparse.ArgumentParser` whose errors suggest the nearest word for a misspelt one."""

    def error(self, message: str):
        misspelt, known = "", []
        if choice := re.search(r"invalid choice: '(.*?)' \(choose from (.*)\)", message):
            misspelt, known = choice[1], re.findall(r"[\w-]+", choice[2])
        elif option := re.search(r"unrecognized arguments:.*?(--\w+)", message):
            misspelt, known = option[1], [name for name in self._option_string_actions if "-" not in name[2:]]
        super().error(message + nearest(misspelt, known))


def nearest(misspelt: str, known: list[str]) -> str:
    """`"; did you mean X?"` of the known words' nearest, or nothing if none is near."""
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
    """Whether a device or the machine had no memory left."""
    torch = sys.modules.get("torch")  # without it, no error of its class was raised
    if isinstance(error, MemoryError) or (torch is not None and isinstance(error, torch.OutOfMemoryError)):
        return True
    return isinstance(error, RuntimeError) and _MESSAGES.search(str(error)) is not None


def out_of_memory_sentence(error: BaseException, advice: str = ADVICE) -> str:
    """What ran out of memory, how much was asked for if that is known, and what to do."""
    is_host = isinstance(error, MemoryError) or "allocate memory" in str(error)
    amount = _AMOUNT.search(str(error))
    asked = f" when it asked for {amount[1]} more" if amount else ""
    return f"{'The machine' if is_host else 'The device'} ran out of memory{asked}. {advice}"


def first_line(error: Exception, memory_advice: str = ADVICE) -> str:
    """The first line of an error's message; with the error's type where that is not made for users to read.

    Errors of the operating system have no number. A lack of memory is one sentence that ends with `memory_advice`.
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

    Names of videos and classes may hold any letter, and a console may have few. Every command calls this first.
    """
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):  # a program that calls a command may have put something else there
            stream.reconfigure(errors="backslashreplace")


def discard_stdout():
    """Discard further output after a failed write to stdout. Otherwise Python reports the failure again at its end."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def escaped(name: str) -> str:
    """`name` with escapes for what UTF-8 cannot hold: bytes of a file name that are no text, such as `\\udce9`."""
    return name.encode("utf-8", "backslashreplace").decode("utf-8")


def silence_libraries():
    """Silence the logs and progress bars of libraries."""
    from huggingface_hub.utils import disable_progress_bars
    from transformers.utils import logging

    logging.set_verbosity_error()
    logging.disable_progress_bar()
    disable_progress_bars()
