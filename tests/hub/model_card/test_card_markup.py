"""Names on a model card are shown letter by letter, also if they have Markdown or HTML."""

import re

import pytest
from huggingface_hub import ModelCard

from lgi_former import LGIFormerForVideoClassification
from lgi_former.hub.model_card import ModelFacts, write_model_card
from lgi_former.hub.model_card.markdown import as_code, as_plain_text


LABELS = ["<script>alert(1)</script>", "[a](javascript:b)", "![c](https://c.org/d.png)", "e|f", "www.g.org", "*h*"]
FIGURES = {
    "uar": 0.5,
    "war": 0.5,
    "class_accuracy": dict.fromkeys(LABELS, 0.5),
    "confusion_matrix": [[0] * len(LABELS)] * len(LABELS),
    "notes": [f"No video has {LABELS[0]}, {LABELS[1]}."],
    "num_videos": 5,
}


@pytest.fixture(scope="module")
def card(save_tiny_model, tmp_path_factory):
    """The text of a card whose names are all from a stranger."""
    folder = tmp_path_factory.mktemp("model")
    save_tiny_model(LGIFormerForVideoClassification, folder, LABELS)
    (folder / "README.md").unlink(missing_ok=True)
    facts = ModelFacts(
        base_model="a`\n# b <i>",
        dataset="c\n---\n<b>d</b>",
        figures=FIGURES,
        hyperparameters={"class_weights": "<u> 1, [x](y) 2"},
    )
    assert write_model_card(folder, facts)
    return (folder / "README.md").read_text(encoding="utf-8")


def test_a_card_has_no_html_and_no_links_of_strangers(card):
    _, text = card.rpartition("<!-- Written by")[0].split("\n---\n")
    assert "<" not in text.replace("&lt;", "")
    links = re.findall(r"(?<!\\)\]\(([^)]*)\)", text)
    assert links and not {"javascript:b", "y", "https://c.org/d.png"} & set(links)
    assert "https://c.org" not in text and "www.g.org" not in text
    assert r"www\.g.org" in text and r"\*h\*" in text


def test_names_with_line_breaks_add_no_lines(card):
    assert "\n# b" not in card and card.count("\n---\n") == 1
    assert ModelCard(card).data.to_dict()["tags"]


def test_each_row_of_a_table_has_its_cells(card):
    rows = [line.replace(r"\|", "").count("|") for line in card.splitlines() if line.startswith("| ")]
    assert rows[-len(LABELS) :] == [len(LABELS) + 3] * len(LABELS)


@pytest.mark.parametrize(
    "name",
    ["happy", "valence (points)", "LABEL_0", "anger, fear", "learning_rate: 1e-4", "(0.9, 0.999)", "70 %", "a & b"],
)
def test_usual_names_do_not_change(name):
    assert as_plain_text(name) == name and as_code(name) == f"`{name}`"
