"""The pipeline for whole videos: people, times, scores, inputs, and memory for long videos."""

import gc
import json
import math
import weakref
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest
import torch
from PIL import Image
from transformers import (
    VideoMAEConfig,
    VideoMAEForVideoClassification,
    VideoMAEVideoProcessor,
    VJEPA2VideoProcessor,
    pipeline,
)

from lgi_former import FacialExpressionPipeline, extras
from lgi_former.hub.answer_kind import answers_of
from lgi_former.image_processing import FaceCropper, FacesExtraMissingError
from lgi_former.image_processing.decoding import frame_stream, pyav_decoding
from lgi_former.image_processing.faces.face_alignment import MEAN_LANDMARKS
from lgi_former.inference import predict_video


def windows_of(result, person=0):
    return [(entry["start"], entry["end"]) for entry in result["timeline"] if entry["person"] == person]


def test_transformers_has_the_task(tiny_model, tiny_processor, tmp_path):
    tiny_model().save_pretrained(tmp_path)
    tiny_processor().save_pretrained(tmp_path)
    loaded = pipeline("facial-expression-recognition", model=str(tmp_path), device="cpu", crop_faces=False)
    assert type(loaded) is FacialExpressionPipeline
    assert set(loaded(np.zeros((16, 32, 32, 3), np.uint8))["scores"]) == {"happy", "sad", "neutral"}


def test_a_saved_pipeline_gives_the_same_result(recognise, people_video, tmp_path):
    recognise.save_pretrained(tmp_path)
    loaded = pipeline("facial-expression-recognition", model=str(tmp_path), device="cpu")
    video = people_video({80: (0, 99)})
    assert loaded(video, crop_faces=False) == recognise(video, crop_faces=False)


def test_a_person_has_a_timeline_and_scores(recognise, people_video):
    result = recognise(people_video({80: (0, 99)}))
    assert windows_of(result) == [(pytest.approx(0.32 * k), pytest.approx(0.32 * k + 0.64)) for k in range(11)] + [
        (pytest.approx(3.36), pytest.approx(4.0))
    ]
    assert result["duration"] == 4
    (person,) = result["people"]
    assert (person["person"], person["start"], person["end"]) == (0, 0, 4)
    mean = np.mean([list(entry["scores"].values()) for entry in result["timeline"]], axis=0)
    labels = ("happy", "sad", "neutral")
    assert [result["scores"][label] for label in labels] == pytest.approx(mean)
    assert list(result["scores"].values()) == sorted(result["scores"].values(), reverse=True)
    assert [sum(entry["scores"].values()) for entry in result["timeline"]] == pytest.approx([1] * 12)
    assert json.loads(json.dumps(result)) == result


def shots_of(people_video):
    """Two shots of two seconds with the same person in the same place. The picture is negative in the second."""
    noise = np.random.default_rng(0).integers(0, 60, (80, 240, 3), np.uint8)
    first = np.maximum(people_video({80: (0, 49)}, count=50), noise)
    second = 255 - np.maximum(people_video({}, count=50), noise)
    second[:, 20:60, 80:120] = 200
    second[:, 40, ::2] -= 150  # the detector finds squares only where this row is bright
    second[:, 40, 80:120] = 200
    return np.concatenate([first, second])


@pytest.mark.parametrize("crop_faces", [True, False])
def test_no_window_goes_over_a_cut(recognise, people_video, crop_faces):
    video = shots_of(people_video)
    result = recognise(video, crop_faces=crop_faces)
    assert result["cuts"] == [2.0]
    assert all(entry["end"] <= 2.0 or entry["start"] >= 2.0 for entry in result["timeline"])
    assert max(entry["end"] for entry in result["timeline"] if entry["start"] < 2) == 2.0
    joined = recognise(video, crop_faces=crop_faces, cuts=False)
    assert joined["cuts"] == []
    assert any(entry["start"] < 2.0 < entry["end"] for entry in joined["timeline"])


