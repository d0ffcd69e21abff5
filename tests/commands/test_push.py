"""`lgi-former push`: uploaded files, the example of the uploaded card, and errors in one sentence."""

import json
import re

import pytest
import torch
from huggingface_hub.errors import HfHubHTTPError, Response
from transformers import AutoConfig, AutoModelForVideoClassification

from lgi_former import LGIFormerForVideoClassification, hub
from lgi_former.commands.cli import main
from lgi_former.hub.upload import reason
from lgi_former.training.quickstart.sample_clip import write_sample_clip


MODEL_FILES = {"README.md", "config.json", "model.safetensors", "video_preprocessor_config.json"}
NOT_UPLOADED = ["training_args.bin", "trainer_state.json", "predictions.csv", "checkpoint-1/optimizer.pt"]


@pytest.fixture
def model_dir(save_tiny_model, tmp_path):
    """The folder of a run: a model that was saved without code, and private files."""
    folder = tmp_path / "finetuned"
    save_tiny_model(LGIFormerForVideoClassification, folder, ["happy", "sad", "neutral"], save_code=False)
    (folder / "checkpoint-1").mkdir()
    for name in NOT_UPLOADED:
        (folder / name).write_text("private")
    return folder


def push(*arguments):
    return main(["push", *map(str, arguments)])


def test_only_the_model_is_uploaded_in_one_commit(model_dir, on_loopback, capsys):
    before = {path: path.read_bytes() for path in model_dir.rglob("*") if path.is_file()}
    assert push(model_dir, "someone/one-commit") == 0
    files = on_loopback.files("someone/one-commit")
    assert files.keys() == MODEL_FILES | hub.all_flat_code().keys()
    assert all("auto_map" in json.loads(files[name]) for name in MODEL_FILES if name.endswith(".json"))
    assert len(on_loopback.repositories["someone/one-commit"].messages) == 2  # creation and upload
    assert files["model.safetensors"] == (model_dir / "model.safetensors").read_bytes()
    output = capsys.readouterr()
    assert output.err == "Next: lgi-former predict VIDEO --model someone/one-commit\n"
    shown = output.out
    assert all(re.search(rf"^ +{re.escape(name)} +[\d.]+ (bytes|kB)", shown, re.MULTILINE) for name in files)
    assert f"{len(files)} files" in shown and f"Uploaded: {on_loopback.url}/someone/one-commit" in shown
    assert {path: path.read_bytes() for path in model_dir.rglob("*") if path.is_file()} == before


def test_missing_code_is_uploaded_too(model_dir, on_loopback):
    model = LGIFormerForVideoClassification.from_pretrained(model_dir)
    model.save_pretrained(model_dir)
    (model_dir / "modeling_lgi_former.py").unlink()
    assert push(model_dir, "someone/whole-code") == 0
    assert on_loopback.files("someone/whole-code").keys() == MODEL_FILES | hub.all_flat_code().keys()


def test_the_example_of_the_uploaded_card_runs(model_dir, on_loopback, tmp_path, monkeypatch, capsys):
    assert push(model_dir, "someone/example", "--private") == 0
    assert on_loopback.repositories["someone/example"].private
    capsys.readouterr()
    repository = tmp_path / "someone" / "example"  # Transformers finds it without a download
    repository.mkdir(parents=True)
    for name, content in on_loopback.files("someone/example").items():
        (repository / name).write_bytes(content)
    write_sample_clip(tmp_path / "face.mp4")
    monkeypatch.chdir(tmp_path)
    (example,) = re.findall(
        r"^```python\n(.*?)^```$", (repository / "README.md").read_text(), re.DOTALL | re.MULTILINE
    )
    exec(example, {})
    assert {score["label"] for score in eval(capsys.readouterr().out)} == {"happy", "sad", "neutral"}


def test_an_edited_card_is_uploaded_unchanged(model_dir, on_loopback):
    (model_dir / "README.md").write_text("---\nlicense: mit\n---\nMine.\n")
    assert push(model_dir, "someone/edited") == 0
    assert on_loopback.files("someone/edited")["README.md"] == b"---\nlicense: mit\n---\nMine.\n"


