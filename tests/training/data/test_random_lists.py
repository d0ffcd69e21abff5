"""Random lists, valid and damaged. Each is read like Python's `csv` does, or refused with the file's name."""

import csv
import io
import random
import re

import pytest

from lgi_former.training.data.annotations import load_annotations
from lgi_former.training.data.labels import AnnotationError


STEMS = ["a", "clip 1", "sub dir/c d", "é", "日本", "it's", "x,y", "x;y", "v|w", "p#q", 'a"b', "0012", "C:\\c\\d"]
SUFFIXES = [".mp4", ".AVI", ""]
CLASSES = [["happy", "sad"], ["0", "1"], ["joy & fun", "non-neutral", "dégoût"], ["Neutral/Calm", "AU12"]]
DELIMITERS = {"csv": ",", "tsv": "\t", "semicolons": ";", "bars": "|"}
DAMAGE = [
    '"',
    "'",
    ",",
    ";",
    "\t",
    " ",
    "\n",
    "\r",
    "\0",
    "\f",
    "#",
    "# ",
    "\ufeff",
    "\u200b",
    "|",
    "\\",
    "nan",
    "0.5",
]
SEEDS = 30


def random_list(rng, kind):
    """Rows of path and label, and the text that lists them."""
    labels = rng.choice(CLASSES)
    rows = [
        (f"{rng.choice(STEMS)}{number}{rng.choice(SUFFIXES)}", rng.choice(labels))
        for number in range(rng.randint(1, 9))
    ]
    if kind == "spaces":
        rows = [(path, label.replace(" ", "_")) for path, label in rows]
        return rows, [f"{path}{' ' * rng.randint(1, 3)}{label}" for path, label in rows]
    if kind == "tabs":
        return rows, [f"{path}\t{label}" for path, label in rows]
    text = io.StringIO()
    quoting = rng.choice([csv.QUOTE_MINIMAL, csv.QUOTE_ALL])
    writer = csv.writer(text, delimiter=DELIMITERS[kind], quoting=quoting, lineterminator="\n")
    writer.writerows([("", "Video", "label"), *((number, *row) for number, row in enumerate(rows))])
    return rows, text.getvalue().splitlines()


def damaged(rng, lines, line_end):
    """The text with one to three changes."""
    for _ in range(rng.randint(1, 3)):
        text = line_end.join(lines)
        place = rng.randint(0, len(text))
        if rng.random() < 0.7:
            text = text[:place] + rng.choice(DAMAGE) + text[place:]
        elif rng.random() < 0.5:
            text = text[:place] + text[place + 1 :]
        lines = text.split(line_end)
        if rng.random() < 0.3:
            lines.insert(rng.randint(0, len(lines)), rng.choice([*lines, "# note", "path label"]))
    return line_end.join(lines)


def read(file):
    videos = load_annotations(file, "")
    if "label" not in videos.column_names:
        return [(path, None) for path in videos["video"]]
    feature = videos.features["label"]
    names = map(str, videos["label"]) if not hasattr(feature, "int2str") else feature.int2str(videos["label"][:])
    return [*zip(videos["video"], names, strict=True)]


def read_by_csv(text, delimiter):
    """Rows of a table from Python's `csv`, without blank lines and comments; None for other text."""
    lines = [line for line in re.split(r"\r\n|\r|\n", text.lstrip("\ufeff")) if line.strip()]
    lines = [line for line in lines if not re.match(r"\s*#+(\s|$)", line)]
    names = [name.strip().lower() for name in next(csv.reader(lines[:1], delimiter=delimiter))]
    if "video" not in names:
        return None
    rows = csv.reader(lines[1:], delimiter=delimiter, strict=True)
    rows = [row for row in rows if "".join(row).strip() or '"' in "".join(lines)]
    label = names.index("label") if "label" in names else None
    return [(row[names.index("video")].strip(), None if label is None else row[label].strip()) for row in rows]


def same_number(rows):
    return [(path, str(int(label)) if label and label.isdecimal() else label) for path, label in rows]


@pytest.mark.parametrize("kind", ["spaces", "tabs", *DELIMITERS])
@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16"])
def test_valid_lists(kind, encoding, tmp_path):
    for seed in range(SEEDS // 3):
        rng = random.Random(seed)
        rows, lines = random_list(rng, kind)
        file = tmp_path / f"{seed}.{rng.choice(['txt', 'tsv'])}"
        file.write_bytes((rng.choice(["\n", "\r\n", "\r"]).join(lines)).encode(encoding))
        assert read(file) == rows, seed


@pytest.mark.parametrize("kind", ["spaces", "tabs", *DELIMITERS])
def test_damaged_lists(kind, tmp_path):
    for seed in range(SEEDS):
        rng = random.Random(seed)
        line_end = rng.choice(["\n", "\r\n", "\r"])
        text = damaged(rng, random_list(rng, kind)[1], line_end)
        file = tmp_path / f"{seed}.txt"
        file.write_bytes(text.encode())
        try:
            found = read(file)
        except AnnotationError as error:
            assert f"'{file}'" in str(error) and "\n" not in str(error), seed
            continue
        if kind in DELIMITERS and (expected := read_by_csv(text, DELIMITERS[kind])) is not None:
            assert same_number(found) == same_number(expected), seed
        lines = [line.lstrip() for line in re.split(r"[\r\n]", text.lstrip("\ufeff")) if line.strip()]
        rows = [line for line in lines if not re.match(r"#+(\s|$)", line)]
        assert len(found) >= len(rows) - 2, seed  # without a header and a blank row
        for path, label in found:
            assert any(path.replace('"', "") in row.replace('"', "") for row in rows)
            assert label is None or label.isdecimal() or any(label in row.replace('""', '"') for row in rows)
