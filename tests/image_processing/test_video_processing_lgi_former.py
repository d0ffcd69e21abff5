import json
import os

import numpy as np
import pytest
import torch
from PIL import Image
from torchvision.transforms import InterpolationMode
from transformers import AutoVideoProcessor
from transformers.image_utils import PILImageResampling, SizeDict

from lgi_former.image_processing import LGIFormerVideoProcessor, VideoReadError, open_frames, pixel_range, read_video


MEAN, STD = np.array([0.485, 0.456, 0.406]), np.array([0.229, 0.224, 0.225])


@pytest.fixture(scope="module")
def processor():
    return LGIFormerVideoProcessor()


@pytest.fixture(scope="module")
def noise():
    """A video of 20 frames of noise, channels last."""
    return np.random.default_rng(0).integers(0, 256, (20, 48, 64, 3), dtype=np.uint8)


def pixels_of(processor, videos, **settings):
    return processor(videos, return_tensors="pt", **settings)["pixel_values"]


# Output


def test_a_video_has_one_clip_by_default(processor, noise):
    inputs = processor(noise, return_tensors="pt")
    assert list(inputs) == ["pixel_values"]  # so that model(**inputs) works
    assert inputs["pixel_values"].shape == (1, 16, 3, 160, 160)
    assert inputs["pixel_values"].dtype == torch.float32


def test_pixels_are_resized_rescaled_and_normalised(processor):
    grey = np.full((1, 48, 64, 3), 100, dtype=np.uint8)
    pixels = pixels_of(processor, grey)
    expected = torch.tensor((100 / 255 - MEAN) / STD, dtype=torch.float32)
    torch.testing.assert_close(pixels, expected.view(3, 1, 1).expand_as(pixels))


def test_none_is_the_default_of_a_setting(noise):
    without = dict.fromkeys(["num_frames", "sampling_rate", "num_segments", "frame_order"])
    processor = LGIFormerVideoProcessor.from_dict(without)
    assert processor.frame_order == "natural"
    assert pixels_of(processor, noise).shape == (1, 16, 3, 160, 160)


UNCHANGED = {"do_sample_frames": False, "do_normalize": False, "do_rescale": False}


@pytest.mark.parametrize("resample", [*PILImageResampling, 3, None, *InterpolationMode], ids=str)
def test_frames_are_resized_by_pillow_with_any_filter(processor, noise, resample, resize_with_pillow):
    name = "BILINEAR" if resample is None else getattr(resample, "name", "BICUBIC").removesuffix("_EXACT")
    for height, width in ((12, 24), (100, 90)):
        size = {"height": height, "width": width}
        pixels = pixels_of(processor, noise, size=size, resample=resample, **UNCHANGED)
        assert pixels.dtype == torch.float32
        frames = torch.from_numpy(noise).permute(0, 3, 1, 2)
        expected = resize_with_pillow(frames, height, width, Image.Resampling[name]).float()
        assert torch.equal(pixels[0], expected)


@pytest.mark.parametrize("resample", [9, -1, "bicubic"])
def test_unknown_filters_are_refused(noise, resample):
    with pytest.raises(ValueError, match=f"resample={resample!r} is not a filter of Pillow. Choose one of"):
        LGIFormerVideoProcessor(resample=resample)(noise)


def test_resizing_without_antialiasing_is_refused(processor):
    with pytest.raises(ValueError, match="antialias=False is not supported"):
        processor.resize(torch.zeros(2, 3, 8, 8), SizeDict(height=4, width=4), antialias=False)


def test_other_videos_of_the_call_do_not_change_pixels(processor, noise):
    fractions = noise / 3
    together = pixels_of(processor, [noise, fractions, noise.astype(np.float64)])
    for number, video in enumerate((noise, fractions, noise)):
        assert torch.equal(together[number], pixels_of(processor, video)[0])


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_rescaled_grey_levels_are_resized_like_uint8(processor, noise, dtype):
    expected = pixels_of(processor, noise, do_rescale=True)
    scaled = pixels_of(processor, (noise / 255).astype(dtype), do_rescale=False)
    torch.testing.assert_close(scaled, expected, atol=1e-5, rtol=1e-5)


def test_other_pixels_are_not_rounded(processor, noise):
    settings = {**UNCHANGED, "size": {"height": 16, "width": 16}}
    for frames in (noise / 255**1.1, noise / 255 - 0.5, noise.astype(np.int64) * 257):
        pixels = pixels_of(processor, frames, **settings)[0]
        video = torch.from_numpy(frames).permute(0, 3, 1, 2).float()
        expected = torch.nn.functional.interpolate(video, (16, 16), mode="bilinear", antialias=True)
        torch.testing.assert_close(pixels, expected, atol=1e-5 * np.abs(frames).max(), rtol=0)


