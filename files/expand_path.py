"""Paths as users write them: with `~` and environment variables. Imports only the standard library."""

import argparse
import os
import re


PATHS = {
    *("video", "videos", "model", "source", "runs", "data", "data_root", "annotations", "shards", "parts"),
    *("checkpoint", "config", "root", "model_dir", "output", "output_dir", "timeline", "annotate", "export_space"),
    *("recipe", "train_data", "eval_data", "model_name_or_path", "config_name", "resume_from_checkpoint"),
    "logging_dir",
}
"""Names of arguments that are paths, in all commands."""

_VARIABLE = re.compile(r"\$(?:([A-Za-z_]\w*)|\{([A-Za-z_]\w*)\})", re.ASCII)
_WEB_ADDRESS = re.compile("https?://", re.IGNORECASE)


class UnsetVariableError(argparse.ArgumentTypeError, ValueError):
    """A path has an environment variable that is not set. `argparse` shows the message of this error."""


def expand_paths_of(parser: argparse.ArgumentParser):
    """Let a parser replace `~` and environment variables in its arguments that are paths (`PATHS`)."""
    for action in parser._actions:
        if action.dest in PATHS:
            action.type = _expanding(action.type)


def _expanding(convert):
    return expand_path if convert in (None, str) else lambda text: convert(expand_path(text))


def expand_path(path: str) -> str:
    """Replace `~`, `~user`, `$NAME` and `${NAME}` in a path, as a shell does.

    Names of existing files and addresses on the web do not change. `expand_path` can be the `type` of an argument.

    Raises:
        UnsetVariableError: If an environment variable is not set. It is a `ValueError`.
    """
    if _WEB_ADDRESS.match(path) or os.path.lexists(path):
        return path
    for names in _VARIABLE.findall(path):
        name = "".join(names)
        if name not in os.environ:
            raise UnsetVariableError(
                f"the environment variable ${name} in the path '{path}' is not set. Set it, or write the whole path."
            )
    return _VARIABLE.sub(lambda match: os.environ[match[1] or match[2]], os.path.expanduser(path))
