"""No CSV file has a cell that a spreadsheet runs as a formula. Files that we read again have the same names."""

import csv
import io

import numpy as np
import pyarrow as pa
import pytest

from lgi_former.commands.prediction_output import CsvColumns, CsvPrinter
from lgi_former.commands.prediction_table import write_table as write_large_table
from lgi_former.commands.result_files import write_table
from lgi_former.files import as_text_cell, from_text_cell
from lgi_former.hub.answer_kind import AnswerKind
from lgi_former.inference.embedding_file import embedding_writer, read_embeddings, table_beside
from lgi_former.training.data.skipped_videos import SkippedVideos
from lgi_former.training.evaluation.predictions_file import Predictions, read_predictions, write_predictions
from lgi_former.training.preparation import faces


SIGNS = ("=", "+", "-", "@", "\t", "\r", "\n", "\uff1d", "\uff0b", "\uff0d", "\uff20")
EVIL = "=HYPERLINK(0).mp4"
NAMES = [
    *(f"{sign}1+cmd|' /C calc'!A0" for sign in SIGNS),
    "a;=1+1",
    "'=1",
    "''=1",
    "'quoted'",
    "a=b",
    "",
    "-1",
    ";-1",
]


@pytest.mark.parametrize("name", NAMES)
def test_a_name_is_no_formula_and_is_read_again(name):
    cell = as_text_cell(name)
    assert name == "-1" or not any(part.startswith(SIGNS) for part in cell.split(";"))
    assert from_text_cell(cell) == name


@pytest.mark.parametrize("number", [-1.5, 3, None, True, "-1", "+2.5e-07", "-.5", "-inf", "nan", "-3."])
def test_numbers_do_not_change(number):
    assert as_text_cell(number) is number
    assert from_text_cell(number) is number


def formulas(text):
    """The cells of CSV that spreadsheets run."""
    return [cell for row in csv.reader(io.StringIO(text, newline="")) for cell in row if cell.startswith(SIGNS)]


@pytest.mark.parametrize("task", ["single_label", "multi_label"])
def test_predictions_of_an_evaluation_are_read_again(task, tmp_path):
    names, values = ["=a", "b;-c"], np.array([[0.25, 0.75], [0.5, 0.5]])
    labels = np.array([1, 0]) if task == "single_label" else np.eye(2)
    write_predictions(tmp_path / "predictions.csv", Predictions(task, names, [EVIL, "@b.mp4"], labels, values))
    assert formulas((tmp_path / "predictions.csv").read_text()) == []
    read = read_predictions(tmp_path)
    assert (read.label_names, read.videos) == (names, [EVIL, "@b.mp4"])
    assert np.array_equal(read.labels, labels) and np.array_equal(read.values, values)


def test_skipped_videos_are_read_again(tmp_path):
    skipped = SkippedVideos(tmp_path, total=1000)
    skipped.skip(EVIL, "=1+1")
    assert formulas(skipped.path.read_text()) == []
    assert skipped.listed() == {EVIL: "=1+1"}


def test_outcomes_of_faces_are_read_again(tmp_path):
    outcomes = [faces.Outcome(EVIL, faces.FAILED, 0, 0, "-1+1"), faces.Outcome("+b.mp4", faces.NO_FACE, 0, 0, "")]
    faces._write_list(tmp_path / "faces.csv", outcomes[:1])
    faces._append(tmp_path / "faces.csv", outcomes[1])
    assert formulas((tmp_path / "faces.csv").read_text()) == []
    assert faces._listed(tmp_path / "faces.csv", [EVIL, "+b.mp4"]) == outcomes


def test_rows_of_embeddings_are_read_again(tmp_path):
    with embedding_writer(tmp_path / "e.npy") as writer:
        writer.write(np.zeros(2, np.float32), video=EVIL, start=-1.5, **{"=title": "@x"})
    assert formulas(table_beside(tmp_path / "e.npy").read_text()) == ["-1.5"]
    assert read_embeddings(tmp_path / "e.npy").columns == {"video": [EVIL], "start": [-1.5], "=title": ["@x"]}


def test_tables_of_predictions_have_no_formula(tmp_path, capsys):
    kind = AnswerKind("regression", ["=label", "b"])
    result = {"video": EVIL, "scores": {"=label": -1.5, "b": 2.0}, "note": "+note"}
    CsvPrinter(CsvColumns(kind)).print_result(result)
    printed = capsys.readouterr().out
    write_table(tmp_path / "a.csv", ["video", "=label"], [{"video": EVIL, "=label": "-1.5"}])
    schema = pa.schema([("video", pa.string()), ("=label", pa.float64())])
    write_large_table(tmp_path / "b.csv", schema, [{"video": EVIL, "=label": -1.5}], {})
    for text in (printed, *((tmp_path / name).read_text() for name in ("a.csv", "b.csv"))):
        assert formulas(text) == ["-1.5"]
        assert f"'{EVIL}" in text and "'=label" in text


def test_a_table_in_parquet_has_the_names_unchanged(tmp_path):
    write_large_table(tmp_path / "a.parquet", pa.schema([("=v", pa.string())]), [{"=v": EVIL}], {})
    assert pa.parquet.read_table(tmp_path / "a.parquet").to_pylist() == [{"=v": EVIL}]
