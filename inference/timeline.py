"""Summarises the scores of clips for each person and for the video."""

import itertools
import math
from collections.abc import Iterable

from ..hub.answer_kind import AnswerKind


SAME_MOMENT = 2e-3  # seconds; times in results are rounded to a thousandth
NO_FACE_NOTE = "No face was found, so there is nothing to classify."


def summarise(timeline: list[dict], kind: AnswerKind) -> dict:
    """Average the scores of a timeline for each person and for the video.

    The scores of a person are the mean over the person's windows. The scores of the video are the mean over people,
    weighted by the time for which each was seen, which is the time in at least one window.

    Args:
        timeline: Entries with `person`, `start`, `end` (seconds) and `scores` (by label).
        kind: The kind of the scores. It sets their order.

    Returns:
        Dictionary with

        - `scores`: Scores of the video by label, as `kind.ordered` sorts them. None without people.
        - `people`: `person`, `start`, `end` and `scores` of each person, in the order of their numbers.
        - `note`: `NO_FACE_NOTE`, only without people.
    """
    by_person = {}
    for entry in timeline:
        by_person.setdefault(entry["person"], []).append(entry)
    people = [_person(person, by_person[person], kind) for person in sorted(by_person)]
    if not people:
        return {"scores": None, "people": [], "note": NO_FACE_NOTE}
    seconds = [_seconds_in_windows(by_person[person["person"]]) for person in people]
    return {"scores": _mean([person["scores"] for person in people], seconds, kind), "people": people}


def stretches(timeline: list[dict], kind: AnswerKind) -> list[dict]:
    """Shorten a timeline: join successive windows of a person that have the same predicted labels.

    Windows are not joined over a time without a window, when the person was not seen.

    Returns:
        Entries with `person`, `start`, `end` (seconds) and `scores`: the mean of each predicted label over the
        windows. They are sorted by person and time.
    """
    short = []
    in_time = sorted(timeline, key=lambda entry: (entry["person"], entry["start"]))
    sightings = itertools.accumulate(
        itertools.pairwise(in_time), lambda number, pair: number + _is_apart(*pair), initial=0
    )
    numbered = zip(sightings, in_time, strict=False)
    by_top = itertools.groupby(numbered, lambda each: (each[0], each[1]["person"], kind.top(each[1]["scores"])))
    for (_, person, labels), group in by_top:
        entries = [entry for _, entry in group]
        scores = {label: sum(entry["scores"][label] for entry in entries) / len(entries) for label in labels}
        start, end = entries[0]["start"], entries[-1]["end"]
        short.append({"person": person, "start": start, "end": end, "scores": scores})
    return short


def _is_apart(first: dict, second: dict) -> bool:
    """Whether there is a time between two windows."""
    return second["start"] > first["end"] + SAME_MOMENT


def _seconds_in_windows(entries: list[dict]) -> float:
    """Seconds that are in at least one window."""
    total, end = 0.0, -math.inf
    for entry in sorted(entries, key=lambda entry: entry["start"]):
        total += max(entry["end"] - max(entry["start"], end), 0)
        end = max(end, entry["end"])
    return total


def shown_number(person: int) -> int:
    """The number of a person in pictures and tables, which count from 1. Results count from 0."""
    return person + 1


def _person(person: int, entries: list[dict], kind: AnswerKind) -> dict:
    return {
        "person": person,
        "start": min(entry["start"] for entry in entries),
        "end": max(entry["end"] for entry in entries),
        "scores": _mean([entry["scores"] for entry in entries], [1.0] * len(entries), kind),
    }


def _mean(scores: list[dict[str, float]], weights: Iterable[float], kind: AnswerKind) -> dict[str, float]:
    """Weighted mean by label, as `kind.ordered` sorts it."""
    weights = list(weights)
    means = {
        label: sum(weight * each[label] for weight, each in zip(weights, scores, strict=True)) / sum(weights)
        for label in scores[0]
    }
    return kind.ordered(means)
