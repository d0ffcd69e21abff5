"""Writes the results as Markdown and JSON."""

import json
import os
from pathlib import Path


STATES = {
    "done": "",
    "failed": "This section failed. Its earlier measurements are below.",
    "stopped": "This section was stopped at its limit. Its earlier measurements are below.",
    "left out": "There was no time left for this section.",
}


def write_report(folder: Path, head: dict, sections: dict[str, dict]):
    """Write `gpu.json` and `gpu.md` atomically.

    Args:
        head: Facts about the run, by name.
        sections: By name: `title`, `state`, `seconds`, `limit`, `rows` and, if it failed, `traceback`.
    """
    _replace(folder / "gpu.json", json.dumps({"run": head, "sections": sections}, indent=2) + "\n")
    lines = ["# Measured on a GPU", ""]
    lines += [f"- {name}: {value}" for name, value in head.items()]
    for name, section in sections.items():
        lines += ["", f"## {section['title']}", "", *_state(name, section), *_tables(section["rows"])]
        if section.get("traceback"):
            lines += ["", "```text", section["traceback"].strip(), "```"]
    _replace(folder / "gpu.md", "\n".join(lines) + "\n")


def _replace(path, text):
    beside = path.with_name(f".{path.name}")
    beside.write_text(text, encoding="utf-8")
    os.replace(beside, path)


def _state(name, section):
    taken = f"Section `{name}`: {section['seconds']:.0f} s of {section['limit']:.0f} s."
    return [f"{taken} {STATES[section['state']]}".strip()]


def _tables(rows):
    """Lines of a table for each name, and the notes."""
    tables = {}
    lines = []
    for row in rows:
        if "note" in row:
            lines += ["", row["note"]]
        else:
            tables.setdefault(row["table"], []).append({name: row[name] for name in row if name != "table"})
    for name, table in tables.items():
        columns = list(dict.fromkeys(column for row in table for column in row))
        right = {c for c in columns if all(isinstance(row.get(c, 0), int | float) for row in table)}
        lines += ["", f"**{name}**", "", f"| {' | '.join(columns)} |"]
        lines.append("|" + "|".join(" ---: " if column in right else " --- " for column in columns) + "|")
        lines += [f"| {' | '.join(_cell(row.get(column)) for column in columns)} |" for row in table]
    return lines


def _cell(value):
    if value is None:
        return ""
    if isinstance(value, float):
        return f"{value:.0f}" if abs(value) >= 1000 else f"{value:.3g}"
    return str(value).replace("|", "/").replace("\n", " ")
