"""Texts and names are plain English: phrases that have a plainer equivalent are refused."""

import re
from pathlib import Path

import pytest

import lgi_former


ROOT = Path(lgi_former.__file__).parent
NOT_SOURCE = {"build", "dist", "outputs", "quickstart"}  # folders that git ignores; a copy may have no git
SUFFIXES = {".ipynb", ".md", ".py", ".sbatch", ".toml", ".yaml"}
# Regular expressions and their plainer equivalents. A space also matches underscores and the start of a new line.
PLAINER = {
    r"(?i:told|untold)": "reported",
    r"(?i:kept)": "saved, retained, held",
    r"(?i:of (which|whose|whom))": "a second sentence",
    r"(?i:of (its|their|his|her|our|your) own)": "its own ...",
    r"(?i:beside which)": "next to it",
    r"(?i:but for)": "except",
    r"(?i:as it is there)": "delete it",
    r"(?i:own making|\w+'s making)": "that ... wrote",
    r"(?i:stepped over)": "skipped",
    r"(?i:may be that)": "may",
    r"(?i:takes what)": "takes the ... that",
    r"(?i:(?!there)[\w`']+ (is|was|are|were) no (files?|folders?|director(y|ies)))": "is not a ...",
    r"(?i:whatever|wherever)": "any ...",
    r"(?i:forgetting|make way|naming(?=\())": "delete, remove, name",
    r"Of(?=\s)": "a sentence that begins with its subject",
    r"Tell(?=[A-Z])": "Report...",
}
# Comments and strings may continue in a new line.
BETWEEN_WORDS = r"""(?:[\s_]|['"]\s*\n\s*[bfr]*['"]|\n\s*\#)+"""


def lines_with(expression, text):
    """Numbers of the lines where a match begins."""
    pattern = rf"(?<![A-Za-z]){expression}(?![a-z])".replace(" ", BETWEEN_WORDS)
    return [text.count("\n", 0, match.start()) + 1 for match in re.finditer(pattern, text)]


@pytest.fixture(scope="module")
def texts():
    """The contents of all Python files, documents and configurations by relative path."""
    entries = [path for path in ROOT.iterdir() if path.name not in NOT_SOURCE and not path.name.startswith(".")]
    files = [file for path in entries for file in ([path] if path.is_file() else path.rglob("*"))]
    files = [file for file in files if file.suffix in SUFFIXES and file != Path(__file__)]
    return {str(file.relative_to(ROOT)): file.read_text(encoding="utf-8") for file in sorted(files)}


@pytest.mark.parametrize("expression", PLAINER)
def test_plain_words_are_used(expression, texts):
    found = [f"{path}:{line}" for path, text in texts.items() for line in lines_with(expression, text)]
    assert not found, f"Write instead: {PLAINER[expression]}. " + " ".join(found)


@pytest.mark.parametrize(
    "text",
    [
        "_damage_told = 1",
        "KEPT = {}",
        "# 79 GiB, of\n    # which 1 is free",
        'say("all but "\n    f"for one")',
        "def test_files_are_kept(): ...",
        "it is not of this command's making",
        "Of a video, every frame",
        "class TellEpoch:",
        "'x' is no folder",
    ],
)
def test_a_phrase_is_found(text):
    assert [expression for expression in PLAINER if lines_with(expression, text) == [1]]


@pytest.mark.parametrize("text", ["Soldiers in bolder keptalk", "There is no file.", 'No "Of".', "Telling", "often"])
def test_other_words_pass(text):
    assert not [expression for expression in PLAINER if lines_with(expression, text)]
