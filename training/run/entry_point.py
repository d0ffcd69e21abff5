"""Runs a training command: parses its options and reports an error in one sentence."""

import os
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
from .recipe_parser import RecipeParser


logger = logging.get_logger(__name__)

NUMBERS_OF_PROCESSES = ("WORLD_SIZE", "PMI_SIZE", "OMPI_COMM_WORLD_SIZE", "MV2_COMM_WORLD_SIZE")
"""Variables that launchers set for each of several processes."""


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
            warn_of_missing_processes()
            return run(*parser.parse(argv))
    except (ValueError, OSError, MissingExtraError, TooManySkippedVideosError, NonFiniteLossError) as error:
        logger.debug("Traceback of the error:", exc_info=True)
        is_of_system = isinstance(error, UnicodeEncodeError) or getattr(error, "strerror", None)
        message = first_line(error) if is_of_system else str(error)
        return fail(" ".join(message.split()))
    except (RuntimeError, MemoryError) as error:
        if not is_out_of_memory(error):
            raise
        logger.debug("Traceback of the error:", exc_info=True)
        return fail(out_of_memory_sentence(error, memory_advice))
    finally:
        PartialState().destroy_process_group()


def warn_of_missing_processes():
    """Warn if `accelerate launch` was asked for several processes but started one.

    Accelerate (1.15) does so without `--multi_gpu`, for example with `--cpu`. It then sets the port of the main
    process, but no number of processes.
    """
    is_launched = "ACCELERATE_MIXED_PRECISION" in os.environ
    if is_launched and "MASTER_PORT" in os.environ and not any(name in os.environ for name in NUMBERS_OF_PROCESSES):
        logger.warning(
            "accelerate launch has started 1 process, although --num_processes asks for more. To start all, also on "
            "CPUs, replace --cpu by --multi_gpu, and add --use_cpu true to the options of the command."
        )
