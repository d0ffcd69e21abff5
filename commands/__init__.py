"""Subcommands of `lgi-former`, one a file. `cli.py` puts them together.

Each file has `SUMMARY`, `add_arguments(parser)` and `run(args)`. The docstring of `run` is the help text, and `run`
returns the exit status.
"""
