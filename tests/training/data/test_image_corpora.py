"""The scripts of docs/images.md, on miniatures of the corpora."""

import re
from pathlib import Path

import numpy as np
import pytest

import lgi_former
from lgi_former.training.data.annotations import load_annotations


@pytest.fixture
def scripts(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    page = Path(lgi_former.__file__).parent / "docs" / "images.md"
    return re.findall(r"```python\n(.*?)```", page.read_text(encoding="utf-8"), re.DOTALL)


def write(path, text=""):
    Path(path).parent.mkdir(parents=True, exist_ok=True)
    Path(path).write_text(text)


def read(path):
    videos = load_annotations(path)
    names = videos.features["label"].names
    return {row["video"]: names[row["label"]] for row in videos}


def test_raf_db(scripts):
    write("RAF-DB/basic/EmoLabel/list_patition_label.txt", "train_00001.jpg 5\ntest_0001.jpg 7\ntrain_00002.jpg 1\n")
    exec(scripts[0], {})
    folder = "RAF-DB/basic/Image/aligned"
    expected = {f"{folder}/train_00001_aligned.jpg": "sadness", f"{folder}/train_00002_aligned.jpg": "surprise"}
    assert read("RAF-DB/basic/train.txt") == expected
    assert read("RAF-DB/basic/test.txt") == {f"{folder}/test_0001_aligned.jpg": "neutral"}


def test_ferplus(scripts):
    header = "Usage,Image name,neutral,happiness,surprise,sadness,anger,disgust,fear,contempt,unknown,NF\n"
    rows = [
        "Training,fer0000000.png,4,0,0,1,3,2,0,0,0,0",
        "Training,fer0000001.png,5,5,0,0,0,0,0,0,0,0",
        "Training,,0,0,0,0,0,0,0,0,0,10",
        "PublicTest,fer0000002.png,0,0,0,0,0,0,0,0,9,1",
        "PublicTest,fer0000003.png,1,9,0,0,0,0,0,0,0,0",
        "PrivateTest,fer0000004.png,0,0,0,0,0,0,0,8,2,0",
    ]
    write("FERPlus/fer2013new.csv", header + "\n".join(rows) + "\n")
    Path("FERPlus/data").mkdir()
    exec(scripts[1], {})
    assert read("FERPlus/data/FER2013Train.txt") == {"FERPlus/data/FER2013Train/fer0000000.png": "neutral"}
    assert read("FERPlus/data/FER2013Valid.txt") == {"FERPlus/data/FER2013Valid/fer0000003.png": "happiness"}
    assert read("FERPlus/data/FER2013Test.txt") == {"FERPlus/data/FER2013Test/fer0000004.png": "contempt"}


def test_affectnet(scripts):
    for part, label in (("train_set", "3"), ("val_set", "7")):
        write(f"AffectNet/{part}/images/12.jpg")
        Path(f"AffectNet/{part}/annotations").mkdir()
        np.save(f"AffectNet/{part}/annotations/12_exp.npy", label)
        np.save(f"AffectNet/{part}/annotations/12_val.npy", "0.5")
    exec(scripts[2], {})
    assert read("AffectNet/train_set/list.txt") == {"AffectNet/train_set/images/12.jpg": "surprise"}
    assert read("AffectNet/val_set/list.txt") == {"AffectNet/val_set/images/12.jpg": "contempt"}
