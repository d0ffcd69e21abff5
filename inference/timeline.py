"""Summarises the scores of clips for each person and for the video."""

import itertools
from collections.abc import Iterable


NO_FACE_NOTE = "No face was found, so there is nothing to classify."


def summarise(timeline: list[dict]) -> dict:
    """Average the scores of a timeline for each person and for the video.

    The scores of a person are the mean over the person's windows. The scores of the video are the mean over people,
    weighted by the time for which each was seen.

    Args:
        timeline: Entries with `person`, `start`, `end` (seconds) and `scores` (by label).

    Returns:
        Dictionary with

        - `scores`: Scores of the video by label, highest first. None without people.
        - `people`: `person`, `start`, `end` and `scores` of each person, in the order of their numbers.
        - `note`: `NO_FACE_NOTE`, only without people.
    """
    by_person = {}
    for entry in timeline:
        by_person.setdefault(entry["person"], []).append(entry)
    people = [_person(person, by_person[person]) for person in sorted(by_person)]
    if not people:
        return {"scores": None, "people": [], "note": NO_FACE_NOTE}
    seconds = [person["end"] - person["start"] for person in people]
    return {"scores": _mean([person["scores"] for person in people], seconds), "people": people}


def stretches(timeline: list[dict]) -> list[dict]:
    """Shorten a timeline: join successive windows of a person that have the same best label.

    Returns:
        Entries with `person`, `start`, `end` (seconds), `label` and `score`, the mean of the label over the windows.
        They are sorted by person and time.
    """
    short = []
    in_time = sorted(timeline, key=lambda entry: (entry["person"], entry["start"]))
    for (person, label), group in itertools.groupby(in_time, key=lambda entry: (entry["person"], best_label(entry))):
        entries = list(group)
        score = sum(entry["scores"][label] for entry in entries) / len(entries)
        start, end = entries[0]["start"], entries[-1]["end"]
        short.append({"person": person, "start": start, "end": end, "label": label, "score": score})
    return short


def shown_number(person: int) -> int:
    """The number of a person in pictures and tables, which count from 1. Results count from 0."""
    return person + 1


def best_label(entry: dict) -> str:
    """The label with the highest score of an entry."""
    return max(entry["scores"], key=entry["scores"].get)


def _person(person: int, entries: list[dict]) -> dict:
    return {
        "person": person,
        "start": min(entry["start"] for entry in entries),
        "end": max(entry["end"] for entry in entries),
        "scores": _mean([entry["scores"] for entry in entries], [1.0] * len(entries)),
    }


def _mean(scores: list[dict[str, float]], weights: Iterable[float]) -> dict[str, float]:
    """Weighted mean by label, highest first."""
    weights = list(weights)
    means = {
        label: sum(weight * each[label] for weight, each in zip(weights, scores, strict=True)) / sum(weights)
        for label in scores[0]
    }
    return dict(sorted(means.items(), key=lambda item: item[1], reverse=True))
