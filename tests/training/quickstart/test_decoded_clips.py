"""Clips and views that stay in memory."""

from pathlib import Path

import pytest
import torch

from lgi_former import LGIFormerVideoProcessor
from lgi_former.image_processing.resizing import resize_frames
from lgi_former.training.data.annotations import load_annotations
from lgi_former.training.data.clips import ViewDataset
from lgi_former.training.data.skipped_videos import SkippedVideos
from lgi_former.training.quickstart.decoded_clips import DecodedClips, DecodedViews
from lgi_former.training.quickstart.drawn_faces import Part, write_part
from lgi_former.training.quickstart.random_crops import RandomCrops


@pytest.fixture(scope="module")
def videos(tmp_path_factory):
    return load_annotations(write_part(Part(tmp_path_factory.mktemp("corpus") / "part", 3, seed=0), num_workers=1))


@pytest.fixture(scope="module")
def clips(videos):
    return DecodedClips(videos, 32, RandomCrops(0.75), seed=0)


def test_items_are_the_clips_of_the_files(videos, clips):
    assert len(clips) == 3
    item = clips[2]
    assert item["pixel_values"].shape == (8, 3, 32, 32) and item["pixel_values"].dtype == torch.float32
    assert (item["labels"], item["video"]) == (2, videos[2]["video"])
    full_size = DecodedClips(videos, 64, RandomCrops(0.75), seed=0)
    assert torch.equal(clips.clips, resize_frames(full_size.clips, 32, 32))


def test_crops_depend_on_seed_epoch_and_index(videos, clips):
    first = clips[0]["pixel_values"]
    assert torch.equal(first, clips[0]["pixel_values"])
    other_seed = DecodedClips(videos, 32, RandomCrops(0.75), seed=1)
    assert not torch.equal(first, other_seed[0]["pixel_values"])
    other_seed.seed, other_seed.epoch = 0, 0
    assert torch.equal(first, other_seed[0]["pixel_values"])
    other_seed.set_epoch(1)
    assert not torch.equal(first, other_seed[0]["pixel_values"])


def test_an_item_does_not_depend_on_its_batch(clips):
    for item, alone in zip(clips.__getitems__([2, 0, 1]), (clips[2], clips[0], clips[1]), strict=True):
        torch.testing.assert_close(item.pop("pixel_values"), alone.pop("pixel_values"))
        assert item == alone


def test_views_are_decoded_once(tmp_path):
    videos = load_annotations(write_part(Part(tmp_path / "part", 2, seed=0), num_workers=1))
    processor = LGIFormerVideoProcessor(size={"height": 32, "width": 32}, num_frames=8, sampling_rate=1)
    arguments = {"processor": processor, "skipped": SkippedVideos(tmp_path, 2)}
    views, expected = DecodedViews(videos, **arguments), ViewDataset(videos, **arguments)[1]
    Path(videos[1]["video"]).unlink()
    item = views[1]
    assert torch.equal(item.pop("pixel_values"), expected.pop("pixel_values"))
    assert torch.equal(item.pop("view_weights"), expected.pop("view_weights"))
    assert item == expected and len(views) == 2 and views.names() == list(videos["video"])
