"""Misspelt fields in the JSON files of models, which Transformers accepts in silence."""

import difflib
from collections.abc import Iterable
from typing import Any


_SIMILAR = 0.9
_OTHER_NAMES = ("auto_map", "name_or_path", "num_labels", "torch_dtype", "attn_implementation", "tie_encoder_decoder")
"""Fields of `config.json` that Transformers stores under other names, or that earlier versions wrote."""


def known_fields(config_class: Any) -> set[str]:
    """The fields that a class of configurations reads, if it can be made without arguments."""
    try:
        return {*config_class().to_dict(), *_OTHER_NAMES}
    except TypeError:  # a subclass of a user
        return set(_OTHER_NAMES)


def known_settings(processor_class: Any) -> set[str]:
    """The settings that a class of video processors reads."""
    return {*processor_class.valid_kwargs.__annotations__, *processor_class().to_dict(), "auto_map"}


def check_field_names(fields: Iterable[str], known: Iterable[str], file: str):
    """Refuse a field that is unknown, but is similar to a known field that is absent.

    Other unknown fields are accepted, because Transformers, a later version or a user may have written them. So are
    names with `_` first, which earlier versions of Transformers wrote.

    Args:
        fields: The fields of a file.
        known: The fields that have a meaning.
        file: The name of the file, for the error.

    Raises:
        ValueError: If a field seems to be misspelt.
    """
    fields, known = list(fields), set(known)
    absent = sorted(known.difference(fields))
    for field in fields:
        if field in known or field.startswith("_"):
            continue
        similar = [name for name in absent if _differ_little(name, field)]
        similar += difflib.get_close_matches(field, absent, 1, _SIMILAR)
        if not similar:
            continue
        raise ValueError(
            f"{file} has the unknown field {field!r}; did you mean {similar[0]!r}? Correct the name. If it is your "
            "own field, choose another name."
        )


def _differ_little(one: str, other: str) -> bool:
    """Whether one letter was replaced, as a changed bit in a file does, or two letters changed places."""
    changed = [pair for pair in zip(one, other, strict=False) if pair[0] != pair[1]]
    return len(one) == len(other) and (len(changed) == 1 or (len(changed) == 2 and changed[0] == changed[1][::-1]))
