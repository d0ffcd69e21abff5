"""The drawn corpus: video files, balanced classes, and people that depend only on the seed."""

from pathlib import Path

import numpy as np
import pytest
import torch

from lgi_former.image_processing import read_video
from lgi_former.training.data.annotations import load_annotations
from lgi_former.training.quickstart import corpus
from lgi_former.training.quickstart.corpus import draw_part, draw_parts
from lgi_former.training.quickstart.drawn_faces import LABELS, TIME_ORDER_LABELS, Part, draw_faces, write_part
from lgi_former.training.quickstart.outcome import Plan


def draw(labels, seed=0, **sizes):
    return draw_faces([list(LABELS).index(label) for label in labels], torch.Generator().manual_seed(seed), **sizes)


def test_clips_depend_on_the_seed_alone():
    clips = draw(["happy", "sad"], num_frames=4, size=32)
    assert clips.shape == (2, 4, 32, 32, 3) and clips.dtype == torch.uint8
    assert torch.equal(clips, draw(["happy", "sad"], num_frames=4, size=32))
    assert not torch.equal(clips, draw(["happy", "sad"], seed=1, num_frames=4, size=32))


def test_the_same_person_looks_different_when_happy():
    happy, sad = draw(["happy"]), draw(["sad"])
    difference = (happy.int() - sad.int()).abs().float().mean(dim=(0, 2, 3, 4))
    assert difference[3] > 4 * difference[0]  # at the apex, and before the onset


def test_classes_of_time_order_show_the_same_two_expressions():
    assert set(TIME_ORDER_LABELS) == {"happy to sad", "sad to happy", "surprise to anger", "anger to surprise"}
    there, back, happy, sad = (draw([name])[0].float() for name in ("happy to sad", "sad to happy", "happy", "sad"))
    for early, late in ((there, back), (back, there)):
        assert (early[2] - late[2]).abs().mean() > 1  # same person, same moment, other expression
    assert (there[2] - happy[2]).abs().mean() < (there[2] - sad[2]).abs().mean()
    assert (there[5] - sad[5]).abs().mean() < (there[5] - happy[5]).abs().mean()


def test_a_part_is_a_folder_of_videos_and_their_list(tmp_path):
    annotations = write_part(Part(tmp_path / "corpus" / "test", 9, seed=3), num_workers=2)
    videos = load_annotations(annotations, label_names=list(LABELS))
    assert videos["label"] == [0, 1, 2, 3, 4, 5, 6, 0, 1]
    frames, metadata = read_video(videos[1]["video"], lambda metadata: np.arange(metadata.total_num_frames))
    assert frames.shape == (8, 64, 64, 3) and metadata.fps == 8
    again = write_part(Part(tmp_path / "again", 9, seed=3), num_workers=1)
    other = write_part(Part(tmp_path / "other", 9, seed=4), num_workers=1)
    contents = [(path.with_suffix("") / "00004.mp4").read_bytes() for path in (annotations, again, other)]
    assert contents[0] == contents[1] != contents[2]


def test_a_part_that_was_interrupted_is_drawn_again(tmp_path, monkeypatch):
    part = Part(tmp_path / "test", 5, seed=3)
    whole = {path.name: path.read_bytes() for path in map(Path, draw_part(part)["video"])}
    part.annotations.unlink()
    (part.folder / "00004.mp4").unlink()
    (part.folder / "00002.mp4").write_bytes(b"half a video")
    assert {path.name: path.read_bytes() for path in map(Path, draw_part(part)["video"])} == whole
    monkeypatch.setattr(corpus, "write_part", lambda *args: pytest.fail("a complete part was drawn again"))
    assert len(draw_part(part)) == 5


def test_parts_and_seeds_show_different_people(tmp_path):
    plan = Plan(num_unlabelled=2, num_labelled=2, num_tested=2, pretraining_steps=0, finetuning_steps=0)
    corpora = [draw_parts(plan, tmp_path / str(seed), seed) for seed in (0, 1)]
    contents = [Path(videos[0]["video"]).read_bytes() for parts in corpora for videos in parts.values()]
    assert len(set(contents)) == 6
