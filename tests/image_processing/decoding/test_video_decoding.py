import gc
import os

import av
import decord
import numpy as np
import pytest
import torch
from PIL import Image
from transformers.video_utils import VIDEO_DECODERS, VideoMetadata

from lgi_former.image_processing import VideoReadError, open_frames, read_video
from lgi_former.image_processing.decoding import decoder_backends, video_decoding


CLIPS = np.array([[8, 4, 4], [40, 59, 0]])  # two clips, out of order and with a repetition


def take_clips(metadata):
    return CLIPS


def take_first(metadata):
    return np.array([0])


def take_all(metadata):
    return np.arange(metadata.total_num_frames)


# Video files


def test_frames_come_in_the_order_and_shape_of_the_indices(write_video, read_numbers):
    frames, metadata = read_video(write_video("a.mp4"), take_clips)
    assert frames.shape == (2, 3, 48, 64, 3) and frames.dtype == np.uint8
    assert (read_numbers(frames) == CLIPS).all()
    assert (metadata.total_num_frames, metadata.fps, metadata.video_backend) == (60, 25, "pyav")
    assert (metadata.height, metadata.width) == (48, 64) and metadata.frames_indices is CLIPS


@pytest.mark.parametrize(
    ("name", "codec"),
    [
        *[("a.mp4", "mpeg4"), ("a.mkv", "mpeg4"), ("a.webm", "libvpx")],
        *[("a.ts", "mpeg2video"), ("a.mpg", "mpeg2video"), ("a.avi", "mpeg4")],
    ],
)
def test_the_requested_frames_are_returned(name, codec, write_video, read_numbers):
    # Matroska and WebM do not say how many frames they hold.
    frames, metadata = read_video(write_video(name, codec=codec), take_clips)
    assert (read_numbers(frames) == CLIPS).all()
    assert (metadata.total_num_frames, metadata.fps, metadata.video_backend) == (60, 25, "pyav")


@pytest.fixture
def without_pyav(monkeypatch):
    monkeypatch.setattr(decoder_backends, "is_av_available", lambda: False)


def test_each_frame_is_decoded_once(write_video, read_numbers, monkeypatch, without_pyav):
    asked = []
    get_batch = decord.VideoReader.get_batch
    monkeypatch.setattr(decord.VideoReader, "get_batch", lambda self, i: asked.append(list(i)) or get_batch(self, i))
    frames, metadata = read_video(write_video("a.mp4"), take_clips)
    assert asked == [[0, 4, 8, 40, 59]]
    assert (read_numbers(frames) == CLIPS).all() and metadata.video_backend == "decord"


def test_torchcodec_reads_if_others_are_missing(write_video, monkeypatch, without_pyav):
    def read(path, sample_indices_fn):  # channels first, as in TorchCodec
        metadata = VideoMetadata(total_num_frames=60, video_backend="torchcodec")
        numbers = torch.tensor(sample_indices_fn(metadata=metadata), dtype=torch.uint8)
        return numbers[:, None, None, None].expand(-1, 3, 48, 64), metadata

    monkeypatch.setitem(VIDEO_DECODERS, "torchcodec", read)
    monkeypatch.setattr(decoder_backends, "is_decord_available", lambda: False)
    monkeypatch.setattr(decoder_backends, "is_torchcodec_available", lambda: True)
    frames, metadata = read_video(write_video("a.mp4"), take_clips)
    assert metadata.video_backend == "torchcodec"
    assert (frames == CLIPS[..., None, None, None]).all() and frames.shape == (2, 3, 48, 64, 3)


