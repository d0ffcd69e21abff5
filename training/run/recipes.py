"""Recipes: YAML files of options. The shipped ones have names."""

import os
from pathlib import Path

import yaml

from ...messages import nearest


RECIPES = Path(__file__).parents[2] / "configuration" / "recipes"


class RecipeError(ValueError):
    """A recipe cannot be read. The message names it and says why."""


def shipped() -> list[str]:
    """Names of the recipes that come with this package."""
    return sorted(recipe.stem for recipe in RECIPES.glob("*.yaml"))


def command_of(recipe: str) -> str:
    """The command that a shipped recipe is for."""
    return f"lgi-former {recipe.partition('_')[0]}"


def read_recipe(recipe: str | os.PathLike) -> dict:
    """Read the options of a recipe: a YAML file, or the name of a shipped recipe.

    Raises:
        RecipeError: If there is no such recipe, or it is not a mapping of options.
    """
    path = Path(recipe)
    if not path.is_file() and path.name == str(recipe):
        path = RECIPES / f"{path.name.removesuffix('.yaml')}.yaml"
    if not path.is_file():
        raise RecipeError(
            f"There is no recipe '{recipe}'. Give a YAML file or one of {', '.join(shipped())}"
            f"{nearest(str(recipe), shipped())}"
        )
    try:
        options = yaml.safe_load(path.read_text(encoding="utf-8"))
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise RecipeError(f"The recipe '{path}' is not YAML: {' '.join(str(error).split())}") from error
    if not isinstance(options, dict):
        raise RecipeError(f"The recipe '{path}' must have lines of 'option: value'.")
    return options
