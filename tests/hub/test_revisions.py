"""Revisions of models on the Hub: branches, tags and commits, behind an `@` or as `--revision`."""

import json
from pathlib import Path

import huggingface_hub
import pytest
import torch
from packaging import version

from lgi_former import LGIFormerForPreTraining, LGIFormerForVideoClassification
from lgi_former.commands.cli import main
from lgi_former.conversion import model_folder
from lgi_former.hub.loading import load_autoencoder, load_classifier, load_config, load_encoder
from lgi_former.hub.model_card import ModelFacts
from lgi_former.hub.model_names import split_revision
from lgi_former.inference.demo import UploadLimits, export_space
from lgi_former.inference.demo.launch import load_demo
from lgi_former.training.run.arguments import ModelArguments, RecipeTrainingArguments
from lgi_former.training.run.lifecycle import check_output_dir
from lgi_former.training.run.starting_commit import pin_starting_model, record_starting_model
from lgi_former.training.run.starting_model import load_model_to_finetune


NAME = "someone/revised"
PREDICT = ["predict", "--sample", "--device", "cpu"]
COMMANDS = {
    "predict": [*PREDICT, "--model"],
    "embed": ["embed", "video.mp4", "--output", "a.npy", "--model"],
    "evaluate": ["evaluate", "--data", "videos", "--use_cpu", "true", "--model"],
    "reconstruct": ["reconstruct", "video.mp4", "--output", "a.png", "--model"],
    "visualize attention": ["visualize", "attention", "video.mp4", "--output", "a.png", "--model"],
    "visualize embeddings": ["visualize", "embeddings", "evaluated", "--output", "a.png", "--model"],
    "demo": ["demo", "--model"],
    "finetune": ["finetune", "--train_data", "videos", "--output_dir", "run", "--model_name_or_path"],
    "pretrain": ["pretrain", "--train_data", "videos", "--output_dir", "run", "--model_name_or_path"],
}
"""Words of each command that loads a model. The name of the model follows."""


def files_of(folder):
    return {path.name: path.read_bytes() for path in folder.iterdir()}


