"""Subcommands of `lgi-former`, one a file; `cli.py` puts them together.

Each has `SUMMARY`, `add_arguments(parser)` and `run(args)`, whose docstring is the help text and which returns the
exit status. Whatever needs torch or Transformers is imported where it is needed, so that `--help` is instant.
"""