def test_without_resizing_pixels_do_not_change(processor, noise):
    pixels = pixels_of(processor, noise, do_resize=False, **UNCHANGED)
    assert torch.equal(pixels[0], torch.from_numpy(noise).permute(0, 3, 1, 2))


@pytest.mark.parametrize("size", [{"shortest_edge": 24}, {"height": 24, "width": 32}])
def test_pillow_also_resizes_for_other_kinds_of_size(processor, noise, size, resize_with_pillow):
    pixels = pixels_of(processor, noise, size=size, **UNCHANGED)
    frames = torch.from_numpy(noise).permute(0, 3, 1, 2)
    assert torch.equal(pixels[0], resize_with_pillow(frames, 24, 32).float())


def test_segments_are_adjacent_clips(processor, noise):
    long = np.concatenate([noise] * 5)
    inputs = processor([long, noise, long], num_segments=2, return_tensors="pt")
    assert inputs["video_index"].tolist() == [0, 0, 1, 1, 2, 2]
    assert inputs["video_index"].dtype == torch.int64
    assert inputs["pixel_values"].shape == (6, 16, 3, 160, 160)
    assert torch.equal(inputs["pixel_values"][0], pixels_of(processor, long[0:64])[0])
    assert torch.equal(inputs["pixel_values"][1], pixels_of(processor, long[36:100])[0])
    assert inputs.to(torch.bfloat16)["video_index"].dtype == torch.int64


def test_metadata_describes_every_clip(processor, write_video):
    settings = {"num_frames": 4, "sampling_rate": 2, "num_segments": 2}
    inputs = processor(write_video("a.mp4"), return_metadata=True, return_tensors="pt", **settings)
    assert [list(clip.frames_indices) for clip in inputs["video_metadata"]] == [[0, 2, 4, 6], [52, 54, 56, 58]]
    assert inputs["video_metadata"][0].timestamps == [0, 0.08, 0.16, 0.24]


def test_metadata_of_an_array_is_preserved(processor, noise):
    inputs = processor(noise, video_metadata={"total_num_frames": 20, "fps": 25}, return_metadata=True)
    (clip,) = inputs["video_metadata"]
    assert (clip.fps, clip.total_num_frames, clip.height, clip.width) == (25, 20, 48, 64)


def test_return_tensors(processor, noise):
    assert isinstance(processor(noise, return_tensors="np")["pixel_values"], np.ndarray)
    clips = processor([noise, noise])["pixel_values"]
    assert [clip.shape for clip in clips] == [(16, 3, 160, 160)] * 2


# Input


def test_every_kind_of_video_gives_the_same_clip(processor, write_frames, noise, tmp_path):
    folder = write_frames("frames", count=20)
    frames, _ = read_video(folder, lambda metadata: np.arange(20))
    expected = pixels_of(processor, frames)
    kinds = {
        "folder": folder,
        "path as text": str(folder),
        "images": [Image.fromarray(frame) for frame in frames],
        "frames": list(frames),
        "channels first": frames.transpose(0, 3, 1, 2),
        "tensor": torch.from_numpy(frames),
        "tensor, channels first": torch.from_numpy(frames).permute(0, 3, 1, 2),
        "batch": frames[None],
        "floats": frames.astype(np.float64),
        "grey": frames[..., :1],
        "with opaque alpha": np.concatenate([frames, np.full_like(frames[..., :1], 255)], axis=-1),
        "negative strides": frames[..., ::-1],
        "read-only": np.broadcast_to(frames, frames.shape),
    }
    for kind, video in kinds.items():
        assert torch.equal(pixels_of(processor, video), expected), kind
    mixed = pixels_of(processor, list(kinds.values()))
    assert torch.equal(mixed, expected.expand_as(mixed))


def test_video_file_is_sampled_while_decoding(processor, write_video, write_frames):
    path = write_video("a.mp4", count=100)
    frames, _ = read_video(path, lambda metadata: np.arange(16, 80, 4))
    assert torch.equal(pixels_of(processor, path), pixels_of(processor, frames, sampling_rate=1))


def test_short_videos_repeat_their_last_sampled_frame(processor, noise):
    pixels = pixels_of(processor, noise[:6], num_frames=4)  # frames 0 and 4
    assert torch.equal(pixels, pixels_of(processor, noise[[0, 4, 4, 4]], sampling_rate=1, num_frames=4))


def test_image_is_a_clip_of_itself(processor, noise, tmp_path):
    image = Image.fromarray(noise[0])
    image.save(tmp_path / "face.png")
    pixels = pixels_of(processor, [tmp_path / "face.png", image])
    assert torch.equal(pixels, pixels_of(processor, noise[:1]).expand(2, -1, -1, -1, -1))
    assert torch.equal(pixels_of(processor, image), pixels[:1])


