"""Download of released models, from a Google Drive on this machine."""

import hashlib
import io
import socket
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
import torch
from huggingface_hub import constants
from transformers import AutoModelForVideoClassification

import lgi_former
from lgi_former import download
from lgi_former.commands.cli import main
from lgi_former.conversion import DownloadError, model_cache, model_folder, released_models
from lgi_former.conversion.published_names import classifier_names, to_published
from lgi_former.conversion.released_models import likely_release
from lgi_former.image_processing.decoding.web_files import MAX_BYTES, MAX_SECONDS
from lgi_former.training.run.arguments import ModelArguments
from lgi_former.training.run.starting_model import load_model_to_finetune


NAME = "mae-dfer-dfew-fold5"


@pytest.fixture
def drive(tmp_path, monkeypatch, load_module):
    """A Google Drive without files, and an empty cache."""
    monkeypatch.setattr(constants, "HF_HOME", str(tmp_path / "cache"))
    with load_module(Path(__file__).with_name("loopback_drive.py")).LoopbackDrive(tmp_path) as drive:
        for name, value in drive.environment.items():
            monkeypatch.setenv(name, value)
        yield drive


@pytest.fixture(scope="module")
def checkpoint():
    """Bytes of a small fine-tuned checkpoint of seven classes, for clips of the published size."""
    config = lgi_former.LGIFormerConfig(
        hidden_size=64, num_attention_heads=1, num_hidden_layers=1, intermediate_size=64, num_labels=7
    )
    model = lgi_former.LGIFormerForVideoClassification(config)
    weights = to_published(model.state_dict(), classifier_names(config), {})
    weights["patch_embed.proj.weight"] = weights["patch_embed.proj.weight"].reshape(64, 3, 2, 16, 16)
    file = io.BytesIO()
    torch.save({"model": weights, "optimizer": {"state": torch.zeros(2**19)}}, file)
    return file.getvalue()


def drive_id(name=NAME):
    return released_models()[name].drive_id


@pytest.mark.parametrize("is_large", [False, True])
def test_a_released_model_is_downloaded_once_and_loads(is_large, drive, checkpoint):
    drive.files[drive_id()] = checkpoint
    drive.large |= {drive_id()} if is_large else set()
    folder = download(NAME)
    model = AutoModelForVideoClassification.from_pretrained(folder)
    assert model.config.id2label[0] == "happy"
    requests = len(drive.requests)
    assert download(NAME) == folder and len(drive.requests) == requests
    assert [path.name for path in folder.parent.glob("*.pth*")] == []


def test_the_card_has_figures_checksum_and_licence(drive, checkpoint):
    drive.files[drive_id()] = checkpoint
    card = (download(NAME) / "README.md").read_text()
    assert "UAR 65.42 %, WAR 75.81 %" in card and "fold 5" in card
    assert hashlib.sha256(checkpoint).hexdigest() in card
    assert "MIT License" in card and released_models()[NAME].link in card and "@inproceedings{sun2023mae" in card


@pytest.mark.parametrize(
    ("variable", "value", "problem"), [(MAX_BYTES, "1e6", "1000000 bytes"), (MAX_SECONDS, "1e-9", "1e-09 seconds")]
)
def test_a_download_has_limits(variable, value, problem, drive, checkpoint, monkeypatch):
    drive.files[drive_id()] = checkpoint
    monkeypatch.setenv(variable, value)
    with pytest.raises(DownloadError, match=f"{NAME} was stopped: it .* {problem}. Set {variable}"):
        download(NAME)


def test_an_interrupted_download_resumes(drive, checkpoint, monkeypatch):
    monkeypatch.setattr("lgi_former.conversion.model_cache.RETRIES", 0)
    drive.files[drive_id()], drive.cuts[drive_id()] = checkpoint, 2**20  # gdown stores pieces of 512 KiB
    with pytest.raises(DownloadError, match="Run the command again") as error:
        download(NAME)
    assert "cannot be reached" not in str(error.value)
    assert not Path(constants.HF_HOME, "lgi_former", NAME).exists()
    assert download(NAME).is_dir()
    assert drive.requests[-1][1] is not None  # a Range header


@pytest.mark.parametrize("moment", ["convert_checkpoint", "sync_folder"])
def test_a_killed_download_leaves_nothing_behind(moment, drive, checkpoint, monkeypatch):
    def die(*args, **kwargs):
        raise KeyboardInterrupt

    drive.files[drive_id()] = checkpoint
    with monkeypatch.context() as killed:
        killed.setattr(model_cache, moment, die)
        killed.setattr("shutil.rmtree", lambda *args, **kwargs: None)  # a killed process deletes nothing
        with pytest.raises(KeyboardInterrupt):
            download(NAME)
    folder = download(NAME)
    assert {path.name for path in folder.parent.iterdir()} == {NAME, f"{NAME}.lock"}


