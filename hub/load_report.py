"""Says in one sentence what Transformers reports as a table when a checkpoint and a model differ."""

import contextlib
import logging
from collections.abc import Iterable, Iterator

from transformers import modeling_utils
from transformers.utils import logging as transformers_logging


logger = transformers_logging.get_logger(__name__)


@contextlib.contextmanager
def without_load_report() -> Iterator[None]:
    """Leave out the table of Transformers about missing and unexpected weights, within a `with` block."""

    def is_no_report(record: logging.LogRecord) -> bool:
        return "LOAD REPORT" not in record.getMessage()

    modeling_utils.logger.addFilter(is_no_report)
    try:
        yield
    finally:
        modeling_utils.logger.removeFilter(is_no_report)


def report_differences(model_name_or_path: str, missing: Iterable[str], unexpected: Iterable[str]):
    """Log one sentence about the weights of a checkpoint that a model does not use, and about those it lacks.

    Args:
        model_name_or_path: The checkpoint.
        missing: Names of weights that the checkpoint lacks. They are initialised.
        unexpected: Names of weights that the model does not use.
    """
    differences = {"new and untrained": _modules(missing), "not used": _modules(unexpected)}
    parts = [f"{what}: {modules}" for what, modules in differences.items() if modules]
    # Commands silence Transformers, and this sentence replaces a report of Transformers.
    if parts and transformers_logging.get_verbosity() <= logging.WARNING:
        logger.warning(f"Loaded '{model_name_or_path}' ({'; '.join(parts)}).")


def _modules(names: Iterable[str]) -> str:
    """The outermost modules of weights, without the encoder that holds some of them."""
    return ", ".join(sorted({name.removeprefix("lgi_former.").partition(".")[0] for name in names}))
