"""Help of the training commands: the product's own options, then those of Transformers.

The options are fields of dataclasses. Importing the dataclasses imports torch and Transformers, which takes seconds.
Therefore the fields are read from the source files: names, defaults, help texts and choices are literals there.
"""

import ast
import dataclasses
import functools
import importlib.util
from pathlib import Path

from ...messages import CommandParser
from .recipes import command_of, shipped


TRAINING = Path(__file__).parents[1]
_ARGUMENTS = "run/arguments.py"
_TRAINING_OPTIONS = ((_ARGUMENTS, "RecipeTrainingArguments"), ("trainer/arguments.py", "LGIFormerTrainingArguments"))
_COMMON = {
    "model": ((_ARGUMENTS, "ModelArguments"),),
    "data": ((_ARGUMENTS, "DataArguments"),),
    "training": _TRAINING_OPTIONS,
}
GROUPS = {
    "pretrain": _COMMON | {"pre-training": (("pretrain.py", "PretrainingArguments"),)},
    "finetune": _COMMON
    | {
        "fine-tuning and evaluation": (("finetune.py", "FinetuningArguments"),),
        "division and balance of the data": ((_ARGUMENTS, "LabelledDataArguments"),),
    },
    "evaluate": {"evaluation": (("evaluate.py", "EvaluationArguments"),)},
}
"""Groups of each command's own options. A group has a title and classes; a class has a file and a name."""

EXAMPLES = {
    "pretrain": "lgi-former pretrain pretrain_voxceleb2 --train_data train.csv --output_dir outputs/pretrained",
    "finetune": "lgi-former finetune --model_name_or_path outputs/pretrained --train_data clips/train "
    "--eval_data clips/test --output_dir outputs/finetuned",
    "evaluate": "lgi-former evaluate --model outputs/finetuned --data clips/test",
}

RULE = "-" * 80


@dataclasses.dataclass(frozen=True)
class Option:
    """An option, as its dataclass field declares it.

    Attributes:
        name (`str`): Name of the field.
        annotation (`str`): Source of its type.
        default: None also stands for a default that is not a literal.
        help (`str`): Help text for `argparse`.
        choices (`list`, *optional*): Values that are accepted.
        nargs (`int`, *optional*): Number of values.
    """

    name: str
    annotation: str
    default: object = None
    help: str = ""
    choices: list | None = None
    nargs: int | None = None

    def add_to(self, group):
        """Add the option to a group of an `argparse` parser that only shows it."""
        default = _shown_default(self.default)
        is_stated = "(default" in self.help or default is None
        group.add_argument(
            f"--{self.name}",
            help=self.help if is_stated else f"{self.help} (default: {default})",
            choices=self.choices,
            metavar=None if self.choices else _metavar(self.annotation),
            nargs=self.nargs or ("+" if self.annotation.startswith("list") else None),
        )


def help_of(command: str) -> str:
    """The help text of a training command."""
    parser = CommandParser(prog=f"lgi-former {command}", example=EXAMPLES[command])
    add_arguments(parser, command)
    return parser.format_help()


def add_arguments(parser, command: str):
    """Add the description and all arguments of a training command to a parser, for help and for completion.

    The command itself parses its arguments with `RecipeParser`.
    """
    parser.description = ast.get_docstring(_definition(TRAINING / f"{command}.py", command)).split("\n\n")[0]
    parser.usage = "%(prog)s [RECIPE] [--option value ...]"
    recipes = [recipe for recipe in shipped() if command_of(recipe) == f"lgi-former {command}"]
    names = f", or the name of a shipped one: {', '.join(recipes)}" if recipes else ""
    parser.add_argument(
        "recipe", metavar="RECIPE", nargs="?", help=f"YAML file of options{names}; options on the command line win"
    )
    shown = set()
    for title, classes in GROUPS[command].items():
        group = parser.add_argument_group(title)
        for option in (option for file, name in classes for option in read_options(TRAINING / file, name)):
            if option.name not in shown:
                option.add_to(group)
                shown.add(option.name)
    if "training" not in GROUPS[command]:
        return
    theirs = parser.add_argument_group(f"{RULE}\noptions of Transformers' TrainingArguments")
    for option in transformers_options():
        if option.name not in shown:
            option.add_to(theirs)


def transformers_options() -> tuple[Option, ...]:
    """The options of the `TrainingArguments` of the installed Transformers."""
    folder = importlib.util.find_spec("transformers").submodule_search_locations[0]
    return read_options(Path(folder, "training_args.py"), "TrainingArguments")


@functools.cache
def read_options(file: Path, class_name: str) -> tuple[Option, ...]:
    """Read the fields that a dataclass declares, without those of its base classes.

    Args:
        file: Python file with the class.
        class_name: Name of the class.
    """
    definition = _definition(file, class_name)
    constants = _constants(definition)
    declared = [statement for statement in definition.body if isinstance(statement, ast.AnnAssign)]
    options = [_option(statement, constants) for statement in declared if isinstance(statement.value, ast.Call)]
    return tuple(option for option in options if option is not None)


def _constants(definition: ast.ClassDef) -> dict:
    """The literals that are assigned to names in a class, each name once. A second assignment may have a condition."""
    assigned = [
        (target.id, statement.value)
        for statement in ast.walk(definition)
        if isinstance(statement, ast.Assign)
        for target in statement.targets
        if isinstance(target, ast.Name)
    ]
    names = [name for name, _ in assigned]
    return {name: _literal(value, {}) for name, value in assigned if names.count(name) == 1}


def _definition(file: Path, name: str) -> ast.ClassDef | ast.FunctionDef:
    tree = ast.parse(file.read_text(encoding="utf-8"))
    return next(statement for statement in tree.body if getattr(statement, "name", None) == name)


def _option(statement: ast.AnnAssign, constants: dict) -> Option | None:
    """The option of `name: annotation = field(...)`; None for a field that is not an option."""
    keywords = {keyword.arg: keyword.value for keyword in statement.value.keywords}
    if "init" in keywords and not _literal(keywords["init"], constants):
        return None
    default = keywords.get("default")
    factory = keywords.get("default_factory")
    if isinstance(factory, ast.Lambda):
        default = factory.body
    metadata = keywords.get("metadata")
    entries = {}
    if isinstance(metadata, ast.Dict):
        pairs = zip(metadata.keys, metadata.values, strict=True)
        entries = {_literal(key, constants): _literal(value, constants) for key, value in pairs}
    return Option(
        statement.target.id,
        ast.unparse(statement.annotation),
        None if default is None else _literal(default, constants),
        entries.get("help") or "",
        entries.get("choices"),
        entries.get("nargs"),
    )


def _literal(node: ast.expr | None, constants: dict):
    """The value of a literal or of a class constant; None for other expressions."""
    if isinstance(node, ast.Name):
        return constants.get(node.id)
    try:
        return ast.literal_eval(node)
    except (ValueError, TypeError):
        return None


def _shown_default(default) -> str | None:
    """The default as one types it; None if there is nothing to show."""
    if default is None or default in ("", [], {}):
        return None
    if isinstance(default, bool):
        return str(default).lower()
    return " ".join(map(str, default)) if isinstance(default, list) else str(default)


def _metavar(annotation: str) -> str:
    """A short word for the values of an option: from the first type of its annotation that one can type."""
    words = annotation.replace("[", " ").replace("]", " ").replace("|", " ").replace(",", " ").split()
    names = {"int": "N", "float": "X", "bool": "BOOL", "dict": "JSON"}
    if "dict" in words:
        return "JSON"
    return next((names[word] for word in words if word in names), "TEXT")
