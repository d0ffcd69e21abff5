"""Names in the Markdown of a model card."""

import re


# Links, HTML, formulas, and addresses that the Hub turns into links.
_MARKUP = re.compile(r"[\\`*~$@]|(?<![^\W_])_|_(?![^\W_])|\](?=[(\[:])|&(?=[#\w]+;)|:(?=//)|(?<=www)\.", re.IGNORECASE)


def as_plain_text(text: str) -> str:
    """Escape a text of one line so that Markdown shows it letter by letter."""
    escaped = _MARKUP.sub(r"\\\g<0>", " ".join(text.split()))
    return escaped.replace("<", "&lt;").replace(">", "&gt;")


def as_cell(text: str) -> str:
    """The same for a cell of a table."""
    return as_plain_text(text).replace("|", r"\|")


def as_code(text: str) -> str:
    """A name as code. A name with a backtick would end the code, so it is plain text."""
    return as_plain_text(text) if "`" in text else f"`{' '.join(text.split())}`"