@pytest.fixture
def repository(on_loopback, save_tiny_model, tmp_path, monkeypatch):
    """A repository with two commits. The first is the branch `old/one` and the tag `v1`, the second is `main`."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path / "cache"))
    template = f"{on_loopback.url}/{{repo_id}}/resolve/{{revision}}/{{filename}}"
    monkeypatch.setattr("huggingface_hub.constants.HUGGINGFACE_CO_URL_TEMPLATE", template)
    for labels in (["first", "a"], ["second", "b"]):
        save_tiny_model(LGIFormerForVideoClassification, tmp_path / labels[0], labels, save_code=False)
    on_loopback.add(NAME, files_of(tmp_path / "first"))
    stored = on_loopback.repositories[NAME]
    stored.refs |= dict.fromkeys(("old/one", "v1"), stored.refs["main"])
    stored.commit("main", files_of(tmp_path / "second"), "second")
    return stored


@pytest.fixture
def videos(tmp_path, load_module):
    """Folder `videos` with two classes, the folder `evaluated` of an evaluation, and `video.mp4`."""
    corpus = load_module(Path(__file__).parents[1] / "training" / "rough_corpus.py")
    for label, grey in {"dark": 40, "light": 200}.items():
        (tmp_path / "videos" / label).mkdir(parents=True)
        for number in range(2):
            corpus.write_clip(tmp_path / "videos" / label / f"{number}.mp4", grey=grey, count=4)
    (tmp_path / "evaluated").mkdir()
    rows = "path,label,prediction,probability_dark,probability_light\nvideos/dark/0.mp4,dark,dark,1.0,0.0\n"
    (tmp_path / "evaluated" / "predictions.csv").write_text(rows)
    corpus.write_clip(tmp_path / "video.mp4")


def first_label(model):
    return model.config.id2label[0]


def test_a_branch_a_tag_and_a_commit_load(repository):
    commit = repository.refs["v1"]
    for revision in ("old/one", "v1", commit):
        assert first_label(load_classifier(NAME, "cpu", revision)[0]) == "first"
        assert first_label(load_classifier(f"{NAME}@{revision}", "cpu")[0]) == "first"
        assert load_config(NAME, revision).id2label[0] == load_config(f"{NAME}@{revision}").id2label[0] == "first"
    assert first_label(load_classifier(NAME, "cpu")[0]) == "second"
    assert first_label(load_encoder(NAME, "cpu", "v1")[0]) == "first"


def test_weights_and_processor_are_of_the_revision_too(repository, on_loopback):
    files = dict(on_loopback.files(NAME))
    torch.manual_seed(1)
    model = LGIFormerForVideoClassification(load_config(NAME))
    model.save_pretrained("third", save_code=False)
    settings = json.loads(files["video_preprocessor_config.json"]) | {"sampling_rate": 7}
    files["video_preprocessor_config.json"] = json.dumps(settings).encode()
    files["model.safetensors"] = Path("third/model.safetensors").read_bytes()
    repository.commit("main", files, "third")
    old, new = (load_classifier(NAME, "cpu", revision) for revision in ("v1", "main"))
    assert new[1].sampling_rate == 7 != old[1].sampling_rate
    torch.testing.assert_close(new[0].state_dict(), model.state_dict())
    assert not torch.equal(
        old[0].lgi_former.embeddings.projection.weight, model.lgi_former.embeddings.projection.weight
    )


@pytest.mark.parametrize("options", [[f"{NAME}@v1"], [NAME, "--revision", "v1"], [f"{NAME}@v1", "--revision", "v1"]])
def test_predictions_are_those_of_the_revision(options, repository, capsys):
    assert main([*PREDICT, "--json", "--model", *options]) == 0
    assert "first" in json.loads(capsys.readouterr().out)["scores"]


def test_the_revision_is_exported(repository, tmp_path, capsys):
    assert main(["export", NAME, str(tmp_path / "out"), "--format", "torch", "--revision", "v1"]) == 0
    assert "first" in json.loads((tmp_path / "out" / "preprocessing.json").read_text())["labels"]
    assert main(["export", NAME, str(tmp_path / "other"), "--revision", "v9"]) == 2
    assert f"The model '{NAME}' has no revision 'v9' on the Hub." in capsys.readouterr().err


def test_all_parts_of_an_export_are_of_one_commit(repository, tmp_path, monkeypatch):
    """The branch moves between the configuration and the weights."""

    def load_and_move(*arguments):
        config = load_config(*arguments)
        repository.refs["old/one"] = repository.refs["main"]
        return config

    monkeypatch.setattr("lgi_former.export.source.load_config", load_and_move)
    assert main(["export", f"{NAME}@old/one", str(tmp_path / "out"), "--format", "torch"]) == 0
    assert "first" in json.loads((tmp_path / "out" / "preprocessing.json").read_text())["labels"]


@pytest.mark.parametrize("command", COMMANDS)
def test_an_unknown_revision_is_named(command, repository, videos, capsys):
    for options in ([f"{NAME}@v9"], [NAME, "--revision", "v9"]):
        assert main([*COMMANDS[command], *options]) == 2
        error = capsys.readouterr().err
        assert f"The model '{NAME}' has no revision 'v9' on the Hub." in error and "Traceback" not in error


@pytest.mark.parametrize("command", COMMANDS)
def test_a_local_folder_has_no_revision(command, repository, videos, capsys):
    assert main([*COMMANDS[command], "first", "--revision", "v1"]) == 2
    assert "'first' is a folder here. It has no revision 'v1'" in capsys.readouterr().err


def test_released_and_converted_models_have_no_revision(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for options in (["mae-dfer-ferv39k@v1"], ["mae-dfer-ferv39k", "v1"], ["mae-dfer-ferv39k@"]):
        with pytest.raises(ValueError, match=r"^mae-dfer-ferv39k is a released model\. It has no revision"):
            model_folder(*options)
    (tmp_path / "a.pth").touch()
    for options in (["a.pth@v1"], ["a.pth", "v1"]):
        with pytest.raises(ValueError, match=r"'a\.pth' is a file here"):
            load_model_to_finetune(ModelArguments(*options), ["a", "b"])


def test_a_local_name_may_have_an_at_sign(save_tiny_model, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    for folder in ("run@2", "runs/best@v1", "a@b/c"):
        save_tiny_model(LGIFormerForVideoClassification, tmp_path / folder, ["x", "y"], save_code=False)
        assert model_folder(folder) == folder
        assert load_classifier(folder, "cpu")[0].config.id2label[0] == "x"
    with pytest.raises(ValueError, match=r"'a@b/c' is a folder here\. It has no revision 'v1'"):
        load_classifier("a@b/c@v1", "cpu")
    assert main([*PREDICT, "--model", "run@3"]) == 2
    assert "There is no folder 'run@3'; did you mean run@2?" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("name", "revision", "message"),
    [
        ("a/b@", None, "The revision of 'a/b' is empty"),
        ("a/b", "", "The revision of 'a/b' is empty"),
        ("a/b@v1", "v2", "'a/b@v1' names a revision, but the other revision 'v2' is given"),
    ],
)
def test_wrong_revisions_are_refused(name, revision, message):
    with pytest.raises(ValueError, match=message):
        split_revision(name, revision)


def test_names_are_split_at_the_first_at_sign():
    assert split_revision("a/b@refs/pr/1") == ("a/b", "refs/pr/1")
    assert split_revision("a/b@v1@2") == ("a/b", "v1@2")
    assert split_revision("a/b") == ("a/b", None)
    assert split_revision("no-owner@v1") == ("no-owner@v1", None)  # the Hub's models have owners here


@pytest.mark.skipif(
    version.parse(huggingface_hub.__version__) < version.parse("2"),
    reason="with huggingface_hub 1, Transformers asks each time for files that the repository does not have",
)
def test_a_loaded_model_is_not_asked_for_an_adapter_again(repository, on_loopback):
    """PEFT makes Transformers look for an adapter beside every model. The answer is in the cache of the commit."""

    def requests(load):
        before = len(on_loopback.requests)
        load()
        return [path for _, path in on_loopback.requests[before:]]

    first = requests(lambda: load_classifier(NAME, "cpu"))
    assert sum(path.endswith("adapter_config.json") for path in first) <= 1
    again = requests(lambda: load_classifier(NAME, "cpu"))
    assert len(again) == 1, "only the commit of the branch may be asked for"
    assert requests(lambda: load_classifier(NAME, "cpu", repository.refs["main"])) == []


@pytest.mark.skipif(
    version.parse(huggingface_hub.__version__) < version.parse("2"),
    reason="with huggingface_hub 1, Transformers asks each time for files that the repository does not have",
)
def test_the_demo_asks_the_hub_once(repository, on_loopback):
    for name, requests in ((NAME, 1), (f"{NAME}@{repository.refs['main']}", 0)):
        load_classifier(name, "cpu")
        before = len(on_loopback.requests)
        demo = load_demo(name, UploadLimits(), "cpu", face_cropper=object())
        assert "second" in demo.labels
        assert len(on_loopback.requests[before:]) == requests


def test_the_revision_is_that_of_the_adapter_and_not_of_its_base(repository, on_loopback, tmp_path):
    peft = pytest.importorskip("peft")
    base = LGIFormerForVideoClassification.from_pretrained(tmp_path / "first")
    model = peft.get_peft_model(base, peft.LoraConfig(target_modules=["q_proj"]))
    model.save_pretrained("adapter")
    base.config.save_pretrained("adapter", save_code=False)
    settings = json.loads((tmp_path / "adapter" / "adapter_config.json").read_text())
    processor = (tmp_path / "first" / "video_preprocessor_config.json").read_bytes()
    for name, fields in {"adapted": {}, "adapted-old": {"revision": "v1"}}.items():
        files = files_of(tmp_path / "adapter") | {"video_preprocessor_config.json": processor}
        files["adapter_config.json"] = json.dumps(settings | {"base_model_name_or_path": NAME} | fields).encode()
        on_loopback.add(f"someone/{name}", files)
        stored = on_loopback.repositories[f"someone/{name}"]
        stored.refs["mine"] = stored.refs["main"]
        stored.commit("main", {}, "removed")
        assert first_label(load_classifier(f"someone/{name}@mine", "cpu")[0]) == "first"
    del repository.refs["v1"]
    with pytest.raises(OSError, match="is an adapter of 'someone/revised', but this base model cannot be loaded"):
        load_classifier("someone/adapted-old@mine", "cpu")


def test_an_autoencoder_and_a_space_take_a_revision(repository, on_loopback, save_tiny_model, tmp_path):
    save_tiny_model(LGIFormerForPreTraining, tmp_path / "pretrained", ["a", "b"], save_code=False)
    repository.refs["pretrained"] = repository.commit("pretrained", files_of(tmp_path / "pretrained"), "pretrained")
    assert isinstance(load_autoencoder(NAME, "cpu", "pretrained")[0], LGIFormerForPreTraining)
    pytest.importorskip("gradio")
    export_space(f"{NAME}@pretrained", tmp_path / "space")
    assert f"launch_demo('{NAME}@pretrained', " in (tmp_path / "space" / "app.py").read_text()
    assert f"- {NAME}\n" in (tmp_path / "space" / "README.md").read_text()


def training_in(folder, **options):
    return RecipeTrainingArguments(output_dir=str(folder), use_cpu=True, bf16=False, report_to="none", **options)


def test_a_run_that_resumes_starts_from_the_same_commit(repository, tmp_path):
    training = training_in("run")
    started = pin_starting_model(ModelArguments(NAME), training)
    commit = repository.refs["main"]
    assert (started.model_name_or_path, started.revision) == (NAME, commit)
    record_starting_model(ModelFacts(base_model=NAME, base_revision=commit), training)
    repository.commit("main", repository.commits[repository.refs["v1"]], "moved")

    resumed = training_in("run", resume_from_checkpoint="true")
    assert pin_starting_model(ModelArguments(NAME), resumed).revision == commit
    assert pin_starting_model(ModelArguments(NAME, revision=commit), resumed).revision == commit
    assert pin_starting_model(ModelArguments(NAME), training).revision == repository.refs["main"] != commit
    for name, revision in ((NAME, "v1"), (f"{NAME}@v1", None)):
        with pytest.raises(ValueError, match=f"'run' started from the commit {commit} of {NAME}, but"):
            pin_starting_model(ModelArguments(name, revision=revision), resumed)
    local = ModelArguments(str(tmp_path / "first"))
    assert pin_starting_model(local, resumed) is local


def test_a_run_that_ended_early_can_be_started_again(tmp_path):
    training = training_in(tmp_path / "run")
    record_starting_model(ModelFacts(base_model=NAME, base_revision="c0ffee"), training)
    check_output_dir(training)
    record_starting_model(ModelFacts(base_model="my_model"), training)
    assert not (tmp_path / "run" / "starting_model.json").exists()  # a run that resumes must not take the old commit
    (tmp_path / "run" / "model.safetensors").touch()
    with pytest.raises(ValueError, match="is not empty"):
        check_output_dir(training)


def test_the_card_and_the_run_name_the_commit(repository, videos, tmp_path):
    options = ["--use_cpu", "true", "--bf16", "false", "--max_steps", "1", "--sampling_rate", "1"]
    options += ["--per_device_train_batch_size", "2", "--report_to", "none", "--disable_tqdm", "true"]
    assert main([*COMMANDS["finetune"], f"{NAME}@v1", *options]) == 0
    commit = repository.refs["v1"]
    assert json.loads((tmp_path / "run" / "starting_model.json").read_text()) == {"model": NAME, "commit": commit}
    card = (tmp_path / "run" / "README.md").read_text()
    assert f"base_model: {NAME}\n" in card
    assert f"({NAME}) (commit [{commit[:7]}](https://huggingface.co/{NAME}/tree/{commit}))".split("(", 1)[1] in card


def test_a_revision_needs_a_model():
    with pytest.raises(ValueError, match="--revision v1 needs a model on the Hub as --model_name_or_path"):
        ModelArguments(revision="v1")
