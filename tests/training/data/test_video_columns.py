"""Data sets of the library `datasets` with a column of videos, from folders and from the Hub."""

import av
import numpy as np
import pytest
import torch
from datasets import Dataset, load_dataset
from datasets.table import embed_table_storage
from torch.utils.data import DataLoader

from lgi_former import LGIFormerVideoProcessor
from lgi_former.image_processing import read_video
from lgi_former.image_processing.decoding.local_videos import local_video
from lgi_former.training.data.annotations import load_annotations
from lgi_former.training.data.clips import ClipDataset, ViewDataset
from lgi_former.training.data.data_check import check_data
from lgi_former.training.data.skipped_videos import SkippedVideos
from lgi_former.training.data.video_rows import count_distinct


GREY = {"happy": 40, "sad": 200}


@pytest.fixture(scope="module")
def videofolder(tmp_path_factory, corpus):
    """A video of each class with its path, from `load_dataset("videofolder")`."""
    folder = tmp_path_factory.mktemp("videofolder")
    for label, grey in GREY.items():
        (folder / "train" / label).mkdir(parents=True)
        corpus.write_clip(folder / "train" / label / "clip.mp4", grey=grey)
    return load_dataset("videofolder", data_dir=str(folder), split="train", cache_dir=str(folder / "cache"))


@pytest.fixture(scope="module")
def pushed(videofolder, tmp_path_factory):
    """The same data set in the form of the Hub: Parquet files that hold the videos."""
    folder = tmp_path_factory.mktemp("pushed")
    embedded = videofolder.with_format("arrow").map(embed_table_storage, batched=True).with_format(None)
    embedded.to_parquet(str(folder / "train.parquet"))
    return Dataset.from_parquet(str(folder / "train.parquet"), cache_dir=str(folder / "cache"))


@pytest.fixture(params=["videofolder", "pushed"])
def videos(request):
    return load_annotations(request.getfixturevalue(request.param))


def draw_frames(total_frames, generator):
    return torch.randint(total_frames, (2,), generator=generator).numpy()


def grey_of(clip, generator):
    return clip.float().mean().round()


def clips_of(videos, output_dir):
    return ClipDataset(
        videos, draw_frames, grey_of, seed=0, skipped=SkippedVideos(output_dir, count_distinct([videos]), 0.5)
    )


def test_clips(videos, tmp_path):
    assert videos.features["label"].names == list(GREY)
    for item, (label, grey) in zip(
        DataLoader(clips_of(videos, tmp_path), batch_size=None, num_workers=1), GREY.items(), strict=True
    ):
        assert abs(item["pixel_values"].item() - grey) < 3
        assert list(GREY)[item["labels"]] == label and item["video"].endswith("clip.mp4")


def test_pushed_videos_are_held(pushed):
    video = load_annotations(pushed)[0]["video"]
    assert video["path"] == "clip.mp4" and b"moov" in video["bytes"]


def test_views_and_check(videos, tmp_path):
    processor = LGIFormerVideoProcessor(size={"height": 16, "width": 16}, num_frames=4, sampling_rate=1)
    views = ViewDataset(videos, processor, skipped=SkippedVideos(tmp_path, 2))
    assert [view["labels"] for view in (views[0], views[1])] == [0, 1]
    assert views.names() == [views[0]["video"], views[1]["video"]]
    assert views[0]["pixel_values"].mean() < views[1]["pixel_values"].mean()
    assert check_data([videos], tmp_path / "bad.csv") == {}


def test_rows_without_a_video_are_skipped(pushed, tmp_path):
    rows = [load_annotations(pushed)[0]["video"], None, {"bytes": b"no video", "path": "text.mp4"}]
    videos = load_annotations(Dataset.from_dict({"video": rows}, pushed.select_columns("video").features))
    clips = clips_of(videos, tmp_path)
    clips.skipped.max_fraction = 1
    assert [clips[row]["video"] for row in range(3)] == ["clip.mp4"] * 3
    listed = clips.skipped.listed()
    assert set(listed) == {"None", "text.mp4"}
    assert "has no video" in listed["None"] and "'text.mp4' cannot be decoded" in listed["text.mp4"]


def test_decoded_videos_are_refused():
    with pytest.raises(TypeError, match=r"Turn decoding off with `decode\(False\)`"), local_video(torch.zeros(1)):
        pass


def test_a_warning_about_a_video_in_memory_has_its_name(tmp_path, caplog):
    with av.open(str(tmp_path / "a.avi"), "w") as container:
        stream = container.add_stream("mpeg4", rate=25)
        stream.height, stream.width, stream.pix_fmt = 48, 64, "yuv420p"
        for pixels in np.random.default_rng(0).integers(0, 255, (30, 48, 64, 3), dtype=np.uint8):
            container.mux(stream.encode(av.VideoFrame.from_ndarray(pixels, format="rgb24")))
        container.mux(stream.encode())
    content = (tmp_path / "a.avi").read_bytes()
    with local_video({"path": "happy/clip 17.avi", "bytes": content[: len(content) * 2 // 3]}) as path:
        read_video(path, lambda metadata: np.array([0]))
    (record,) = caplog.records
    assert "clip_17.avi' is cut off" in record.getMessage()
