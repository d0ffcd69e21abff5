"""Model cards: what they tell of each kind of model, that their examples run, and that nobody's words are lost."""

import re
import shutil
from pathlib import Path

import pytest
import torch
import yaml
from huggingface_hub import ModelCard

from lgi_former import (
    LGIFormerForPreTraining,
    LGIFormerForVideoClassification,
    LGIFormerModel,
    LGIFormerVideoProcessor,
)
from lgi_former.hub.model_card import ModelFacts, card_for_repository, is_as_written, write_model_card
from lgi_former.training.quickstart.sample_clip import write_sample_clip


FIGURES = {
    "uar": 2 / 3,
    "war": 0.6,
    "class_accuracy": {"happy": 1.0, "sad": None, "a|b": 1 / 3},
    "weighted_f1": 0.1 + 0.2,
    "micro_f1": 0.6,
    "macro_f1": 1 / 7,
    "confusion_matrix": [[2, 0, 0], [0, 0, 0], [1, 1, 1]],
    "num_videos": 5,
    "num_unreadable_videos": 0,
}
KINDS = {
    "classifier": LGIFormerForVideoClassification,
    "autoencoder": LGIFormerForPreTraining,
    "encoder": LGIFormerModel,
}


@pytest.fixture(scope="module")
def models(save_tiny_model, tmp_path_factory):
    """A folder with a small model of each kind in a folder of its name, and a clip."""
    folder = tmp_path_factory.mktemp("models")
    for kind, model_class in KINDS.items():
        save_tiny_model(model_class, folder / kind, ["happy", "sad", "a|b"])
    write_sample_clip(folder / "face.mp4")
    return folder


@pytest.fixture
def classifier(models):
    """Folder of a classifier without a card."""
    (models / "classifier" / "README.md").unlink(missing_ok=True)
    return models / "classifier"


def card_of(folder, facts=None, **options):
    (folder / "README.md").unlink(missing_ok=True)
    assert write_model_card(folder, facts or ModelFacts(), **options)
    return (folder / "README.md").read_text()


def example_in(card):
    (code,) = re.findall(r"^```python\n(.*?)^```$", card, re.DOTALL | re.MULTILINE)
    return code


@pytest.mark.parametrize("kind", KINDS)
def test_the_example_of_each_kind_runs(kind, models, monkeypatch, capsys):
    monkeypatch.chdir(models)
    exec(example_in(card_of(models / kind)), {})
    shown = capsys.readouterr().out
    if kind == "classifier":
        assert sorted(score["label"] for score in eval(shown)) == ["a|b", "happy", "sad"]
    else:
        assert shown == "torch.Size([1, 32])\n"


def test_metadata_hold_the_measured_figures_to_the_last_digit(classifier):
    card_of(classifier, ModelFacts(dataset="dfew", fold=3, figures=FIGURES))
    data = ModelCard.load(classifier / "README.md").data
    assert (data.library_name, data.pipeline_tag, data.model_name) == (
        "transformers",
        "video-classification",
        "classifier",
    )
    assert {result.metric_name: (result.metric_type, result.metric_value) for result in data.eval_results} == {
        "UAR": ("recall", FIGURES["uar"]),
        "WAR": ("accuracy", FIGURES["war"]),
        "weighted F1": ("f1", FIGURES["weighted_f1"]),
        "micro F1": ("f1", FIGURES["micro_f1"]),
        "macro F1": ("f1", FIGURES["macro_f1"]),
    }
    result = data.eval_results[0]
    assert (result.dataset_type, result.dataset_name, result.dataset_config) == ("dfew", "DFEW", "fold 3")
    assert {"lgi_former", "facial-expression-recognition", "dfew"} <= set(data.tags)