def test_identification_needs_faces(recognise, people_video):
    with pytest.raises(ValueError, match="crop_faces"):
        recognise(people_video({80: (0, 9)}, count=10), crop_faces=False, identify=True)


def test_each_person_has_a_timeline(recognise, people_video):
    result = recognise(people_video({0: (0, 99), 160: (50, 99)}))
    assert [person["person"] for person in result["people"]] == [0, 1]
    assert windows_of(result, 1)[0][0] == pytest.approx(2.08)  # the first time at which faces are detected
    assert result["people"][1]["end"] == 4
    assert result["timeline"] == sorted(result["timeline"], key=lambda entry: (entry["start"], entry["person"]))


def test_the_timeline_ends_when_a_person_leaves(recognise, people_video):
    result = recognise(people_video({80: (0, 40)}))
    assert 1.4 < result["people"][0]["end"] < 1.8


def test_a_video_without_people_has_a_note(recognise, people_video):
    result = recognise(people_video({}))
    assert (result["scores"], result["people"], result["timeline"]) == (None, [], [])
    assert "No face was found" in result["note"]


def test_the_model_gets_only_the_face(recognise, people_video):
    face = people_video({80: (0, 99)})
    beside = face.copy()
    beside[:, :, 150:] = np.random.default_rng(0).integers(0, 90, beside[:, :, 150:].shape, dtype=np.uint8)
    assert recognise(beside)["timeline"] == recognise(face)["timeline"]


def test_a_window_of_whole_frames_gives_the_scores_of_the_papers_evaluation(recognise, people_video):
    video = people_video({80: (0, 15)}, count=16)
    expected = predict_video(recognise.model, recognise.video_processor, video).scores
    assert recognise(video, crop_faces=False)["scores"] == pytest.approx(expected, abs=1e-6)


def test_batches_give_the_same_scores(recognise, people_video):
    video = people_video({0: (0, 99), 160: (30, 99)})
    one_at_a_time = recognise(video, batch_size=1)["timeline"]
    batched = recognise(video, batch_size=6)["timeline"]
    assert len(batched) == 20
    for first, second in zip(one_at_a_time, batched, strict=True):
        assert first["scores"] == pytest.approx(second["scores"], abs=1e-6)
        assert {**first, "scores": None} == {**second, "scores": None}


@pytest.mark.parametrize(
    ("settings", "expected"),
    [
        ({"window": 2.0}, [(0, 2), (1, 3), (2, 4)]),
        ({"window": 2.0, "stride": 2.0}, [(0, 2), (2, 4)]),
        ({"window": 2.0, "stride": 1.4}, [(0, 2), (1.5, 3.5), (2, 4)]),  # rounded to the step of half a second
        ({"window": 10.0}, [(0, 4)]),
    ],
)
def test_windows_are_set_in_seconds(settings, expected, recognise, people_video):
    result = recognise(people_video({80: (0, 99)}), crop_faces=False, **settings)
    assert windows_of(result) == expected


def test_a_window_that_would_take_hours_is_refused(recognise, people_video):
    with pytest.raises(ValueError, match=r"window=1e-09 is too short for 4 frames. Give at least 0.004 s."):
        recognise(people_video({}), window=1e-9)


@pytest.mark.parametrize("window", [3.0, 6.0])
def test_faces_are_followed_in_long_windows(window, recognise, people_video):
    result = recognise(people_video({80: (0, 199)}, count=200), window=window)  # a frame every 0.75 or 1.5 seconds
    assert [person["person"] for person in result["people"]] == [0]
    assert result["people"][0]["end"] == 8


def test_the_frame_rate_makes_no_difference(recognise, people_video):
    video = people_video({80: (0, 99)})
    faster = np.repeat(video, 2, axis=0)
    assert recognise(faster, frame_rate=50)["timeline"] == recognise(video)["timeline"]


def test_settings_of_the_pipeline_hold_for_all_calls(tiny_model, tiny_processor, people_video):
    recognise = FacialExpressionPipeline(
        model=tiny_model(), video_processor=tiny_processor(), device="cpu", crop_faces=False, window=2.0
    )
    assert len(recognise(people_video({}))["timeline"]) == 3
    assert len(recognise(people_video({}), window=4.0)["timeline"]) == 1


