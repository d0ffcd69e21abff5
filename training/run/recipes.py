"""Recipes: YAML files of options. The shipped ones have names."""

import os
from pathlib import Path

import yaml

from ...messages import nearest


RECIPES = Path(__file__).parents[2] / "configuration" / "recipes"


MAX_BYTES = 1_000_000  # of a recipe


class RecipeError(ValueError):
    """A recipe cannot be read. The message names it and says why."""


class _PlainLoader(yaml.SafeLoader):
    """Refuses aliases of lists and mappings, and names that are written twice.

    A few lines of such aliases stand for values without end.
    """

    def compose_node(self, parent, index):
        event = self.peek_event()
        if isinstance(event, yaml.AliasEvent) and not isinstance(self.anchors.get(event.anchor), yaml.ScalarNode):
            problem = f"*{event.anchor} repeats a list or a mapping. Write it out"
            raise yaml.composer.ComposerError(None, None, problem, event.start_mark)
        return super().compose_node(parent, index)

    def construct_mapping(self, node, deep=False):
        names = [key.value for key, _ in node.value if isinstance(key, yaml.ScalarNode)]
        if repeated := next((name for name in names if names.count(name) > 1), None):
            raise yaml.constructor.ConstructorError(None, None, f"{repeated!r} is written twice", node.start_mark)
        return super().construct_mapping(node, deep)


def shipped() -> list[str]:
    """Names of the recipes that come with this package."""
    return sorted(recipe.stem for recipe in RECIPES.glob("*.yaml"))


def command_of(recipe: str) -> str:
    """The command that a shipped recipe is for."""
    return f"lgi-former {recipe.partition('_')[0]}"


def read_recipe(recipe: str | os.PathLike) -> dict:
    """Read the options of a recipe: a YAML file, or the name of a shipped recipe.

    Raises:
        RecipeError: If there is no such recipe, it is too large, it repeats a list, or it is not a mapping of options.
    """
    path = Path(recipe)
    if not path.is_file() and path.name == str(recipe):
        path = RECIPES / f"{path.name.removesuffix('.yaml')}.yaml"
    if not path.is_file():
        raise RecipeError(
            f"There is no recipe '{recipe}'. Give a YAML file or one of {', '.join(shipped())}"
            f"{nearest(str(recipe), shipped())}"
        )
    with path.open("rb") as file:
        content = file.read(MAX_BYTES + 1)
    if len(content) > MAX_BYTES:
        raise RecipeError(f"The recipe '{path}' has more than {MAX_BYTES} bytes. It is no list of options.")
    try:
        options = _PlainLoader(content.decode("utf-8")).get_single_data()
    except RecursionError as error:
        raise RecipeError(f"The recipe '{path}' is nested too deeply. Write lines of 'option: value'.") from error
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise RecipeError(f"The recipe '{path}' is not YAML: {' '.join(str(error).split())}") from error
    # PyYAML raises the errors of Python for values such as 2024-13-45 and `!!bool x`.
    except (ArithmeticError, AttributeError, LookupError, TypeError, ValueError) as error:
        raise RecipeError(
            f"The recipe '{path}' is not YAML: a value does not fit its tag or form, such as a date in month 13. "
            "Write it in quotation marks."
        ) from error
    if not isinstance(options, dict):
        raise RecipeError(f"The recipe '{path}' must have lines of 'option: value'.")
    return options