def test_a_classifiers_card_tells_classes_figures_and_recipe(classifier):
    facts = ModelFacts("pretrained", dataset="crema-d", figures=FIGURES, selected_by="eval_war")
    facts.hyperparameters, facts.losses = {"layer_decay": 0.75}, {"in training, at step 9": 1.25}
    card = card_of(classifier, facts)
    for line in (
        "# LGI-Former, fine-tuned on CREMA-D",
        "It takes 4 frames of 32 x 32 pixels and gives scores of happy, sad, a|b.",
        "| UAR | 66.67 |",
        r"| | happy | sad | a\|b | % |",
        r"| a\|b | 1 | 1 | 1 | 33.33 |",
        "| sad | 0 | 0 | 0 | - |",
        "The best checkpoint was selected by WAR on the same videos.",
        "- layer_decay: 0.75",
        "- in training, at step 9: 1.25",
    ):
        assert f"\n{line}\n" in card
    assert "Open Database License" in card


NUMBER, LIKELY, SHARE = "A value is the output", "A score is the sigmoid", "A score is the softmax"


@pytest.mark.parametrize(
    ("problem_type", "labels", "answer", "meaning", "function"),
    [
        (None, ["valence"], "predicts one number: valence.", NUMBER, lambda logits: logits),
        ("regression", ["calm", "glad"], "predicts 2 numbers: calm, glad.", NUMBER, lambda logits: logits),
        (
            "multi_label_classification",
            ["happy", "surprised"],
            "gives a probability of each label: happy, surprised. A video can have several labels, or none.",
            LIKELY,
            torch.sigmoid,
        ),
        (None, ["happy", "sad"], "gives scores of happy, sad.", SHARE, lambda logits: logits.softmax(-1)),
    ],
)
def test_a_card_names_what_a_model_predicts(
    problem_type, labels, answer, meaning, function, models, save_tiny_model, tmp_path, monkeypatch, capsys
):
    save_tiny_model(LGIFormerForVideoClassification, tmp_path / "model", labels, problem_type=problem_type)
    card = card_of(tmp_path / "model", ModelFacts(losses={"in training, at step 9": 0.5}))
    assert f"It takes 4 frames of 32 x 32 pixels and {answer}\n" in card
    assert [words for words in (NUMBER, LIKELY, SHARE) if words in card] == [meaning]
    assert ("Loss (mean squared error):" in card) == (meaning == NUMBER)

    shutil.copy(models / "face.mp4", tmp_path)
    monkeypatch.chdir(tmp_path)
    exec(example_in(card), {})
    shown = {entry["label"]: entry["score"] for entry in eval(capsys.readouterr().out)}
    model = LGIFormerForVideoClassification.from_pretrained("model").eval()
    with torch.no_grad():
        logits = model(**LGIFormerVideoProcessor.from_pretrained("model")("face.mp4", return_tensors="pt")).logits[0]
    assert shown == pytest.approx(dict(zip(labels, function(logits).tolist(), strict=True)), abs=1e-5)


@pytest.mark.parametrize("kind", KINDS)
def test_every_card_names_limits_and_the_paper(kind, models):
    card = card_of(models / kind)
    for words in ("disputed", "biased", "AI Act, Article 5(1)(f)", "@inproceedings{sun2023mae,"):
        assert words in card


def test_a_pretrained_model_has_no_classes_and_no_figures(models):
    card = card_of(models / "autoencoder", ModelFacts(dataset="VoxCeleb2", losses={"in training, at step 9": 0.5}))
    data = ModelCard(card).data
    assert data.pipeline_tag == "feature-extraction" and data.eval_results is None
    assert "# LGI-Former, pre-trained on VoxCeleb2\n" in card and "It has no classes" in card
    assert "CC BY 4.0" in card and "mean squared error over masked tubelets" in card and "happy" not in card


def test_a_converted_model_does_not_pass_off_the_papers_figures(classifier, tmp_path):
    card = card_of(classifier, ModelFacts(checkpoint_file=tmp_path / "best.pth", dataset="dfew"))
    assert "# LGI-Former, converted from best.pth\n" in card and "Nothing was trained or measured" in card
    assert "model-index" not in card and "## Results" not in card and str(tmp_path) not in card