@pytest.mark.parametrize("problem_type", [None, "multi_label_classification", "regression"])
@pytest.mark.parametrize(
    ("count", "windows"), [(28, [[0, 1, 2, 3], [2, 3, 4, 5], [3, 4, 5, 6]]), (10, [[0, 1, 2, 2]])]
)
def test_frames_of_a_frame_level_model_have_the_mean_over_their_windows(
    count, windows, problem_type, tiny_model, tiny_processor, people_video
):
    model = tiny_model(frame_level=True, problem_type=problem_type)
    recognise = FacialExpressionPipeline(model=model, video_processor=tiny_processor(), device="cpu")
    video = people_video({80: (0, count - 1)}, count=count)
    sampled = torch.from_numpy(video[::4]).movedim(-1, 1)
    by_frame = {}
    for window in windows:
        clip = recognise.video_processor(sampled[window], do_sample_frames=False, return_tensors="pt")["pixel_values"]
        with torch.no_grad():
            scores = answers_of(model(pixel_values=clip).logits[0], recognise.kind.problem_type)
        for frame in set(window):
            by_frame.setdefault(frame, []).append(scores[window.index(frame)].tolist())
    timeline = recognise(video, crop_faces=False, batch_size=2)["timeline"]
    assert [entry["start"] for entry in timeline] == pytest.approx([0.16 * frame for frame in sorted(by_frame)])
    assert [entry["end"] for entry in timeline[:-1]] == [entry["start"] for entry in timeline[1:]]
    assert timeline[-1]["end"] == count / 25
    for frame, entry in enumerate(timeline):
        assert list(entry["scores"].values()) == pytest.approx(np.mean(by_frame[frame], axis=0), abs=1e-6)


def test_frames_of_two_people_are_not_mixed(tiny_model, tiny_processor, people_video, square_detector):
    recognise = FacialExpressionPipeline(
        model=tiny_model(frame_level=True),
        video_processor=tiny_processor(),
        face_cropper=FaceCropper(square_detector),
        device="cpu",
        return_boxes=True,
    )
    both = recognise(people_video({0: (0, 99), 160: (0, 60)}))
    alone = recognise(people_video({0: (0, 99)}))
    assert [entry for entry in both["timeline"] if entry["person"] == 0] == alone["timeline"]
    assert all(len(entry["boxes"]) == 1 and entry["boxes"][0][0] == entry["start"] for entry in both["timeline"])
    assert both["people"][1]["end"] < 3


@pytest.mark.parametrize(
    ("fields", "kind"),
    [
        ({}, {"problem_type": "single_label_classification"}),
        ({"problem_type": "multi_label_classification"}, {"problem_type": "multi_label_classification"}),
        ({"problem_type": "regression"}, {"problem_type": "regression"}),
        ({"id2label": {0: "valence"}}, {"problem_type": "regression"}),
    ],
)
def test_a_result_says_what_its_numbers_are(fields, kind, tiny_model, tiny_processor, people_video):
    model = tiny_model(**fields)
    recognise = FacialExpressionPipeline(model=model, video_processor=tiny_processor(), device="cpu", crop_faces=False)
    result = recognise(people_video({}))
    assert {name: result[name] for name in ("problem_type", "units") if name in result} == kind
    labels = list(model.config.id2label.values())
    in_order = (
        sorted(labels, key=result["scores"].get, reverse=True) if kind["problem_type"] != "regression" else labels
    )
    assert list(result["scores"]) == in_order


def test_boxes_are_returned_with_the_option(recognise, people_video):
    assert "boxes" not in recognise(people_video({80: (0, 99)}))["timeline"][0]
    entry = recognise(people_video({80: (0, 99)}), return_boxes=True)["timeline"][1]
    times, *edges = np.transpose(entry["boxes"])
    assert times.tolist() == pytest.approx([0.32, 0.48, 0.64, 0.8])
    assert np.transpose(edges).tolist() == [pytest.approx([74, 14, 126, 66])] * 4  # 1.3 times the square


