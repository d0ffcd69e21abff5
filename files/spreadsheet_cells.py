"""Cells of CSV files that spreadsheets show as text, and never run as a formula.

A spreadsheet runs a cell as a formula if it begins with a sign such as `=`. Names of videos and labels come from
strangers, so an apostrophe is written before such a cell. Numbers do not change.
"""

import re


# Also after ";", which separates cells in some countries. Spreadsheets accept the wide signs of East Asia, too.
_FORMULA = re.compile(r"(^|;)('*[=+\-@\t\r\n\uff1d\uff0b\uff0d\uff20])")
_WRITTEN_FORMULA = re.compile(r"(^|;)'('*[=+\-@\t\r\n\uff1d\uff0b\uff0d\uff20])")
_NUMBER = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)(e[+-]?\d+)?|[+-]?(inf|nan)", re.IGNORECASE)


def as_text_cell(cell):
    """A cell with an apostrophe before what a spreadsheet would run. Numbers, also in strings, do not change."""
    if not isinstance(cell, str) or _NUMBER.fullmatch(cell):
        return cell
    return _FORMULA.sub(r"\1'\2", cell)


def from_text_cell(cell):
    """Remove the apostrophes that `as_text_cell` wrote. Files of earlier versions have none."""
    return _WRITTEN_FORMULA.sub(r"\1\2", cell) if isinstance(cell, str) else cell