def test_the_frames_of_a_cut_off_video_are_read(write_video, read_numbers):
    path = write_video("a.avi")  # its header announces 60 frames
    path.write_bytes(path.read_bytes()[: path.stat().st_size * 2 // 3])
    frames, metadata = read_video(path, take_all)
    assert 0 < metadata.total_num_frames < 60
    assert read_numbers(frames)[:-1].tolist() == list(range(metadata.total_num_frames - 1))  # the last is cut itself


def test_forked_workers_can_read_after_their_parent(write_video):
    def collect_and_read(paths):
        gc.collect()
        return read_video(paths[0], take_clips)[0]

    paths = [write_video(f"{codec}.mp4", codec=codec) for codec in ("mpeg4", "libx264")]
    expected = [read_video(path, take_clips)[0] for path in paths]
    not_seekable = write_video("a.avi")
    gc.collect()  # readers that other tests left would stop the workers
    gc.disable()  # so that the workers, not this process, collect any reader that is left here
    try:
        read_video(not_seekable, take_clips)  # the first reader fails and the second one reads
        loader = torch.utils.data.DataLoader(
            paths,
            collate_fn=collect_and_read,
            num_workers=2,
            multiprocessing_context="fork",
            timeout=60,
        )
        assert all((frames == clip).all() for frames, clip in zip(loader, expected, strict=True))
    finally:
        gc.enable()


def test_frames_are_freed_at_once(write_video):
    gc.collect()
    gc.disable()  # collections come too late for large frames
    try:
        with open_frames(write_video("a.mp4")) as stream:
            for frame in stream:
                assert frame.image is not None
            assert sum(isinstance(thing, av.VideoFrame) for thing in gc.get_objects()) < 6
    finally:
        gc.enable()


# Folders, images, URLs


def test_only_the_needed_files_of_a_folder_are_read(write_frames, read_numbers, monkeypatch):
    folder = write_frames("frames", count=10)
    (folder / "00003.png").rename(folder / "00003.PNG")
    (folder / "._00003.png").write_bytes(b"left by macOS")
    (folder / "notes.txt").write_text("not a frame")
    opened = []
    read_image = video_decoding.read_image
    monkeypatch.setattr(video_decoding, "read_image", lambda file: opened.append(file.name) or read_image(file))
    frames, metadata = read_video(folder, lambda metadata: np.array([[3, 3, 7]]))
    assert read_numbers(frames).tolist() == [[3, 3, 7]]
    assert opened == ["00003.PNG", "00007.png"]
    assert (metadata.total_num_frames, metadata.fps, metadata.height, metadata.width) == (10, None, 48, 64)


@pytest.mark.parametrize("suffix", [".jpg", ".JPEG", ".png"])
def test_image_is_a_video_of_one_frame(suffix, tmp_path):
    Image.new("L", (64, 48), color=200).save(tmp_path / f"face{suffix}")
    frames, metadata = read_video(tmp_path / f"face{suffix}", lambda metadata: np.zeros(4, dtype=int))
    assert frames.shape == (4, 48, 64, 3) and abs(frames.astype(int) - 200).max() <= 1
    assert metadata.total_num_frames == 1


def test_url_is_downloaded(write_video, tmp_path, read_numbers, serve):
    write_video("a.mp4")
    Image.new("RGB", (64, 48)).save(tmp_path / "face.png")
    with serve(tmp_path) as address:
        frames, _ = read_video(f"{address}/a.mp4?download=true", take_clips)
        image, _ = read_video(f"{address}/face.png", take_all)
    assert (read_numbers(frames) == CLIPS).all()
    assert image.shape == (1, 48, 64, 3)


# Failures


def assert_cannot_read(source, *said):
    with pytest.raises(VideoReadError) as raised:
        read_video(source, take_first)
    for part in (str(source), *said):
        assert part in str(raised.value)
    assert "\n" not in str(raised.value)


def test_missing_path(tmp_path):
    assert_cannot_read(tmp_path / "missing.mp4", "no file or folder")


@pytest.mark.parametrize("file", [None, "notes.txt"])
def test_folder_without_frames(file, tmp_path):
    if file is not None:
        (tmp_path / file).write_text("not a frame")
    assert_cannot_read(tmp_path, "holds no frames", "*.jpg, *.jpeg, *.png")


def test_empty_file(tmp_path):
    (tmp_path / "a.mp4").touch()
    assert_cannot_read(tmp_path / "a.mp4", "0 bytes")


def test_text_for_video(tmp_path):
    (tmp_path / "a.mp4").write_text("not a video\n" * 100)
    assert_cannot_read(tmp_path / "a.mp4", "by PyAV (", "not a video")


def test_truncated_video(write_video):
    path = write_video("a.mp4")
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    assert_cannot_read(path, "incomplete")


def test_sound_without_pictures(tmp_path):
    with av.open(str(tmp_path / "a.mp4"), "w") as container:
        stream = container.add_stream("aac", rate=16000)
        sound = av.AudioFrame.from_ndarray(np.zeros((1, 1024), np.float32), format="fltp", layout="mono")
        sound.sample_rate = 16000
        container.mux(stream.encode(sound))
        container.mux(stream.encode())
    assert_cannot_read(tmp_path / "a.mp4", "no video stream")


def test_damaged_frame(write_frames):
    folder = write_frames("frames")
    content = (folder / "00000.png").read_bytes()
    (folder / "00000.png").write_bytes(content[: len(content) // 2])
    assert_cannot_read(folder / "00000.png", "damaged")
    with pytest.raises(VideoReadError, match=r"00000\.png"):
        read_video(folder, take_first)


def test_frames_of_different_size(write_frames):
    folder = write_frames("frames")
    Image.new("RGB", (32, 24)).save(folder / "00004.png")
    with pytest.raises(VideoReadError, match=r"00000\.png.*00004\.png.*48 x 64 and 24 x 32"):
        read_video(folder, take_all)


def test_unreachable_and_missing_url(tmp_path, serve):
    with serve(tmp_path) as address:
        assert_cannot_read(f"{address}/missing.mp4", "cannot be downloaded", "404")
        (tmp_path / "text.mp4").write_text("not a video")
        assert_cannot_read(f"{address}/text.mp4", "not a video")
    assert_cannot_read(f"{address}/a.mp4", "cannot be downloaded")  # the server is gone now


def test_unreadable_folder(tmp_path, monkeypatch):
    def refuse(folder):
        raise PermissionError(13, "Permission denied", str(folder))

    monkeypatch.setattr(os, "listdir", refuse)
    assert_cannot_read(tmp_path, "Permission denied")


@pytest.fixture
def kinds(write_video, write_frames, tmp_path):
    """A path for each reader. Each video has 4 frames."""
    pictures = [Image.new("RGB", (32, 32), (grey,) * 3) for grey in (0, 50, 100, 150)]
    pictures[0].save(tmp_path / "a.gif", save_all=True, append_images=pictures[1:])
    return [write_video("a.mp4", 4), write_video("a.avi", 4), tmp_path / "a.gif", write_frames("frames", 4)]


@pytest.mark.parametrize(
    ("indices", "message"),
    [
        ([-1, 2], "returns indices from -1 to 2 for .*, which has the frames 0 to 3"),
        ([[0], [4]], "returns indices from 0 to 4 for"),
        ([], "returns no indices for"),
        ([0.0, 1.5], "returns float64 for"),
        ([True, False], "returns bool for"),
    ],
)
def test_impossible_indices_are_refused_by_all_readers(kinds, indices, message):
    for path in kinds:
        with pytest.raises(ValueError, match=message) as raised:
            read_video(path, lambda metadata: np.array(indices))
        assert not isinstance(raised.value, VideoReadError) and path.name in str(raised.value)


def test_errors_of_the_caller_are_not_changed(kinds):
    def fail(metadata):
        raise KeyError("of the caller")

    for path in kinds:
        with pytest.raises(KeyError, match="of the caller"):
            read_video(path, fail)