@pytest.mark.parametrize(
    ("settings", "angle"), [({}, 30), ({"align": True}, 30), ({"align": False}, 0)], ids=["default", "on", "off"]
)
def test_faces_are_aligned_unless_it_is_switched_off(
    settings, angle, tiny_model, tiny_processor, people_video, square_detector
):
    def detect(image):
        faces = square_detector(image)
        centre = (faces[:, 0] + 20 + 40j)[:, None]
        points = centre + 40 * np.exp(1j * np.radians(30)) * MEAN_LANDMARKS
        return np.column_stack([faces, np.stack([points.real, points.imag], axis=-1).reshape(-1, 10)])

    parts = {"model": tiny_model(), "video_processor": tiny_processor(), "device": "cpu"}
    video = people_video({80: (0, 99)})
    for recognise in (
        FacialExpressionPipeline(**parts, face_cropper=FaceCropper(detect), return_boxes=True, **settings),
        FacialExpressionPipeline(**parts, face_cropper=FaceCropper(detect, **settings), return_boxes=True),
    ):
        result = recognise(video)
        assert all(entry["angles"] == [angle] * 4 == [angle] * len(entry["boxes"]) for entry in result["timeline"])
        unaligned = recognise(video, align=False)
        assert (result["scores"] == unaligned["scores"]) == (angle == 0)  # the crop is what the box shows


def test_whole_frames_are_not_aligned(recognise, people_video):
    with pytest.raises(ValueError, match="leave out crop_faces=False or align=True"):
        recognise(people_video({}), crop_faces=False, align=True)


# Inputs


def write_video(path, frames, frame_rate=25):
    with av.open(str(path), "w") as container:
        stream = container.add_stream("mpeg4", rate=frame_rate)
        stream.height, stream.width = frames.shape[1:3]
        stream.pix_fmt, stream.bit_rate = "yuv420p", 4_000_000
        for frame in frames:
            container.mux(stream.encode(av.VideoFrame.from_ndarray(frame, format="rgb24")))
        container.mux(stream.encode())
    return str(path)


