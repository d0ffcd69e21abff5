"""Parses a recipe and the command line of a training command into dataclasses of options."""

import contextlib
import datetime
import json
import types
import typing
from collections.abc import Callable
from dataclasses import fields

from transformers import HfArgumentParser
from transformers.hf_argparser import string_to_bool

from ...files import PATHS, expand_path, expand_paths_of
from ...messages import CommandParser, nearest, spell_with_underscores
from .help import help_of
from .recipes import RecipeError, command_of, read_recipe, shipped


class RecipeParser(CommandParser, HfArgumentParser):
    """Parser of `[RECIPE] [--option value ...]` into dataclasses; options on the command line win."""

    def __init__(self, *dataclass_types: type, prog: str):
        super().__init__(dataclass_types, prog=prog, allow_abbrev=False)
        self.usage = f"{prog} [RECIPE] [--option value ...]"  # a list of all options would hide the error
        self.add_argument("recipe", nargs="?")
        expand_paths_of(self)  # also in the string of a recipe, which `argparse` converts

    def format_help(self) -> str:
        return help_of(self.prog.split()[-1])

    def parse(self, argv: list[str]) -> tuple:
        """One instance of each dataclass.

        Raises:
            RecipeError: If the recipe cannot be read, has an unknown option, or a value of the wrong type.
            ValueError: If options clash.
            SystemExit: If the command line is wrong.
        """
        argv = spell_with_underscores(argv)
        arguments, unknown = self.parse_known_args(argv)
        if unknown:
            self.refuse_unknown(unknown)
        self._refuse_recipe_among_values(arguments)
        if arguments.recipe is not None:
            self.set_defaults(**self._read_options(arguments.recipe))
        *parsed, _ = self.parse_args_into_dataclasses(argv, look_for_args_file=False)
        return tuple(parsed)

    def _read_options(self, recipe):
        options = read_recipe(recipe)
        known = [option.name for kind in self.dataclass_types for option in fields(kind) if option.init]
        for name in options:
            if name not in known:
                hint = self._other_command(recipe) or nearest(str(name), known)
                raise RecipeError(f"The recipe '{recipe}' has an unknown option {name!r}{hint}")
        for name, value in options.items():
            self._check_type(recipe, name, value)
        return {name: _as_default(name, value) for name, value in options.items()}

    def _check_type(self, recipe: str, name: str, value):
        hint = next(hints[name] for kind in self.dataclass_types if name in (hints := typing.get_type_hints(kind)))
        if (expected := _mismatch(value, _alternatives(hint))) is not None:
            shown = repr(value)
            shown = f"{shown[:100]}..." if len(shown) > 100 else shown
            raise RecipeError(f"The recipe '{recipe}' has {name}: {shown}, but the value must be {expected}.")

    def _refuse_recipe_among_values(self, arguments):
        for name, values in vars(arguments).items():
            if arguments.recipe is None and isinstance(values, list) and values and values[-1] in shipped():
                raise RecipeError(
                    f"'{values[-1]}' follows --{name}, which takes several values. Write the recipe first."
                )

    def _other_command(self, recipe: str) -> str:
        """The end of an error message if the recipe belongs to another command."""
        if recipe not in shipped() or command_of(recipe) == self.prog:
            return ""
        return f"; it is a recipe of `{command_of(recipe)}`."


def _alternatives(hint) -> set:
    """The types that a type hint allows, such as {float, NoneType} for `float | None` and {list} for `list[str]`."""
    origin = typing.get_origin(hint)
    if origin in (typing.Union, types.UnionType):
        return set().union(*map(_alternatives, typing.get_args(hint)))
    return {origin or hint}


def _mismatch(value, allowed: set) -> str | None:
    """What a value of YAML should be; None if one of the allowed types fits. Choices of words are checked later."""
    if isinstance(value, dict):  # it becomes a string of JSON
        return None if allowed & {dict, str, typing.Any} else "one value, not a mapping"
    if isinstance(value, list):
        return None if allowed & {list, typing.Any} else "one value, not a list"
    if isinstance(value, set):
        return "one value, not a set"
    if isinstance(value, (datetime.date, bytes)):
        return "text in quotation marks"
    required = allowed - {type(None)}
    if value is None and len(required) < len(allowed):
        return None
    for kinds, convert, expected in _CHECKED:
        if required == kinds and not _converts(value, convert):
            return expected
    return None


def _whole(value) -> int:
    if isinstance(value, bool) or (isinstance(value, float) and not value.is_integer()):
        raise ValueError
    return int(value)


def _number(value) -> float:
    if isinstance(value, bool):
        raise ValueError
    return float(value)


_CHECKED = (
    ({int}, _whole, "a whole number"),
    ({float}, _number, "a number"),
    ({int, float}, _number, "a number"),
    ({bool}, lambda value: string_to_bool(str(value)), "true or false"),
)


def _converts(value, convert: Callable) -> bool:
    with contextlib.suppress(Exception):
        convert(value)
        return True
    return False


def _as_default(name: str, value):
    """A value of a recipe as `argparse` takes defaults."""
    if isinstance(value, dict):
        return json.dumps(value)
    return [expand_path(str(path)) for path in value] if name in PATHS and isinstance(value, list) else value
