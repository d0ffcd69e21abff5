"""From the scores of clips to what is said about a person and about a video."""

import itertools
from collections.abc import Iterable


NO_FACE_NOTE = "No face was found, so there is nothing to classify."


def summarise(timeline: list[dict]) -> dict:
    """What a timeline says about each person and altogether.

    A person's scores are the mean over the person's windows; a video's are the mean over its people, weighted by how
    long each was there.

    Args:
        timeline: Entries with `person`, `start`, `end` (seconds) and `scores` (by label).

    Returns:
        Dictionary with

        - `scores`: of the video, by label, highest first; None if there is nobody.
        - `people`: for each person, in the order of their numbers, `person`, `start`, `end` and `scores`.
        - `note`: only if there is nobody; says so.
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
    """A timeline in short: successive windows of a person with the same best label become one.

    Returns:
        Entries with `person`, `start`, `end` (seconds), `label` and `score`, the label's mean over the windows; each
        person's in the order of time.
    """
    short = []
    in_time = sorted(timeline, key=lambda entry: (entry["person"], entry["start"]))
    for (person, label), group in itertools.groupby(in_time, key=lambda entry: (entry["person"], best_label(entry))):
        entries = list(group)
        score = sum(entry["scores"][label] for entry in entries) / len(entries)
        start, end = entries[0]["start"], entries[-1]["end"]
        short.append({"person": person, "start": start, "end": end, "label": label, "score": score})
    return short


def best_label(entry: dict) -> str:
    """The label with the highest score."""
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
