"""The help of the training commands: all options, each once, with the defaults of the commands."""

import dataclasses
import inspect
import re
import runpy
import sys

import pytest

from lgi_former.configuration import DATASET_TERMS
from lgi_former.image_processing.decoding.decoder_backends import BACKENDS
from lgi_former.image_processing.decoding.frame_folders import FRAME_ORDERS
from lgi_former.training.evaluate import EvaluationArguments
from lgi_former.training.finetune import FinetuningArguments
from lgi_former.training.pretrain import PretrainingArguments
from lgi_former.training.run import help as training_help
from lgi_former.training.run.arguments import DataArguments, ModelArguments, RecipeTrainingArguments
from lgi_former.training.run.help import GROUPS, RULE, TRAINING, help_of, read_options, transformers_options
from lgi_former.training.run.recipe_parser import RecipeParser


CLASSES = {
    "pretrain": (ModelArguments, PretrainingArguments, RecipeTrainingArguments),
    "finetune": (ModelArguments, FinetuningArguments, RecipeTrainingArguments),
    "evaluate": (EvaluationArguments,),
}


def options_of(command):
    """The options that the help reads from the source, by name. The first class of a name wins."""
    own = [read_options(TRAINING / file, name) for classes in GROUPS[command].values() for file, name in classes]
    options = {}
    for option in [option for found in own for option in found]:
        options.setdefault(option.name, option)
    if command != "evaluate":
        for option in transformers_options():
            options.setdefault(option.name, option)
    return options


@pytest.mark.parametrize("command", CLASSES)
def test_the_source_says_what_the_classes_say(command):
    fields = {field.name: field for kind in CLASSES[command] for field in dataclasses.fields(kind) if field.init}
    options = options_of(command)
    assert sorted(options) == sorted(fields)
    for name, field in fields.items():
        option, choices = options[name], field.metadata.get("choices")
        default = field.default
        if default is dataclasses.MISSING and field.default_factory is not dataclasses.MISSING:
            default = field.default_factory() or None  # an empty list is not shown
        assert option.help == field.metadata.get("help", "")
        if name != "optim":  # its default depends on the version of PyTorch
            assert option.default == default, name
        if name not in ("log_level", "log_level_replica"):  # Transformers computes their choices
            assert option.choices == choices, name
        assert option.nargs == field.metadata.get("nargs"), name


@pytest.mark.parametrize("command", CLASSES)
def test_each_option_is_listed_once_and_its_default_once(command):
    shown = help_of(command)
    listed = re.findall(r"^  --(\S+)", shown, flags=re.MULTILINE)
    assert sorted(listed) == sorted(options_of(command))
    entries = re.split(r"^  --", shown, flags=re.MULTILINE)
    assert not [entry for entry in entries if " ".join(entry.split()).count("(default") > 1]
    assert "(default: None)" not in shown
    assert not re.search(r"--\w+-", shown)


@pytest.mark.parametrize("command", ["pretrain", "finetune"])
def test_options_of_transformers_come_after_a_line(command):
    own, theirs = help_of(command).split(RULE)
    assert "--train_data" in own and "--output_dir" in own and "--layer_decay" in own
    assert "--learning_rate X" in theirs and "--per_device_train_batch_size" in theirs


@pytest.mark.parametrize("command", CLASSES)
def test_the_parser_of_the_command_shows_the_same_help(command):
    parser = RecipeParser(*CLASSES[command], prog=f"lgi-former {command}")
    assert parser.format_help() == help_of(command)


def test_the_module_shows_its_help(monkeypatch, capsys):
    """As `python -m` and `accelerate launch -m` run it."""
    name = "lgi_former.training.evaluate"
    monkeypatch.delitem(sys.modules, name)
    monkeypatch.setattr(sys, "argv", ["-m", "--help"])
    with pytest.raises(SystemExit) as ended:
        runpy.run_module(name, run_name="__main__", alter_sys=True)
    assert not ended.value.code and capsys.readouterr().out == help_of("evaluate")


def test_choices_in_the_source_are_those_of_the_functions():
    choices = {option.name: option.choices for option in read_options(TRAINING / "run/arguments.py", "DataArguments")}
    assert choices["backend"] == list(BACKENDS)
    assert choices["frame_order"] == list(FRAME_ORDERS)
    [corpora] = re.findall(
        r"the terms of (.*)\. It", DataArguments.__dataclass_fields__["dataset_name"].metadata["help"]
    )
    assert corpora.split(", ") == list(DATASET_TERMS)


def test_an_expression_in_the_source_is_not_shown(tmp_path):
    """Later versions of Transformers may compute a default or a help text."""
    source = '''
        @dataclass
        class Options:
            """Options."""

            constant = 5
            changed = 6
            if torch:
                changed = 7
            plain: int = 3
            by_name: int = field(default=constant, metadata={"help": "By name."})
            by_changed_name: int = field(default=changed)
            computed: int = field(default=len("abc"), metadata={"help": "a" + word, "choices": list(WORDS)})
            listed: list[int] = field(default_factory=lambda: [1, 2], metadata={"help": "Listed."})
            state: int = field(init=False, default=1)
    '''
    file = tmp_path / "options.py"
    file.write_text(inspect.cleandoc(source))
    by_name, by_changed_name, computed, listed = read_options(file, "Options")
    assert (by_name.default, by_name.help) == (5, "By name.")
    assert by_changed_name == training_help.Option("by_changed_name", "int")
    assert computed == training_help.Option("computed", "int")
    assert listed.default == [1, 2]