@pytest.mark.parametrize(
    ("base", "in_metadata", "in_text"),
    [
        (
            "someone/pretrained",
            "someone/pretrained",
            "from [someone/pretrained](https://huggingface.co/someone/pretrained)",
        ),
        ("outputs/pretrained", None, "from `pretrained`"),  # a folder that could also be a repository's name
        ("{here}/outputs/pretrained", None, "from `pretrained`"),
        ("{here}/gone/pretrained.pth", None, "from `pretrained.pth`"),
    ],
)
def test_only_hub_repositories_are_named_in_full(base, in_metadata, in_text, classifier, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    Path("outputs/pretrained").mkdir(parents=True)
    card = card_of(classifier, ModelFacts(base.format(here=tmp_path)))
    assert ModelCard(card).data.base_model == in_metadata
    assert in_text in card and str(tmp_path) not in card


def test_a_dataset_that_is_not_known_is_named_as_it_is(classifier):
    card = card_of(classifier, ModelFacts(dataset="Our faces", figures=FIGURES))
    assert "Training data: Our faces has its own terms." in card
    result = ModelCard(card).data.eval_results[0]
    assert (result.dataset_name, result.dataset_type) == ("Our faces", "our-faces")
    assert ModelCard(card_of(classifier, ModelFacts(figures=FIGURES))).data.eval_results[0].dataset_name == "unknown"


def test_metadata_can_be_given(classifier):
    options = {"language": "en", "license": "cc-by-4.0", "tags": ["mine"], "model_name": "named", "datasets": None}
    data = ModelCard(card_of(classifier, ModelFacts(figures=FIGURES), metadata=options)).data
    assert (data.language, data.license, data.model_name, data.tags[-1]) == ("en", "cc-by-4.0", "named", "mine")
    assert "named" not in card_of(classifier, metadata=options)  # which is the name of the figures alone


def test_our_own_card_is_replaced_whole(classifier):
    assert write_model_card(classifier, ModelFacts(dataset="dfew"))
    assert write_model_card(classifier, ModelFacts(dataset="mafw", figures=FIGURES))
    card = (classifier / "README.md").read_text()
    headings = re.findall(r"^#+ .*", card, re.MULTILINE)
    assert len(headings) == len(set(headings)) and "DFEW" not in card and "MAFW" in card


@pytest.mark.parametrize(
    "edit",
    [
        lambda card: card.replace("for research", "for my research").encode(),
        lambda card: card.replace("library_name: transformers", "library_name: transformers\nlicense: mit").encode(),
        lambda card: (card + "\nA word of mine.\n").encode(),
        lambda card: b"# A card of another hand\n",
        lambda card: b"\xff\xfe not UTF-8",
        lambda card: b"",
    ],
    ids=["body", "metadata", "appended", "foreign", "not UTF-8", "empty"],
)
def test_an_edited_card_is_not_replaced(edit, classifier, caplog):
    edited = edit(card_of(classifier))
    (classifier / "README.md").write_bytes(edited)
    assert not write_model_card(classifier, ModelFacts(dataset="dfew"))
    assert (classifier / "README.md").read_bytes() == edited
    assert "README.md was edited or written by somebody else" in caplog.text
    assert card_for_repository(classifier, "someone/model") is None


def test_other_line_ends_are_no_edit(classifier):
    card = card_of(classifier)
    (classifier / "README.md").write_bytes(card.replace("\n", "\r\n").encode())
    assert write_model_card(classifier, ModelFacts(dataset="dfew"))


def test_a_card_for_a_repository_differs_in_its_example_alone(classifier):
    card = card_of(classifier, ModelFacts(dataset="dfew", figures=FIGURES))
    uploaded = card_for_repository(classifier, "someone/model")
    assert example_in(uploaded) == example_in(card).replace('model="classifier"', 'model="someone/model"')
    assert is_as_written(uploaded)
    without_digest = [re.sub(r"digest \w+", "", text).replace(example_in(text), "") for text in (card, uploaded)]
    assert without_digest[0] == without_digest[1]


def test_a_model_without_a_card_gets_one_for_its_repository(classifier):
    card = card_for_repository(classifier, "someone/model")
    assert '"someone/model"' in example_in(card) and not (classifier / "README.md").exists()
    assert yaml.safe_load(card.split("---")[1])["pipeline_tag"] == "video-classification"


def test_there_is_no_card_of_no_model(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"has no config\.json"):
        write_model_card(tmp_path, ModelFacts())