def test_list_of_paths_is_several_videos_and_list_of_images_is_one(processor, write_frames, noise):
    folders = [write_frames("a"), str(write_frames("b"))]
    assert len(pixels_of(processor, folders)) == 2
    assert len(pixels_of(processor, [Image.fromarray(frame) for frame in noise])) == 1


def test_batch_of_mixed_lengths_and_sizes_equals_one_by_one(processor, noise):
    videos = [noise, noise[:3], noise[:, :30, :40], noise[::-1]]
    together = pixels_of(processor, videos)
    assert torch.equal(together, torch.cat([pixels_of(processor, video) for video in videos]))


def test_input_data_format_decides_ambiguous_channels(processor):
    video = np.random.default_rng(0).integers(0, 256, (1, 3, 40, 3), dtype=np.uint8)  # 3 x 40 pixels, channels last
    pixels = pixels_of(processor, video, input_data_format="channels_last")
    assert torch.equal(pixels, pixels_of(processor, torch.from_numpy(video).permute(0, 3, 1, 2)))


def test_floats_are_0_to_255_if_they_are_rescaled(processor, noise, monkeypatch):
    warnings = []
    module = "lgi_former.image_processing.pixel_range.logger.warning_once"
    monkeypatch.setattr(module, warnings.append)
    expected = pixels_of(processor, noise)
    scaled = noise.astype(np.float32) / 255
    torch.testing.assert_close(pixels_of(processor, scaled, do_rescale=False), expected)
    assert not warnings
    pixels_of(processor, scaled)
    assert "do_rescale=False" in warnings[0]


def test_without_sampling_all_frames_are_one_clip(processor, noise, write_frames):
    folder = write_frames("frames", count=7)
    assert pixels_of(processor, folder, do_sample_frames=False).shape == (1, 7, 3, 160, 160)
    inputs = processor([noise, noise], do_sample_frames=False, num_segments=2, return_tensors="pt")
    assert inputs["pixel_values"].shape == (2, 20, 3, 160, 160)
    assert inputs["video_index"].tolist() == [0, 1]


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")
def test_gpu_and_cpu_give_the_same_pixels(processor, noise):
    on_gpu = pixels_of(processor, noise, device="cuda")
    assert on_gpu.is_cuda
    torch.testing.assert_close(on_gpu.cpu(), pixels_of(processor, noise), rtol=0, atol=1e-4)


# Settings


def test_settings_survive_saving(tmp_path, noise):
    saved = LGIFormerVideoProcessor(num_frames=8, sampling_rate=1, num_segments=3, size={"height": 32, "width": 48})
    saved.save_pretrained(tmp_path, save_code=False)
    assert os.listdir(tmp_path) == ["video_preprocessor_config.json"]
    settings = json.loads((tmp_path / "video_preprocessor_config.json").read_text())
    assert (settings["num_frames"], settings["sampling_rate"], settings["num_segments"]) == (8, 1, 3)
    loaded = LGIFormerVideoProcessor.from_pretrained(tmp_path)
    assert loaded.to_dict() == saved.to_dict()
    assert torch.equal(pixels_of(loaded, noise), pixels_of(saved, noise))
    assert LGIFormerVideoProcessor.from_pretrained(tmp_path, num_segments=1).num_segments == 1


def test_none_means_the_setting_of_the_processor(processor, noise):
    pixels = pixels_of(processor, noise, num_frames=None, sampling_rate=None, do_resize=None)
    assert torch.equal(pixels, pixels_of(processor, noise))


@pytest.mark.parametrize(
    ("task", "options", "warns"),
    [
        ("video-classification", {}, True),
        ("video-classification", {"num_segments": 1}, False),
        ("facial-expression-recognition", {}, False),
        (None, {}, False),
    ],
)
def test_a_pipeline_that_scores_one_of_several_clips_warns(task, options, warns, tmp_path, caplog):
    LGIFormerVideoProcessor(num_segments=3).save_pretrained(tmp_path)
    processor = AutoVideoProcessor.from_pretrained(tmp_path, _from_pipeline=task, **options)
    assert processor.num_segments == options.get("num_segments", 3)
    assert ("makes 3 clips of each video, but the pipeline video-classification" in caplog.text) == warns


@pytest.mark.parametrize("value", [{}, "false", 0])
def test_switches_are_bools(processor, noise, value):
    with pytest.raises(ValueError, match=f"do_resize={value!r} must be True or False"):
        LGIFormerVideoProcessor(do_resize=value)
    with pytest.raises(ValueError, match=f"do_resize={value!r} must be True or False"):
        processor(noise, do_resize=value)


@pytest.mark.parametrize("name", ["num_frames", "sampling_rate", "num_segments"])
@pytest.mark.parametrize("value", [0, -1, 2.0, True, "4"])
def test_counts_must_be_positive_whole_numbers(processor, noise, name, value):
    with pytest.raises(ValueError, match=f"{name}={value!r} must be a whole number"):
        processor(noise, **{name: value})
    with pytest.raises(ValueError, match=f"{name}={value!r} must be a whole number"):
        LGIFormerVideoProcessor(**{name: value})


