"""Answers as HTML."""

import base64
import csv
import re

import pytest
from matplotlib.figure import Figure

from lgi_former.image_processing import FaceCropper
from lgi_former.inference.demo import UploadLimits, markup
from lgi_former.inference.demo.answers import Recognition, RecognitionAnswer


PEOPLE = [
    [1, 0.0, 2.0, "sad", 0.2, 0.7, 0.1],
    [2, 1.0, 2.0, "sad", 0.0, 0.5, 0.5],
    ["all", 0.0, 2.0, "sad", 0.13, 0.62999, 0.24],
]
WINDOWS = [[1, 0.0, 1.0, "sad", 0.2, 0.7, 0.1], [2, 1.0, 2.0, "neutral", 0.0, 0.4, 0.6]]


@pytest.fixture
def table(recognition):
    return markup.score_table(recognition, RecognitionAnswer("", PEOPLE, WINDOWS))


def test_the_table_has_percentages_highest_first(table):
    rows = [re.sub("<[^>]+>", " ", row).split() for row in re.findall("<tr>.*?</tr>", table)]
    assert rows == [
        ["all", "people", "person", "1", "person", "2"],
        ["sad", "63.0%", "70.0%", "50.0%"],
        ["neutral", "24.0%", "10.0%", "50.0%"],
        ["happy", "13.0%", "20.0%", "0.0%"],
        ["seconds", "0.0", "to", "2.0", "0.0", "to", "2.0", "1.0", "to", "2.0"],
    ]


def test_the_tables_can_be_downloaded(table, recognition):
    links = re.findall(r'href="data:text/csv;charset=utf-8;base64,([^"]+)" download="([^"]+)"', table)
    tables = {name: list(csv.reader(base64.b64decode(data).decode().splitlines())) for data, name in links}
    for name, rows in {"mean-scores.csv": PEOPLE, "scores-over-time.csv": WINDOWS}.items():
        texts = [[*map(str, row[:4]), *(f"{score:.4f}" for score in row[4:])] for row in rows]
        assert tables[name] == [recognition.columns, *texts]


def test_quantities_have_units_signs_and_the_order_of_the_model(tiny_model, tiny_processor):
    model = tiny_model(problem_type="regression", id2label={0: "valence", 1: "heart rate"})
    model.config.label_units = ["points", "beats <per> minute"]
    recognition = Recognition(model, tiny_processor(), UploadLimits(), FaceCropper(lambda image: []))
    table = markup.score_table(recognition, RecognitionAnswer("", [[1, 0.0, 2.0, -0.351, 71.23456789]], []))
    rows = [re.sub("<[^>]+>", " ", row).split("  ") for row in re.findall("<tr>.*?</tr>", table)[1:3]]
    assert [[cell.strip() for cell in row if cell.strip()] for row in rows] == [
        ["valence (points)", "-0.35"],
        ["heart rate (beats &lt;per&gt; minute)", "71.23"],
    ]
    assert "Mean values" in table and "%" not in re.sub("<[^>]+>", "", table) and "bar" not in table
    (data,) = re.findall(r'base64,([^"]+)" download="mean-values.csv"', table)
    assert base64.b64decode(data).decode() == "person,start,end,valence,heart rate\n1,0.0,2.0,-0.351,71.2346\n"


def test_labels_are_no_markup(recognition):
    recognition.labels = ["<b>happy</b>", "a & b", "neutral"]
    table = markup.score_table(recognition, RecognitionAnswer("", PEOPLE, WINDOWS))
    assert "&lt;b&gt;happy&lt;/b&gt;" in table and "a &amp; b" in table


@pytest.mark.parametrize(("inches", "points", "pixels"), [(9, 10, 648), (6, 12, 360), (4, 10, 288)])
def test_letters_of_a_figure_are_never_too_small(inches, points, pixels):
    figure = Figure(figsize=(inches, 1))
    figure.text(0, 0, "score", fontsize=points)
    figure.text(0, 0, "time", fontsize=points + 4)
    image = markup.picture(figure, 'a "b"')
    assert f'style="min-width: {pixels}px"' in image and 'alt="a &quot;b&quot;"' in image