@pytest.mark.parametrize(
    ("proxy", "failure"),
    [
        ("http://127.0.0.1:1", None),  # nothing listens there
        ("", socket.gaierror(-2, "Name or service not known")),
        ("", ConnectionRefusedError(111, "Connection refused")),
        ("", TimeoutError("timed out")),
    ],
    ids=["proxy", "name", "refused", "timeout"],
)
@pytest.mark.parametrize("retries", [0, 1])
def test_without_a_network_the_error_is_plain_and_names_the_next_step(proxy, failure, retries, drive, monkeypatch):
    def fail(*args, **kwargs):
        raise failure

    monkeypatch.setattr("lgi_former.conversion.model_cache.RETRIES", retries)
    monkeypatch.setattr("random.uniform", lambda *bounds: 0.0)  # gdown waits so long before it tries again
    monkeypatch.setenv("HTTPS_PROXY", proxy)
    if failure is not None:
        monkeypatch.setattr("urllib3.util.connection.create_connection", fail)
    with pytest.raises(DownloadError) as error:
        download(NAME)
    assert f"{NAME} failed: drive.google.com cannot be reached. Check the network" in str(error.value)
    assert "HTTPSConnectionPool" not in str(error.value) and "lgi-former convert FILE" in str(error.value)


def test_a_certificate_that_is_not_accepted_is_named(drive, monkeypatch):
    monkeypatch.delenv("REQUESTS_CA_BUNDLE")
    with pytest.raises(DownloadError, match=r"certificate of drive\.google\.com is not accepted"):
        download(NAME)


def test_a_refusal_names_link_and_next_command(drive):
    with pytest.raises(DownloadError) as error:
        download(NAME)
    message = str(error.value)
    assert "Too many users have viewed" in message
    assert released_models()[NAME].link in message and "lgi-former convert FILE" in message


def test_a_page_instead_of_the_file_is_refused_and_deleted(drive, tmp_path):
    drive.pages.add(drive_id())
    with pytest.raises(DownloadError, match="something else than a checkpoint"):
        download(NAME)
    assert list((tmp_path / "cache" / "lgi_former").glob("*.pth*")) == []


def test_a_file_of_another_model_is_refused(drive, tmp_path):
    file = io.BytesIO()
    torch.save({"model": {"layer1.weight": torch.zeros(2)}}, file)
    drive.files[drive_id()] = file.getvalue()
    with pytest.raises(ValueError, match="contains no LGI-Former"):
        download(NAME)
    assert not (tmp_path / "cache" / "lgi_former" / NAME).exists()


def test_two_callers_download_once(drive, checkpoint):
    drive.files[drive_id()] = checkpoint
    with ThreadPoolExecutor(2) as pool:
        folders = set(pool.map(download, [NAME, NAME]))
    assert len(folders) == 1 and len(drive.requests) == 1


def test_offline_nothing_is_asked(drive, monkeypatch):
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    with pytest.raises(DownloadError, match="HF_HUB_OFFLINE"):
        download(NAME)
    assert drive.requests == []


def test_an_unknown_name_gets_a_suggestion():
    with pytest.raises(ValueError, match="did you mean mae-dfer-dfew-fold5"):
        download("mae-dfer-dfew-fold55")


def test_a_local_folder_of_that_name_wins(drive, tmp_path, monkeypatch):
    (tmp_path / NAME).mkdir()
    monkeypatch.chdir(tmp_path)
    assert model_folder(NAME) == NAME and drive.requests == []


def test_every_released_model_is_described():
    models = released_models()
    assert len(models) == len({model.drive_id for model in models.values()}) == 13
    assert sum(model.kind == "fine-tuned" for model in models.values()) == 11
    for model in models.values():
        if model.family == "lgi_former" and model.kind == "fine-tuned":
            fold = "" if model.fold is None else f"/split0{model.fold}"
            options = {"data_set": model.corpus.upper(), "data_path": f"./saved/data/{model.corpus}/org{fold}"}
            assert likely_release("lgi_former", "classification", options) == model
    assert likely_release("lgi_former", "classification", {"data_set": "DFEW", "data_path": "/my/clips"}) is None


def test_the_command_lists_and_downloads(drive, checkpoint, capsys):
    assert main(["download"]) == 0
    listed = capsys.readouterr().out
    assert all(name in listed for name in released_models()) and "65.42" in listed and "MIT" in listed
    drive.files[drive_id()] = checkpoint
    assert main(["download", NAME]) == 0
    output, note = capsys.readouterr()
    assert Path(output.strip(), "config.json").is_file()
    assert f"--model {NAME}" in note and "Google" not in output


@pytest.mark.parametrize(
    "command",
    [
        ["embed", "a.mp4", "--output", "a.npy", "--model", NAME],
        ["reconstruct", "a.mp4", "--output", "a.png", "--model", NAME],
        ["evaluate", "--data", "test.csv", "--model", NAME],
        ["predict", "a.mp4", "--no_crop_faces", "--model", NAME],
        ["visualize", "attention", "a.mp4", "--output", "a.png", "--model", NAME],
        ["demo", "--model", NAME],
    ],
)
def test_commands_take_the_name_of_a_released_model(command, drive, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    assert main(command) == 2
    assert "Google Drive refuses mae-dfer-dfew-fold5" in capsys.readouterr().err
    assert f"id={drive_id()}" in drive.requests[0][0]


def test_training_starts_from_a_released_model(drive, checkpoint):
    drive.files[drive_id()] = checkpoint
    start = load_model_to_finetune(ModelArguments(model_name_or_path=NAME), ["calm", "angry"])
    assert start.model.config.num_hidden_layers == 1 and start.sampling_rate == 4