def test_fps_is_refused_not_ignored(processor, noise):
    with pytest.raises(ValueError, match="Set sampling_frame_rate"):
        processor(noise, fps=6)


@pytest.mark.parametrize(
    ("videos", "message"),
    [
        (None, "type NoneType"),
        (np.zeros((48, 64)), "2 dimensions"),
        ([], "is empty"),
        (["a.mp4", []], "is empty"),
        (np.zeros((0, 48, 64, 3)), "no frames"),
        (np.zeros((4, 48, 64, 7)), "(4, 48, 64, 7) has neither 1, 3 or 4 channels"),
        ([Image.new("RGB", (4, 4)), Image.new("RGB", (4, 8))], "frame 1 has (3, 8, 4)"),
    ],
)
def test_other_inputs_are_refused(processor, videos, message):
    with pytest.raises(ValueError) as raised:
        processor(videos)
    assert message in str(raised.value)


def test_the_error_names_the_unreadable_video_of_a_batch(processor, noise):
    with pytest.raises(VideoReadError, match=r"missing\.mp4"):
        processor([noise, "missing.mp4"])


def test_clips_of_different_shapes_are_refused(processor, noise):
    with pytest.raises(ValueError, match="different shapes"):
        processor([noise, noise[:5]], do_sample_frames=False, return_tensors="pt")
    assert len(processor([noise, noise[:5]], do_sample_frames=False)["pixel_values"]) == 2


RAW = {"do_rescale": False, "do_normalize": False, "return_tensors": "pt", "size": {"height": 8, "width": 8}}


def test_transparent_pixels_become_black():
    frames = np.zeros((16, 8, 8, 4), np.uint8)
    frames[..., 0], frames[:, :, :4, 3] = 200, 255  # red, and the right half transparent
    pictures = [Image.fromarray(frame) for frame in frames]
    for video, scale in ((frames, 1), (frames.transpose(0, 3, 1, 2), 1), (pictures, 1), ((frames / 255), 255)):
        shown = LGIFormerVideoProcessor()(video, **RAW)["pixel_values"][0, 0, :, 0]
        assert (shown * scale).round().tolist() == [[200] * 4 + [0] * 4, [0] * 8, [0] * 8]
    with open_frames(frames) as stream:
        assert next(iter(stream)).image[0].tolist() == [[200, 0, 0]] * 4 + [[0, 0, 0]] * 4


@pytest.mark.parametrize("height", [1, 4])
def test_three_channels_are_found_next_to_a_small_height(height):
    video = np.full((16, height, 1, 3), (10, 20, 30), np.uint8)
    for same in (video, video.transpose(0, 3, 2, 1)):
        shown = LGIFormerVideoProcessor()(same, **RAW)["pixel_values"][0, 0, :, 0, 0]
        assert shown.tolist() == [10, 20, 30]


@pytest.mark.parametrize(
    ("value", "dtype"), [(60_000, "uint16"), (-60, "int16"), (256, "int64"), (float("nan"), "float32")]
)
def test_pixels_of_another_range_are_refused(value, dtype):
    with pytest.raises(ValueError, match="but 0 to 255 is read"):
        LGIFormerVideoProcessor()(np.full((2, 8, 8, 3), value, dtype))


@pytest.mark.parametrize(("value", "words"), [(300.0, "go from 300 to 300"), (True, "between 0 and 1")])
def test_unlikely_ranges_are_reported(value, words, monkeypatch):
    warnings = []
    monkeypatch.setattr(pixel_range.logger, "warning_once", warnings.append)
    LGIFormerVideoProcessor()(np.full((2, 8, 8, 3), value))
    assert len(warnings) == 1 and words in warnings[0]


@pytest.mark.parametrize("video", [torch.zeros(2, 3, 8, 8, device="meta"), np.zeros((2, 8, 8, 3), complex)])
def test_a_video_without_real_pixels_is_refused(video):
    with pytest.raises(ValueError, match="has no pixels"):
        LGIFormerVideoProcessor()(video)


@pytest.mark.parametrize("resample", list(Image.Resampling))
@pytest.mark.parametrize("dtype", ["uint8", "int64", "float32"])
def test_all_filters_are_those_of_pillow(resample, dtype):
    video = np.random.default_rng(0).integers(0, 256, (16, 33, 47, 3), np.uint8)
    expected = np.stack([Image.fromarray(frame).resize((8, 8), resample) for frame in video])
    clip = LGIFormerVideoProcessor(sampling_rate=1)(video.astype(dtype), resample=resample, **RAW)["pixel_values"][0]
    assert (clip.permute(0, 2, 3, 1).numpy() == expected).all()
