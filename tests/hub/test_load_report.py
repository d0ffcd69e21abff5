"""Loading logs one sentence about weights that differ, not the table of Transformers."""

import logging

import pytest
from transformers import AutoModel, AutoModelForVideoClassification
from transformers.utils import logging as transformers_logging

from lgi_former import LGIFormerForPreTraining, LGIFormerForVideoClassification
from lgi_former.hub.loading import load_config, load_weights


@pytest.fixture
def logged(caplog, monkeypatch):
    """Returns what Transformers and this package logged."""
    verbosity = transformers_logging.get_verbosity()
    transformers_logging.set_verbosity_warning()
    monkeypatch.setattr(logging.getLogger("transformers"), "propagate", True)
    yield lambda: [record.getMessage() for record in caplog.records]
    transformers_logging.set_verbosity(verbosity)


@pytest.mark.parametrize(
    ("saved", "auto_class", "sentence"),
    [
        (
            LGIFormerForPreTraining,
            AutoModelForVideoClassification,
            "new and untrained: classifier, pooler; not used: decoder, layernorm",
        ),
        (LGIFormerForVideoClassification, AutoModel, "not used: classifier"),
        (LGIFormerForVideoClassification, AutoModelForVideoClassification, None),
    ],
)
def test_differences_are_one_sentence(saved, auto_class, sentence, save_tiny_model, tmp_path, logged):
    save_tiny_model(saved, tmp_path, ["happy", "sad"])
    load_weights(auto_class, str(tmp_path), load_config(tmp_path))
    messages = [message for message in logged() if "Load" in message or "LOAD" in message]
    assert messages == ([] if sentence is None else [f"Loaded '{tmp_path}' ({sentence})."])


def test_commands_are_silent(save_tiny_model, tmp_path, logged):
    transformers_logging.set_verbosity_error()  # as `silence_libraries` does
    save_tiny_model(LGIFormerForVideoClassification, tmp_path, ["happy", "sad"])
    load_weights(AutoModel, str(tmp_path), load_config(tmp_path))
    assert not any("Load" in message for message in logged())


def test_the_report_of_other_loading_stays(save_tiny_model, tmp_path, logged):
    save_tiny_model(LGIFormerForPreTraining, tmp_path, ["happy", "sad"])
    load_weights(AutoModel, str(tmp_path), load_config(tmp_path))
    LGIFormerForVideoClassification.from_pretrained(tmp_path)
    assert sum("LOAD REPORT" in message for message in logged()) == 1
