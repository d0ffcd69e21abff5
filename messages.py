"""Messages of the commands: errors in one sentence, and suggestions for misspelt words.

It imports nothing but the standard library at import time, so that `--help` is instant.
"""

import difflib
import io
import re
import sys

from .out_of_memory import ADVICE, is_out_of_memory, out_of_memory_sentence


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
    """`--top-k=3` as `--top_k=3`; what follows a bare `--` is left alone."""
    options_end = argv.index("--") if "--" in argv else len(argv)
    respelt = []
    for argument in argv[:options_end]:
        name, equals, value = argument.partition("=")
        is_option = name.startswith("--")
        respelt.append(f"--{name[2:].replace('-', '_')}{equals}{value}" if is_option else argument)
    return respelt + argv[options_end:]


def first_line(error: Exception, memory_advice: str = ADVICE) -> str:
    """The first line of an error's message; with the error's type where that is not made for users to read.

    The operating system's errors are told without their numbers. A lack of memory is one sentence, and `memory_advice`
    says what to do about it.
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
    """Say on stderr what was wrong; returns the exit status."""
    print(f"lgi-former: {message}", file=sys.stderr)
    return 2


def escape_what_cannot_be_printed():
    """Let stdout and stderr write letters that their encoding lacks as escapes, such as `\\u5e78`.

    Names of videos and classes may hold any letter, and a console may have few. Every command calls this first.
    """
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):  # a program that calls a command may have put something else there
            stream.reconfigure(errors="backslashreplace")


def escaped(name: str) -> str:
    """`name` with escapes for what UTF-8 cannot hold: bytes of a file name that are no text, such as `\\udce9`."""
    return name.encode("utf-8", "backslashreplace").decode("utf-8")


def silence_libraries():
    """Leave stderr to our own messages."""
    from huggingface_hub.utils import disable_progress_bars
    from transformers.utils import logging

    logging.set_verbosity_error()
    logging.disable_progress_bar()
    disable_progress_bars()