@pytest.mark.parametrize(("answer", "status"), [("y", 0), ("n", 2)])
def test_the_command_asks_on_a_terminal(answer, status, model_dir, on_loopback, monkeypatch, capsys):
    monkeypatch.setattr("sys.stdin.isatty", lambda: True)
    monkeypatch.setattr("builtins.input", lambda *args: answer)
    repo_id = f"someone/answered-{answer}"
    assert push(model_dir, repo_id) == status
    assert (repo_id in on_loopback.repositories) == (answer == "y")
    assert f"Upload to {repo_id}?" in capsys.readouterr().out
    assert push(model_dir, repo_id, "--yes") == 0


def test_no_answer_means_no(model_dir, on_loopback, monkeypatch):
    def end_of_input(*args):
        raise EOFError

    monkeypatch.setattr("sys.stdin.isatty", lambda: True)
    monkeypatch.setattr("builtins.input", end_of_input)
    assert push(model_dir, "someone/unanswered") == 2
    assert "someone/unanswered" not in on_loopback.repositories


def test_a_missing_processor_is_reported(model_dir, on_loopback, capsys):
    (model_dir / "video_preprocessor_config.json").unlink()
    assert push(model_dir, "someone/no-processor") == 0
    assert "there is no video processor with it" in capsys.readouterr().err


def test_a_private_upload_to_a_public_repository_is_refused(model_dir, on_loopback, capsys):
    assert push(model_dir, "someone/public") == 0
    (model_dir / "README.md").write_text("secret")
    assert push(model_dir, "someone/public", "--private") == 2
    assert "cannot upload to someone/public: it already exists and is public" in capsys.readouterr().err
    assert b"secret" not in on_loopback.files("someone/public")["README.md"]


@pytest.mark.parametrize(
    ("break_it", "repo_id", "message"),
    [
        (lambda folder: None, "model", "'model' does not name the owner of the repository: write USER/NAME"),
        (lambda folder: None, "a/b/c", "'a/b/c' cannot be the name of a repository: "),
        (lambda folder: None, "someone/a b", "'someone/a b' cannot be the name of a repository: "),
        (
            lambda folder: (folder / "config.json").unlink(),
            "someone/x",
            "is not a model's directory: it has no config",
        ),
        (lambda folder: (folder / "model.safetensors").unlink(), "someone/x", "has no weights to upload"),
        (lambda folder: folder.rename(folder.with_name("moved")), "someone/x", "is not a directory"),
        (lambda folder: (folder / "config.json").write_text("{"), "someone/x", "config.json cannot be read: "),
        (
            lambda folder: (folder / "adapter_config.json").write_text('{"base_model_name_or_path": "/home/me"}'),
            "someone/x",
            "names the adapter's base model by its path on this machine, '/home/me'",
        ),
        (
            lambda folder: (folder / "model.safetensors.index.json").write_text("{}"),
            "someone/x",
            "has two sets of weights, model.safetensors and model.safetensors.index.json",
        ),
    ],
)
def test_a_wrong_model_or_name_is_an_error_before_any_request(
    break_it, repo_id, message, model_dir, on_loopback, capsys
):
    asked = len(on_loopback.requests)
    break_it(model_dir)
    assert push(model_dir, repo_id) == 2
    error = capsys.readouterr().err
    assert error.startswith("lgi-former: ") and message in error and error.count("\n") == 1
    assert len(on_loopback.requests) == asked


