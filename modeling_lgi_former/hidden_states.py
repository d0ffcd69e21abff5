"""Selection of the hidden states that the encoder returns."""

from collections.abc import Iterable
from numbers import Integral


def selected_states(request: bool | int | Iterable[int] | None, num_states: int) -> set[int] | None:
    """Indices of the hidden states that `output_hidden_states` requests.

    State 0 is the input of the first layer. Negative indices count from the end, and indices out of range select
    nothing. Versions of Transformers treat a list differently, so this function does it for all of them.

    Args:
        request: `True` for all states, `False` or `None` for none, an index, or several indices.
        num_states: Number of hidden states of the encoder, one more than its layers.

    Returns:
        Indices from 0 to `num_states - 1`, or `None` if no hidden states are requested.

    Raises:
        ValueError: If `request` is something else.
    """
    if request is None or isinstance(request, bool):
        return set(range(num_states)) if request else None
    indices = list(request) if isinstance(request, Iterable) else [request]
    if not all(isinstance(index, Integral) and not isinstance(index, bool) for index in indices):
        raise ValueError(
            f"output_hidden_states={request!r} must be True, False, or a list of indices of hidden states, such as "
            "[0, -1]."
        )
    if not indices:
        return None
    return {int(index) % num_states for index in indices if -num_states <= index < num_states}
