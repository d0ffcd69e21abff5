"""Two folders with one configuration but different code of the model: each runs its own code in one process."""

from lgi_former import LGIFormerForVideoClassification


# The package would replace the code, so another process loads the folders.
PREPARATION = "import torchvision, transformers.modeling_utils"
CODE = """
import sys
from transformers import AutoModelForVideoClassification

for folder in {folders}:
    print(AutoModelForVideoClassification.from_pretrained(folder, trust_remote_code=True).mark)
assert "lgi_former" not in sys.modules
"""


def test_each_folder_runs_its_own_code(run_in_forks, save_tiny_model, tmp_path, monkeypatch):
    folders = {name: tmp_path / name / "model" for name in "ab"}  # Transformers names modules by the last part
    for name, folder in folders.items():
        save_tiny_model(LGIFormerForVideoClassification, folder, ["x", "y"])
        with (folder / "modeling_lgi_former.py").open("a") as code:
            code.write(f"\n\nLGIFormerForVideoClassification.mark = {name!r}\n")
    monkeypatch.setenv("HF_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    orders = ("ab", "ba")
    codes = [CODE.format(folders=[str(folders[name]) for name in order]) for order in orders]
    outcomes = run_in_forks(PREPARATION, codes)
    assert outcomes == [("a\nb\n", None), ("b\na\n", None)]
