"""Checks whether a label looks like the name or index of one class, or like something that is not supported."""

import re
import unicodedata
from collections.abc import Container, Iterable

from ...image_processing.decoding.video_decoding import VIDEO_SUFFIXES


MINUS = "\u2212"  # of typesetting
LONGEST_LABEL = 200  # characters
SEPARATORS = r"[;|,]"
"""Characters between the classes of a value such as `happy;surprised`."""

_MISSING = ("nan", "<na>", "na", "n/a", "#n/a", "null", "nat")
_DATE = r"\d{1,4}([-./:])\d{1,2}\1\d{1,4}([ T].*)?"
_VIDEO = rf"({'|'.join(map(re.escape, VIDEO_SUFFIXES))})(\s|$)"
_CONNECTORS = r"[\s+&/_-]+"


def problem_of_label(label: str, labels: Container[str]) -> str | None:
    """Why a label is not the name or index of one class, in a sentence; None if it may be one.

    A label that joins some of all `labels`, such as `happy+sad`, names several classes.
    """
    if len(label) > LONGEST_LABEL:
        return f"the label {label[:40]!r}... has {len(label)} characters, and {LONGEST_LABEL} are allowed."
    if not label.isprintable():
        return f"the label {label!r} holds an invisible character. Remove it."
    if is_missing(label):
        return f"the label {label!r} stands for a missing value. Remove the line, or name this class with --labels."
    if re.fullmatch(r"-?\d+", label):
        return None
    if re.fullmatch(_DATE, label):
        return f"the label {label!r} looks like a date or a time. Write a class, or name this class with --labels."
    if is_real(label):
        return (
            f"the label {label!r} is a real number. For classes, write names or indices, which are whole numbers from "
            "0 without a decimal point. For numbers, pass --task regression."
        )
    if re.fullmatch(r"[^\w\s]?\s*\d+([.,]\d+)?\s*[%‰°$€£]\w?", label):
        return (
            f"the label {label!r} is a number with a sign. For a quantity, write the number alone and pass --task "
            "regression. For a class, name it with --labels."
        )
    if re.search(_VIDEO, label.lower()):
        return f"the label {label!r} looks like a video. Write the path first, then the label."
    if re.search(r"""^'.*'$|^"|"$""", label):
        return f"the label {label!r} has quotation marks. Remove them."
    if _names_several(label, labels):
        return (
            f"the label {label!r} looks like several labels. For several labels of a video, separate them by ';' and "
            "pass --task multi_label. For one, name this class with --labels."
        )
    return None


def differ_in_spelling_only(labels: Iterable[str]) -> tuple[str, str] | None:
    """The first two labels that differ only in case, spaces or invisible characters; None if none do."""
    met = {}
    for label in labels:
        first = met.setdefault(_spelling(label), label)
        if first != label:
            return first, label
    return None


def _spelling(label: str) -> str:
    if re.fullmatch(r"-?\d+", label):
        return label  # 01 and 1 are the same index, not two spellings
    visible = "".join(char for char in label if unicodedata.category(char) != "Cf")
    return " ".join(unicodedata.normalize("NFKC", visible).casefold().split())


def _is_punctuation(character: str) -> bool:
    return unicodedata.category(character).startswith("P")


def is_missing(label: str) -> bool:
    """Whether a label stands for a missing value."""
    return label.lower() in _MISSING or all(map(_is_punctuation, label))


def is_real(label: str) -> bool:
    """Whether a label is a number that is not written as a whole number."""
    if re.fullmatch(r"-?\d+", label):
        return False
    text = label.replace(MINUS, "-")
    if re.fullmatch(r"[+-]?\d+,\d+", text):  # a decimal comma
        return True
    try:
        float(text)
    except ValueError:
        return False
    return True


def _names_several(label: str, labels: Container[str]) -> bool:
    if re.search(SEPARATORS, label) or re.fullmatch(r"[\[({].*[\])}]|\W*\d[\W\d]*", label):
        return True
    parts = re.split(_CONNECTORS, label)
    return len(parts) > 1 and all(part in labels for part in parts)
