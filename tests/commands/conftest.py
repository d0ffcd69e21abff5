import pytest

from lgi_former import LGIFormerForPreTraining, LGIFormerForVideoClassification
from lgi_former.training.quickstart.sample_clip import write_sample_clip


LABELS = ("happy", "sad", "neutral")


@pytest.fixture(scope="session")
def pretrained(tmp_path_factory, save_tiny_model):
    folder = tmp_path_factory.mktemp("pretrained")
    save_tiny_model(LGIFormerForPreTraining, folder, LABELS)
    return str(folder)


@pytest.fixture(scope="session")
def finetuned(tmp_path_factory, save_tiny_model):
    folder = tmp_path_factory.mktemp("finetuned")
    save_tiny_model(LGIFormerForVideoClassification, folder, LABELS)
    return str(folder)


@pytest.fixture(scope="session")
def video(tmp_path_factory):
    return str(write_sample_clip(tmp_path_factory.mktemp("videos") / "face.mp4"))


@pytest.fixture
def error_line(capsys):
    """Returns the message on stderr, which must be one line."""

    def read():
        message = capsys.readouterr().err
        assert message.startswith("lgi-former: ")
        assert message.count("\n") == 1
        return message

    return read
