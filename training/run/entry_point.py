"""What the training commands have in common: parse, run, and say in a sentence what went wrong."""

import re
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
    """Parse `argv`, by default the process's, into the dataclasses and call `run` with them.

    Args:
        run: Returns the exit status. Its name is the command's, the first paragraph of its docstring the help text.
        dataclass_types: Its parameters' types.
        memory_advice: What to do if memory runs out.

    Returns:
        Exit status: that of `run`, or 2 if it could not be done. What was wrong is on stderr then, and where it was
        found is logged at the level `debug`.
    """
    escape_what_cannot_be_printed()
    description = run.__doc__.split("\n\n")[0]
    parser = RecipeParser(*dataclass_types, prog=f"lgi-former {run.__name__}", description=description)
    try:
        require_extra("train")
        return run(*parser.parse(sys.argv[1:] if argv is None else argv))
    except (ValueError, OSError, MissingExtraError, TooManySkippedVideosError, NonFiniteLossError) as error:
        logger.debug("Traceback of what follows:", exc_info=True)
        message = first_line(error) if isinstance(error, UnicodeEncodeError) else _without_traceback(str(error))
        return fail(" ".join(message.split()))
    except (RuntimeError, MemoryError) as error:
        if not is_out_of_memory(error):
            raise
        logger.debug("Traceback of what follows:", exc_info=True)
        return fail(out_of_memory_sentence(error, memory_advice))
    finally:
        PartialState().destroy_process_group()


def _without_traceback(message: str) -> str:
    """What an error says, which from a data loader's worker arrives behind the worker's traceback."""
    _, traceback, told = message.partition("Original Traceback (most recent call last):\n")
    raised = re.split(r"^[\w.]+: ", told, flags=re.MULTILINE)  # what follows the names of the errors of the chain
    return raised[-1] if traceback and len(raised) > 1 else message
