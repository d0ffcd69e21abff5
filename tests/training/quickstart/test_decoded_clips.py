"""Clips in memory, and what of them a classifier of single frames sees."""

import pytest
import torch

from lgi_former import LGIFormerVideoProcessor
from lgi_former.image_processing.augmentation import PretrainingAugmentation
from lgi_former.training.data.annotations import load_annotations
from lgi_former.training.data.skipped_videos import SkippedVideos
from lgi_former.training.quickstart.decoded_clips import DecodedClips, FrameViews, SingleFrame
from lgi_former.training.quickstart.drawn_faces import Part, write_part


@pytest.fixture(scope="module")
def videos(tmp_path_factory):
    return load_annotations(write_part(Part(tmp_path_factory.mktemp("corpus") / "part", 3, seed=0), num_workers=1))


def as_float(clip, generator):
    return clip.float()


def test_items_are_the_clips_of_the_files(videos):
    clips = DecodedClips(videos, as_float, seed=0)
    assert len(clips) == 3
    assert clips[2]["pixel_values"].shape == (8, 3, 64, 64)
    assert (clips[2]["labels"], clips[2]["video"]) == (2, videos[2]["video"])


def test_changes_depend_on_seed_epoch_and_index(videos):
    clips = DecodedClips(videos, PretrainingAugmentation(64), seed=0)
    first = clips[0]["pixel_values"]
    assert torch.equal(first, clips[0]["pixel_values"])
    clips.set_epoch(1)
    assert not torch.equal(first, clips[0]["pixel_values"])


def test_a_single_frame_does_not_move(videos):
    clips = DecodedClips(videos, as_float, seed=0)
    still = clips.with_transform(SingleFrame(as_float, num_frames=2))
    for index in range(3):
        frames = still[index]["pixel_values"]
        assert frames.shape == (2, 3, 64, 64) and torch.equal(frames[0], frames[1])
        assert any(torch.equal(frames[0], frame) for frame in clips[index]["pixel_values"])


def test_every_frame_is_a_view(videos, tmp_path):
    processor = LGIFormerVideoProcessor(size={"height": 64, "width": 64}, num_frames=8, sampling_rate=1)
    views = FrameViews(videos, processor, skipped=SkippedVideos(tmp_path, 3), num_frames=2)
    item = views[0]
    clip = processor(videos[0]["video"], return_tensors="pt")["pixel_values"][0]
    assert item["pixel_values"].shape == (8, 2, 3, 64, 64)
    assert torch.equal(item["pixel_values"][:, 0], clip) and torch.equal(item["pixel_values"][:, 1], clip)
    assert item["view_weights"].tolist() == [1 / 8] * 8
