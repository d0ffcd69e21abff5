"""Files with several video streams: the note, the choice, and the refusal of wrong numbers."""

import av
import numpy as np
import pytest

from lgi_former import LGIFormerVideoProcessor
from lgi_former.image_processing import VideoReadError, every_frame, open_frames, read_video


@pytest.fixture
def two_streams(tmp_path, numbered_frames):
    """Path of a file with sound and two video streams, whose numbers are 1 and 2. They show 0, 1, ... and 9, 8, ..."""
    path = tmp_path / "two.mkv"
    with av.open(str(path), "w") as container:
        sound = container.add_stream("pcm_s16le", rate=8000)
        videos = [container.add_stream("mpeg4", rate=25) for _ in range(2)]
        for stream, height in zip(videos, (48, 96), strict=True):
            stream.height, stream.width, stream.pix_fmt = height, 64, "yuv420p"
            stream.codec_context.gop_size = 4
        silence = av.AudioFrame.from_ndarray(np.zeros((1, 3200), np.int16), "s16", "mono")
        silence.sample_rate = 8000
        container.mux(sound.encode(silence))
        for number in range(10):
            for stream, height, shown in zip(videos, (48, 96), (number, 9 - number), strict=True):
                pixels = numbered_frames(10, height=height)[shown]
                container.mux(stream.encode(av.VideoFrame.from_ndarray(pixels, format="rgb24")))
        for stream in videos:
            container.mux(stream.encode())
    return path


@pytest.mark.parametrize(("stream", "expected"), [(None, range(10)), (1, range(10)), (2, range(9, -1, -1))])
def test_a_stream_is_chosen_by_its_number_in_the_file(stream, expected, two_streams, read_numbers):
    with open_frames(two_streams, stream=stream) as frames:
        images = [frame.image for frame in frames]
    assert read_numbers(images).tolist() == list(expected)
    with open_frames(two_streams, stream=stream, start=0.2, end=0.28) as frames:
        assert read_numbers([frame.image for frame in frames]).tolist() == list(expected)[5:7]
    (read,), _ = read_video(two_streams, every_frame, stream=stream)
    assert (read == np.stack(images)).all()
    clips = LGIFormerVideoProcessor(num_frames=2, sampling_rate=1)(
        two_streams, stream=stream, do_resize=False, do_normalize=False, return_tensors="pt"
    )["pixel_values"]
    assert read_numbers(255 * clips[0].movedim(1, -1)).tolist() == list(expected)[4:6]


def test_a_note_says_which_stream_is_read(two_streams, write_video, caplog):
    with open_frames(two_streams) as frames:
        list(frames)
    (note,) = frames.notes
    assert f"'{two_streams}' has several video streams: 1 (mpeg4, 64 x 48), 2 (mpeg4, 64 x 96)." in note
    assert "Stream 1 is read. Choose another one with --stream N, in Python with stream=N." in note
    caplog.clear()
    read_video(two_streams, every_frame, stream=2)
    with open_frames(two_streams, stream=2) as chosen, open_frames(write_video("one.mp4")) as single:
        list(chosen), list(single)
    assert not (chosen.notes or single.notes or caplog.records)


def test_a_cover_picture_is_not_read_unless_it_is_chosen(write_after_cover, numbered_frames, read_numbers):
    path = write_after_cover(numbered_frames(10)[:8], cover=numbered_frames(10)[9])
    with open_frames(path) as frames:
        assert read_numbers([frame.image for frame in frames]).tolist() == list(range(8))
    assert "a cover picture)" in frames.notes[0] and "Stream 1 is read" in frames.notes[0]
    with open_frames(path, stream=0) as frames:
        assert read_numbers([frame.image for frame in frames]).tolist() == [9]


@pytest.mark.parametrize("number", [0, 3, 99])
def test_wrong_numbers_are_refused_with_a_list(number, two_streams):
    for read in (
        lambda: open_frames(two_streams, stream=number).__enter__(),
        lambda: read_video(two_streams, every_frame, stream=number),
    ):
        with pytest.raises(VideoReadError, match=rf"no video stream {number}\. .* 1 \(mpeg4, 64 x 48\), 2 \(mpeg4"):
            read()


@pytest.mark.parametrize("number", [-1, 1.0, "1", True])
def test_numbers_are_whole(number, two_streams):
    with pytest.raises(ValueError, match=r"stream=.* must be the number of a stream"):
        LGIFormerVideoProcessor()(two_streams, stream=number)
    with pytest.raises(ValueError, match=r"stream=.* must be the number of a stream"):
        open_frames(two_streams, stream=number).__enter__()


def test_other_videos_have_no_streams(write_frames, numbered_frames):
    for video in (write_frames("frames"), numbered_frames(4)):
        for read in (
            lambda video: open_frames(video, stream=0).__enter__(),
            lambda video: LGIFormerVideoProcessor()(video, stream=0),
        ):
            with pytest.raises(VideoReadError, match=r"no stream 0 to choose, because it is not a video file"):
                read(video)


def test_decord_reads_no_other_stream(two_streams):
    pytest.importorskip("decord")
    for read in (
        lambda **options: open_frames(two_streams, **options).__enter__(),
        lambda **options: read_video(two_streams, every_frame, **options),
    ):
        with pytest.raises(VideoReadError, match="Only PyAV reads another stream"):
            read(stream=2, backend="decord")