def test_the_missing_end_of_a_file_is_in_the_result(recognise, people_video, tmp_path):
    video = write_video(tmp_path / "a.avi", people_video({80: (0, 99)}))
    assert "note" not in recognise(video)
    content = Path(video).read_bytes()
    Path(video).write_bytes(content[: len(content) * 2 // 3])
    result = recognise(video)
    assert result["note"].startswith(f"'{video}' is cut off: its header announces 100 frames")
    assert 1 < result["duration"] < 3.6
    assert result["timeline"][-1]["end"] == result["duration"]


@pytest.mark.parametrize("count", [60, 61, 63])
@pytest.mark.parametrize("crop_faces", [True, False])
def test_the_last_window_ends_with_the_last_frame_of_a_variable_rate(
    crop_faces, count, recognise, people_video, tmp_path
):
    times = [33 * index for index in range(40)] + [1320 + 100 * index for index in range(count - 40)]
    with av.open(str(tmp_path / "a.mkv"), "w") as container:
        stream = container.add_stream("libx264", rate=25, options={"bf": "2"})
        stream.height, stream.width, stream.pix_fmt = 80, 240, "yuv420p"
        stream.codec_context.time_base = Fraction(1, 1000)
        for pixels, time in zip(people_video({80: (0, count - 1)}, count=count), times, strict=True):
            frame = av.VideoFrame.from_ndarray(pixels, format="rgb24")
            frame.pts, frame.time_base = time, Fraction(1, 1000)
            container.mux(stream.encode(frame))
        container.mux(stream.encode())
    result = recognise(tmp_path / "a.mkv", crop_faces=crop_faces)
    assert result["duration"] == pytest.approx(times[-1] / 1000 + 0.1, abs=2e-3)
    assert result["timeline"][-1]["end"] == result["duration"]


def test_files_folders_arrays_and_images_are_videos(recognise, people_video, tmp_path):
    frames = people_video({80: (0, 39)}, count=40)
    (tmp_path / "frames").mkdir()
    for index, frame in enumerate(frames):
        Image.fromarray(frame).save(tmp_path / "frames" / f"{index:03d}.png")
    array, folder, images = (
        recognise(video) for video in (frames, tmp_path / "frames", [Image.fromarray(frame) for frame in frames])
    )
    assert array["timeline"] == folder["timeline"] == images["timeline"]
    assert (array["video"], folder["video"]) == (None, str(tmp_path / "frames"))
    file = recognise(write_video(tmp_path / "a.mp4", frames))
    assert windows_of(file) == windows_of(array)
    assert file["scores"] == pytest.approx(array["scores"], abs=0.05)
    single = recognise(frames[0])
    assert windows_of(single) == [(0, 0.04)]


def test_lists_give_lists_and_generators_iterators(recognise, people_video):
    first, second = people_video({80: (0, 39)}, count=40), people_video({}, count=40)
    results = recognise([first, second])
    assert [len(result["people"]) for result in results] == [1, 0]
    assert recognise(np.stack([first, second])) == results
    lazy = recognise(video for video in (first, None))
    assert next(lazy) == results[0]
    assert recognise([]) == []


@pytest.mark.parametrize("value", [0, -1.0, math.inf, math.nan, "2", True])
@pytest.mark.parametrize("setting", ["window", "stride", "frame_rate"])
def test_impossible_settings_are_refused(setting, value, recognise):
    with pytest.raises(ValueError, match=f"{setting}={value!r} must be"):
        recognise("a.mp4", **{setting: value})


@pytest.mark.parametrize("value", [0, -1, 2.0, "2", True])
def test_impossible_batch_sizes_are_refused(value, recognise, people_video):
    with pytest.raises(ValueError, match=f"batch_size={value!r} must be"):
        recognise(people_video({}), batch_size=value)
    with pytest.raises(ValueError, match=f"batch_size={value!r} must be"):
        FacialExpressionPipeline(model=recognise.model, video_processor=recognise.video_processor, batch_size=value)


# Models and processors of other families


def tiny_videomae(**fields):
    sizes = {"hidden_size": 32, "num_hidden_layers": 1, "num_attention_heads": 2, "intermediate_size": 32}
    return VideoMAEForVideoClassification(VideoMAEConfig(image_size=32, num_frames=4, **sizes, **fields)).eval()


def test_videomae_works_with_its_processor(people_video, square_detector):
    processor = VideoMAEVideoProcessor(size={"shortest_edge": 32}, crop_size={"height": 32, "width": 32})
    recognise = FacialExpressionPipeline(
        model=tiny_videomae(), video_processor=processor, face_cropper=FaceCropper(square_detector), device="cpu"
    )
    video = people_video({80: (0, 39)}, count=40)
    assert windows_of(recognise(video))[0] == (0, 0.64)  # 4 frames, 4 apart, as with this package's processor
    assert windows_of(recognise(video, crop_faces=False))[0] == (0, 0.64)


def test_a_processor_with_other_inputs_is_refused():
    with pytest.raises(ValueError, match=r"VJEPA2VideoProcessor .* an LGIFormerVideoProcessor"):
        FacialExpressionPipeline(model=tiny_videomae(), video_processor=VJEPA2VideoProcessor(), device="cpu")


def test_cropping_faces_needs_the_extra(tiny_model, tiny_processor, monkeypatch):
    monkeypatch.setitem(extras.MODULES, "faces", ("no_such_package",))
    recognise = FacialExpressionPipeline(model=tiny_model(), video_processor=tiny_processor(), device="cpu")
    with pytest.raises(FacesExtraMissingError, match="crop_faces=False"):
        recognise(np.zeros((4, 32, 32, 3), np.uint8))


# Long videos


@pytest.fixture
def decoding(monkeypatch):
    """Counts decoded frames, and the most frames that are in memory at one time."""

    class Decoding:
        num_decoded, most_held, held = 0, 0, weakref.WeakSet()

    class CountedFrame(frame_stream.TimedFrame):
        def __init__(self, index, time, read):
            super().__init__(index, time, read)
            if getattr(read, "func", read).__name__ == "_pixels":  # of a video file
                Decoding.num_decoded += 1
                Decoding.held.add(self)
                gc.collect(0)
                Decoding.most_held = max(Decoding.most_held, len(Decoding.held))

    monkeypatch.setattr(frame_stream, "TimedFrame", CountedFrame)
    return Decoding


@pytest.mark.parametrize("seconds", [20, 60])
def test_frames_are_decoded_once_and_few_are_in_memory(seconds, recognise, people_video, decoding, tmp_path):
    frames = people_video({80: (0, 10 * seconds - 1)}, count=10 * seconds)
    video = write_video(tmp_path / "a.mp4", frames, frame_rate=10)
    result = recognise(video)
    assert result["people"][0]["end"] == seconds
    assert decoding.num_decoded == 10 * seconds
    assert decoding.most_held <= 20  # 1.6 seconds until boxes are final, and frames in the queue


def test_a_stream_yields_windows_while_the_video_is_read(recognise, people_video, decoding, tmp_path):
    video = write_video(tmp_path / "a.mp4", people_video({80: (0, 199)}, count=200), frame_rate=10)
    entries = recognise.stream(video, batch_size=2)
    first, second = next(entries), next(entries)
    assert (first["start"], second["start"]) == (0, pytest.approx(0.32))
    assert decoding.num_decoded < 40
    assert [first, second, *entries] == recognise(video, batch_size=2)["timeline"]


def test_closing_a_stream_closes_the_file(recognise, people_video, tmp_path, monkeypatch):
    containers = []

    def open_and_keep(path, open_file=pyav_decoding.open_with_pyav):
        containers.append(open_file(path))
        return containers[0]

    monkeypatch.setattr(pyav_decoding, "open_with_pyav", open_and_keep)
    entries = recognise.stream(write_video(tmp_path / "a.mp4", people_video({80: (0, 99)})), batch_size=1)
    next(entries)
    entries.close()
    with pytest.raises(AssertionError, match="not open"):
        next(containers[0].decode(video=0))


def test_scores_that_are_not_finite_are_refused(recognise, people_video):
    with torch.no_grad():
        recognise.model.classifier.weight.fill_(math.nan)
    with pytest.raises(ValueError, match="not finite"):
        recognise(people_video({80: (0, 39)}, count=40))


# How videos are read


def test_videos_are_read_with_settings_of_the_processor_or_the_call(tiny_model, tiny_processor, tmp_path, monkeypatch):
    settings = []
    open_video = frame_stream.open_frames

    def counted(video, **reading):
        settings.append((reading["backend"], reading["frame_order"]))
        return open_video(video, **reading)

    monkeypatch.setattr("lgi_former.inference.pipeline.open_frames", counted)
    Image.new("RGB", (32, 32)).save(tmp_path / "1.png")
    plain, own = tiny_processor(), tiny_processor(backend="decord", frame_order="name")
    for processor in (plain, own):
        recognise = FacialExpressionPipeline(
            model=tiny_model(), video_processor=processor, device="cpu", crop_faces=False
        )
        recognise(tmp_path)
        recognise(tmp_path, backend="pyav", frame_order="natural")
        list(recognise.stream(tmp_path, frame_order="name"))
    assert settings == [
        *[(None, "natural"), ("pyav", "natural"), (None, "name")],
        *[("decord", "name"), ("pyav", "natural"), ("decord", "name")],
    ]
    for changed, message in (({"backend": "opencv"}, "backend='opencv'"), ({"frame_order": "x"}, "frame_order='x'")):
        with pytest.raises(ValueError, match=message):
            recognise(tmp_path, **changed)
