"""Runs a training command: parses its options and reports an error in one sentence."""

import sys
from collections.abc import Callable

from accelerate import PartialState
from transformers.utils import logging

from ...extras import MissingExtraError, require_extra
from ...messages import (
    ADVICE_FOR_TRAINING,
    escape_what_cannot_be_printed,
    fail,
    first_line,
    is_out_of_memory,
    out_of_memory_sentence,
    quiet,
    silence_what_is_not_shown,
    wants_quiet,
)
from ..data.skipped_videos import TooManySkippedVideosError
from ..trainer.non_finite_loss import NonFiniteLossError
from .arguments import RecipeParser


logger = logging.get_logger(__name__)


def run_entry_point(
    run: Callable[..., int],
    *dataclass_types: type,
    argv: list[str] | None = None,
    memory_advice: str = ADVICE_FOR_TRAINING,
) -> int:
    """Parse `argv` into the dataclasses and call `run` with them.

    Args:
        run: Returns the exit status. Its name is that of the command.
        dataclass_types: The types of its parameters.
        argv: Options; by default those of the process.
        memory_advice: What to do if memory runs out.

    Returns:
        The exit status of `run`, or 2 after an error. The error is on stderr, its traceback in the log at the level
        `debug`.
    """
    escape_what_cannot_be_printed()
    parser = RecipeParser(*dataclass_types, prog=f"lgi-former {run.__name__}")
    argv = sys.argv[1:] if argv is None else argv
    try:
        require_extra("train")
        with quiet(wants_quiet(argv)):
            silence_what_is_not_shown()
            return run(*parser.parse(argv))
    except (ValueError, OSError, MissingExtraError, TooManySkippedVideosError, NonFiniteLossError) as error:
        logger.debug("Traceback of the error:", exc_info=True)
        message = first_line(error) if isinstance(error, UnicodeEncodeError) else str(error)
        return fail(" ".join(message.split()))
    except (RuntimeError, MemoryError) as error:
        if not is_out_of_memory(error):
            raise
        logger.debug("Traceback of the error:", exc_info=True)
        return fail(out_of_memory_sentence(error, memory_advice))
    finally:
        PartialState().destroy_process_group()