@pytest.mark.parametrize(
    ("constant", "token", "message"),
    [
        ({}, "", "you are not logged in to the Hub. Run `hf auth login`, or set HF_TOKEN."),
        ({}, "hf_wrong", "the Hub does not know your token."),
        ({"ENDPOINT": "http://127.0.0.1:9"}, "hf_any", "the Hub cannot be reached"),
        ({"HF_HUB_OFFLINE": True}, "hf_any", "HF_HUB_OFFLINE is set."),
    ],
    ids=["no token", "wrong token", "no network", "offline"],
)
def test_a_failed_connection_is_an_error(constant, token, message, model_dir, on_loopback, monkeypatch, capsys):
    monkeypatch.setenv("HF_TOKEN", token)
    monkeypatch.setattr("huggingface_hub.constants.HF_TOKEN_PATH", str(model_dir / "no_token"))
    for name, value in constant.items():
        monkeypatch.setattr(f"huggingface_hub.constants.{name}", value)
    assert push(model_dir, "someone/refused") == 2
    error = capsys.readouterr().err
    assert error.startswith("lgi-former: ") and message in error and error.count("\n") == 1
    assert "someone/refused" not in on_loopback.repositories


@pytest.mark.parametrize(
    ("status", "message"), [(403, "your token has no permission"), (500, "Internal error"), (413, "Too large")]
)
def test_the_answer_of_the_hub_is_the_reason(status, message):
    error = HfHubHTTPError(f"{message}\nand more", response=Response(status, request=object()))
    assert reason(error).startswith(message) and "more" not in reason(error)


@pytest.mark.parametrize("options", [["someone/branches@trial/1"], ["someone/branches", "--revision", "trial/1"]])
def test_a_branch_is_created_and_gets_the_model(options, model_dir, on_loopback, capsys):
    assert push(model_dir, *options) == 0
    assert "model.safetensors" in on_loopback.files("someone/branches", "trial/1")
    assert "model.safetensors" not in on_loopback.files("someone/branches")
    card = on_loopback.files("someone/branches", "trial/1")["README.md"].decode()
    assert 'model="someone/branches", revision="trial/1", trust_remote_code=True' in card
    assert "--model someone/branches@trial/1" in capsys.readouterr().err
    assert push(model_dir, *options) == 0, "the branch exists"
    del on_loopback.repositories["someone/branches"]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["someone/x@"], "The revision of 'someone/x' is empty"),
        (["someone/x@a", "--revision", "b"], "'someone/x@a' names a revision, but the other revision 'b' is given"),
        (["someone/x", "--revision", "0" * 40], "nobody can upload to the commit 000"),
        (["x@main"], "'x' does not name the owner"),
    ],
)
def test_a_wrong_branch_is_refused(options, message, model_dir, on_loopback, capsys):
    assert push(model_dir, *options) == 2
    assert message in capsys.readouterr().err and "someone/x" not in on_loopback.repositories


@pytest.mark.parametrize("size", ["5GB", "20KB"])
def test_variants_of_the_weights_are_uploaded(size, model_dir, on_loopback, capsys):
    (model_dir / "model.safetensors").unlink()
    model = LGIFormerForVideoClassification(AutoConfig.from_pretrained(model_dir))
    model.save_pretrained(model_dir, variant="fp16", max_shard_size=size)
    weights = {path.name for path in model_dir.iterdir() if path.name.startswith("model.")}
    assert len(weights) == 1 if size == "5GB" else len(weights) > 2
    repository = f"someone/weights-{size.lower()}"
    assert push(model_dir, repository) == 0
    assert "pass variant='fp16' to from_pretrained" in capsys.readouterr().err
    assert weights <= on_loopback.files(repository).keys()
    loaded = AutoModelForVideoClassification.from_pretrained(model_dir, variant="fp16")
    torch.testing.assert_close(loaded.state_dict(), model.state_dict())
    assert main(["predict", "--sample", "--model", str(model_dir)]) == 2
    assert "has only weights of the variant 'fp16'" in capsys.readouterr().err
    model.save_pretrained(model_dir)
    assert push(model_dir, repository) == 0
    assert "pass variant" not in capsys.readouterr().err
    (model_dir / "model.fp16.safetensors").touch()
    (model_dir / "model.safetensors.index.fp16.json").touch()
    assert push(model_dir, repository) == 2
    assert "two sets of weights, model.fp16.safetensors and model.safetensors.index.fp16" in capsys.readouterr().err
