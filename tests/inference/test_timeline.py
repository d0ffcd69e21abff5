"""Summaries of timelines, their figure, and annotated videos."""

import itertools
from fractions import Fraction

import av
import numpy as np
import pytest
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.text import Text
from PIL import ImageDraw, ImageFont

from lgi_former.hub.answer_kind import AnswerKind
from lgi_former.image_processing import VideoReadError, open_frames
from lgi_former.inference import annotated_video
from lgi_former.inference.annotated_video import annotate_video, draw_legend
from lgi_former.inference.timeline import stretches, summarise
from lgi_former.inference.timeline_figure import curve_style, draw_timeline, label_colours, people_to_draw


def entry(person, start, end, happy, **more):
    return {"person": person, "start": start, "end": end, "scores": {"happy": happy, "sad": 1 - happy}, **more}


ONE_LABEL = AnswerKind("single_label_classification", ["happy", "sad"])
SEVERAL_LABELS = AnswerKind("multi_label_classification", ["happy", "sad"])


def result_of(timeline, duration, **fields):
    result = {"video": None, "duration": duration, "timeline": timeline, **fields}
    return result | summarise(timeline, AnswerKind.of_result(result))


def test_people_are_weighted_by_the_time_in_which_they_are_seen():
    away = summarise(
        [entry(0, 0, 1, 0.8), entry(0, 0.5, 1.5, 0.8), entry(0, 9, 10, 0.8), entry(1, 2, 3, 0.2)], ONE_LABEL
    )
    assert away["scores"]["happy"] == pytest.approx((2.5 * 0.8 + 0.2) / 3.5)


def test_the_short_timeline_does_not_join_over_a_time_without_a_window():
    away = [entry(0, 0, 1, 0.8), entry(0, 0.999, 2, 0.8), entry(0, 6, 7, 0.8)]
    assert [(each["start"], each["end"]) for each in stretches(away, ONE_LABEL)] == [(0, 2), (6, 7)]


def test_a_box_is_not_moved_over_a_cut():
    boxes = [[0.9, 0, 0, 10, 10]], [[1.1, 50, 0, 60, 10]]
    timeline = [entry(0, 0.5, 1.0, 0.8, boxes=boxes[0]), entry(0, 1.0, 1.5, 0.2, boxes=boxes[1])]
    track = annotated_video._Track(result_of(timeline, 2, cuts=[1.0]), 0)
    assert track.corners(0.99)[:2] == pytest.approx([0, 0])
    assert track.corners(1.0)[:2] == pytest.approx([50, 0])
    assert [track.entry(time)["scores"]["happy"] for time in (0.99, 1.0)] == [0.8, 0.2]
    whole = annotated_video._Track(result_of(timeline, 2), 0)
    assert whole.corners(1.0)[:2] == pytest.approx([25, 0])


def test_cuts_are_lines_in_the_timeline():
    result = result_of([entry(0, 0, 4, 0.8)], 4, cuts=[1.5, 3.0])
    figure = draw_timeline(result)
    lines = [line.get_xdata()[0] for line in figure.axes[0].lines if len(set(line.get_xdata())) == 1]
    assert lines == [1.5, 3.0]
    assert "cut" in [text.get_text() for text in figure.legends[0].get_texts()]
    many = draw_timeline(result | {"cuts": [k / 20 for k in range(1, 60)]})
    assert "cut" not in [text.get_text() for text in many.legends[0].get_texts()]


def test_scores_of_people_and_of_the_video_are_means():
    summary = summarise([entry(0, 0, 2, 0.8), entry(0, 2, 4, 0.6), entry(1, 1, 2, 0.2)], ONE_LABEL)
    first, second = summary["people"]
    assert first == {"person": 0, "start": 0, "end": 4, "scores": pytest.approx({"happy": 0.7, "sad": 0.3})}
    assert list(second["scores"]) == ["sad", "happy"]
    assert summary["scores"] == pytest.approx({"happy": (4 * 0.7 + 0.2) / 5, "sad": (4 * 0.3 + 0.8) / 5})
    assert "note" not in summary


def test_a_timeline_without_people_has_a_note():
    assert summarise([], ONE_LABEL) == {
        "scores": None,
        "people": [],
        "note": "No face was found, so there is nothing to classify.",
    }


def test_windows_with_the_same_best_label_become_one_stretch():
    timeline = [entry(0, 0, 2, 0.8), entry(1, 0, 2, 0.9), entry(0, 1, 3, 0.6), entry(0, 2, 4, 0.1)]
    assert stretches(timeline, ONE_LABEL) == [
        {"person": 0, "start": 0, "end": 3, "scores": {"happy": pytest.approx(0.7)}},
        {"person": 0, "start": 2, "end": 4, "scores": {"sad": pytest.approx(0.9)}},
        {"person": 1, "start": 0, "end": 2, "scores": {"happy": pytest.approx(0.9)}},
    ]


def test_windows_with_the_same_labels_above_the_threshold_become_one_stretch():
    scores = [{"happy": 0.9, "sad": 0.6}, {"happy": 0.7, "sad": 0.8}, {"happy": 0.49, "sad": 0.1}]
    timeline = [{"person": 0, "start": time, "end": time + 2, "scores": each} for time, each in enumerate(scores)]
    assert [stretch["scores"] for stretch in stretches(timeline, SEVERAL_LABELS)] == [
        pytest.approx({"happy": 0.8, "sad": 0.7}),
        {},
    ]


def test_the_figure_has_strips_for_six_people():
    result = result_of([entry(person, 0, 10 - person, 0.5) for person in range(8)], 12)
    assert people_to_draw(result) == [0, 1, 2, 3, 4, 5]
    figure = draw_timeline(result, "clip.mp4")
    assert [axes.get_title(loc="left") for axes in figure.axes] == [f"person {number}" for number in range(1, 7)]
    assert {axes.get_ylabel() for axes in figure.axes} == {"score"}
    assert figure.axes[0].get_xlim() == (0, 12) and figure.axes[0].get_yticks().tolist() == [0, 0.5, 1]
    assert [text.get_text() for text in figure.legends[0].get_texts()] == ["happy", "sad", "face not seen"]


def hatched(axes):
    """Start and end of the hatched areas."""
    return [(patch.get_x(), patch.get_x() + patch.get_width()) for patch in axes.patches if patch.get_hatch()]


@pytest.mark.parametrize(
    ("times", "gaps"),
    [
        ([(0, 2), (1, 3), (6, 8), (8, 10)], [(3, 6)]),
        ([(1, 3)], [(0, 1), (3, 10)]),
        ([(0, 4), (1, 2), (3, 10)], []),
        ([(0, 1), (2, 3), (4, 5)], [(1, 2), (3, 4), (5, 10)]),
    ],
)
def test_times_without_the_face_are_hatched_and_interrupt_the_curves(times, gaps):
    figure = draw_timeline(result_of([entry(0, start, end, 0.5) for start, end in times], 10))
    (axes,) = figure.axes
    assert hatched(axes) == gaps
    for line in axes.lines:
        first, last = line.get_xdata()[[0, -1]]
        assert not any(first < start and last > end for start, end in gaps)
    names = [text.get_text() for text in figure.legends[0].get_texts()]
    assert ("face not seen" in names) == bool(gaps)


def test_windows_of_a_long_video_are_averaged_and_the_picture_says_so():
    timeline = [entry(0, start, start + 2.56, start / 600) for start in np.arange(0, 597, 1.28).tolist()]
    (axes,) = draw_timeline(result_of(timeline, 600)).axes
    happy = axes.lines[0]
    assert 30 < len(happy.get_xdata()) < 50
    assert happy.get_ydata() == pytest.approx(happy.get_xdata() / 600, abs=0.02)
    assert axes.get_xlabel() == "time in minutes:seconds\nEach point is a mean over 15 seconds."
    assert axes.xaxis.get_major_formatter()(150) == "2:30"


@pytest.mark.parametrize("num_windows", [1, 2, 9])
def test_marks_stand_at_windows_only(num_windows):
    timeline = [entry(0, start, start + 1.0, 0.3) for start in range(num_windows)]
    (axes,) = draw_timeline(result_of(timeline, num_windows)).axes
    for line in axes.lines[:2]:
        assert line.get_markevery() and set(line.get_markevery()) <= set(range(1, num_windows + 1))


def test_eleven_curves_differ_without_colour():
    styles = [curve_style(index) for index in range(11)]
    assert len({style["marker"] for style in styles}) == 11
    assert len({(style["color"], style["linestyle"]) for style in styles}) == 11


@pytest.mark.parametrize("num_labels", [2, 7, 11])
@pytest.mark.parametrize("people", [1, 6])
def test_nothing_overlaps_and_letters_are_large_on_a_phone(people, num_labels):
    labels = ["helplessness", "disappointment", *map(str, range(9))][:num_labels]
    scores = dict.fromkeys(labels, 1 / num_labels)
    timeline = [{"person": one, "start": one / 9, "end": 1.0, "scores": scores} for one in range(people + 2)]
    figure = draw_timeline(result_of(timeline, 2), title=f"{'long' * 30}.mp4\n{'model' * 30}")
    canvas = FigureCanvasAgg(figure)
    canvas.draw()
    texts = [text for text in figure.findobj(Text) if text.get_text()]
    pixels = 390 / figure.get_figwidth() / 72
    assert min(text.get_fontsize() for text in texts) * pixels > 11
    parts = [figure.legends[0], figure._suptitle, *figure.axes]
    boxes = [part.get_tightbbox(canvas.get_renderer()) for part in parts]
    assert all(box.x0 >= 0 and box.y0 >= 0 and box.x1 <= figure.bbox.width for box in boxes)
    heights = sorted((box.y0, box.y1) for box in boxes)
    assert all(below[1] <= above[0] + 1 for below, above in itertools.pairwise(heights))


def test_the_figure_without_people_has_a_note():
    assert "No face" in draw_timeline(result_of([], 3)).texts[0].get_text()


def windows(**values):
    """Windows of one person with these values over time."""
    rows = [dict(zip(values, row, strict=True)) for row in zip(*values.values(), strict=True)]
    return [{"person": 0, "start": float(time), "end": time + 1.0, "scores": row} for time, row in enumerate(rows)]


@pytest.mark.parametrize("fields", [{}, {"problem_type": "regression"}], ids=["of an earlier version", "regression"])
@pytest.mark.parametrize(
    ("values", "ends", "rule"),
    [
        ({"valence": [-0.4, 0.1], "arousal": [2.0, 1.0]}, (-2, 2), [0]),
        ({"valence": [-3.0], "arousal": [2.0]}, (-3, 3), [0]),
        ({"heart rate": [62.0, 75.0, 70.0]}, (62, 75), []),
        ({"constant": [5.0, 5.0]}, (4.5, 5.5), []),
    ],
)
def test_the_axis_of_quantities_comes_from_their_values(values, ends, rule, fields):
    figure = draw_timeline(result_of(windows(**values), 3, **fields))
    (axes,) = figure.axes
    assert axes.get_ylim() == pytest.approx(
        (ends[0] - 0.06 * (ends[1] - ends[0]), ends[1] + 0.06 * (ends[1] - ends[0]))
    )
    assert [line.get_ydata().tolist()[1:-1] for line in axes.lines] == list(values.values())
    assert [segment[0][1] for lines in axes.collections for segment in lines.get_segments()] == rule
    assert axes.get_ylabel() == "value" and "Values: in the unit of the training labels." in axes.get_xlabel()


def test_quantities_from_0_to_1_are_not_scores():
    (axes,) = draw_timeline(result_of(windows(valence=[0.2, 0.3]), 2, problem_type="regression")).axes
    assert axes.get_ylabel() == "value" and axes.get_ylim() == pytest.approx((0.194, 0.306))


def test_each_unit_has_a_panel_and_fewer_people_are_drawn():
    units = {"valence": "points", "arousal": "points", "heart rate": "beats per minute"}
    values = {"valence": -0.4, "arousal": 0.3, "heart rate": 70.0}
    timeline = [{"person": one, "start": 0.0, "end": 2.0 + one, "scores": values} for one in range(5)]
    figure = draw_timeline(result_of(timeline, 7, problem_type="regression", units=units))
    assert [axes.get_ylabel() for axes in figure.axes] == ["points", "beats per minute"] * 3
    assert [len(axes.lines) for axes in figure.axes] == [2, 1] * 3
    assert figure.axes[0].get_title(loc="left") == "person 3"
    label = figure.axes[-1].get_xlabel()
    assert "2 more people are seen for less time" in label and "training labels" not in label


def test_labels_that_do_not_exclude_each_other_have_a_line_at_the_threshold():
    timeline = windows(happy=[0.9, 0.8], sad=[0.7, 0.1])
    (axes,) = draw_timeline(result_of(timeline, 2, problem_type="multi_label_classification")).axes
    assert axes.get_ylabel() == "score" and axes.get_yticks().tolist() == [0, 0.5, 1]
    assert axes.collections[0].get_segments()[0].tolist() == [[0, 0.5], [2, 0.5]]
    (axes,) = draw_timeline(result_of(windows(happy=[0.9, 0.8], sad=[0.1, 0.2]), 2)).axes
    assert not axes.collections


def test_eleven_labels_have_eleven_colours():
    assert len(set(label_colours(range(11)).values())) == 11


def read_video(path):
    with av.open(str(path)) as container:
        frames = [(frame.time, frame.to_ndarray(format="rgb24")) for frame in container.decode(video=0)]
    return zip(*frames, strict=True)


def test_the_annotated_video_shows_boxes_labels_and_strips(people_video, tmp_path):
    video = people_video({80: (0, 49)}, count=50)
    boxes = [[time, 75 + 20 * time, 15, 125 + 20 * time, 65] for time in np.arange(0, 1, 0.16)]
    result = result_of([entry(0, 0, 1, 0.8, boxes=boxes)], 2)
    annotate_video(video, result, tmp_path / "out.mp4")
    times, images = read_video(tmp_path / "out.mp4")
    assert times == pytest.approx(np.arange(50) / 25, abs=2e-3)
    height, width, _ = images[0].shape
    assert width == 240 and height > 80 + 32
    colour = np.array(label_colours(["happy", "sad"])["happy"]) * 255

    def is_coloured(image, y, x, tolerance=60):
        return abs(image[y, x].astype(int) - colour).max() < tolerance

    assert is_coloured(images[0], 64, 100) and is_coloured(images[20], 64, 100)  # the lower edge of the box
    assert is_coloured(images[20], 50, 91) and not is_coloured(images[0], 50, 91)  # the left edge has moved
    assert not is_coloured(images[40], 64, 100)  # gone after a second
    assert is_coloured(images[0], 80 + 24, 60) and not is_coloured(images[0], 80 + 24, 200)  # the strip's end
    assert (images[25][80:100, 118:122] < 60).all(axis=(0, 2)).any()  # the line at the current time
    assert list(tmp_path.iterdir()) == [tmp_path / "out.mp4"]


def test_the_annotated_video_shows_the_rotated_box(tmp_path):
    boxes = [[time, 60, 40, 120, 100] for time in (0.0, 0.16)]
    pictures = []
    for angles in ([45, 45], [179, -179]):
        result = result_of([entry(0, 0, 0.2, 0.8, boxes=boxes, angles=angles)], 0.2)
        annotate_video(np.full((5, 140, 240, 3), 20, np.uint8), result, tmp_path / "out.mp4")
        _, images = read_video(tmp_path / "out.mp4")
        pictures.append(images[2].max(axis=-1))
    corner, edge = (111, 90), (99, 90)  # the lower corner of a square on its tip, the lower edge of an upright square
    bright = [(bool(picture[corner] > 60), bool(picture[edge] > 60)) for picture in pictures]
    assert bright == [(True, False), (False, True)]  # between 179 and -179 degrees lies 180


@pytest.mark.parametrize(
    ("fields", "values", "text"),
    [
        ({"problem_type": "single_label_classification"}, {"happy": 0.8, "sad": 0.2}, "person 1: happy 0.80"),
        ({"problem_type": "multi_label_classification"}, {"happy": 0.8, "sad": 0.7}, "person 1: happy 0.80\nsad 0.70"),
        ({"problem_type": "multi_label_classification"}, {"happy": 0.2, "sad": 0.1}, "person 1: none reaches 50%"),
        ({"problem_type": "regression"}, {"valence": -0.351, "arousal": 7.0}, "person 1: valence -0.35\narousal 7.00"),
        ({"problem_type": "regression"}, {"valence": 0.00123}, "person 1: valence 0.0012"),
        (
            {"problem_type": "regression"},
            dict.fromkeys("abcdef", 0.5),
            "person 1: a 0.50\nb 0.50\nc 0.50\nd 0.50\nand 2 more",
        ),
    ],
)
def test_the_annotated_video_shows_the_answer_of_each_kind(fields, values, text, tmp_path, monkeypatch):
    texts = []
    draw_text = ImageDraw.ImageDraw.text
    monkeypatch.setattr(
        ImageDraw.ImageDraw,
        "text",
        lambda self, place, text, *rest, **options: (
            texts.append(text) or draw_text(self, place, text, *rest, **options)
        ),
    )
    result = result_of([{"person": 0, "start": 0.0, "end": 0.2, "scores": values}], 0.2, **fields)
    annotate_video(np.full((5, 240, 640, 3), 90, np.uint8), result, tmp_path / "out.mp4")
    assert text in texts and set(values) <= set(texts)
    annotate_video(np.full((5, 240, 64, 3), 90, np.uint8), result, tmp_path / "narrow.mp4")
    assert texts[-1].count("\n") > text.count("\n")


def test_without_boxes_the_label_is_in_the_corner(tmp_path):
    video = np.full((5, 51, 61, 3), 90, np.uint8)
    annotate_video(video, result_of([entry(0, 0, 0.2, 0.8)], 0.2), tmp_path / "out.mp4")
    _, images = read_video(tmp_path / "out.mp4")
    assert images[0].shape[0] % 2 == images[0].shape[1] % 2 == 0
    assert abs(images[0][:20, :40].astype(int) - 90).max() > 60


@pytest.mark.parametrize("name", ["out.gif", "out.mpg", "out.ts", "out.mp3", "out.txt", "missing/out.mp4"])
def test_another_container_is_refused_with_the_list_of_containers(name, tmp_path):
    with pytest.raises(OSError, match=rf"/{name}' cannot be written as a video .*\.mp4, \.mkv, \.webm, \.avi"):
        annotate_video(np.zeros((3, 64, 64, 3), np.uint8), result_of([], 0.12), tmp_path / name)
    assert list(tmp_path.iterdir()) == []


def write_pictures(path, times, sizes):
    """Write a video whose frames have these times in milliseconds and these sizes."""
    with av.open(str(path), "w") as container:
        stream = container.add_stream("mjpeg", rate=25)
        stream.height, stream.width, stream.pix_fmt = *sizes[0], "yuvj420p"
        for time, (height, width) in zip(times, sizes, strict=True):
            encoder = av.CodecContext.create("mjpeg", "w")
            encoder.height, encoder.width, encoder.pix_fmt = height, width, "yuvj420p"
            encoder.time_base = Fraction(1, 25)
            picture = av.VideoFrame.from_ndarray(np.full((height, width, 3), 90, np.uint8), format="rgb24")
            (encoded, *_) = [*encoder.encode(picture), *encoder.encode()]
            packet = av.Packet(bytes(encoded))
            packet.stream, packet.time_base, packet.is_keyframe = stream, Fraction(1, 1000), True
            packet.pts = packet.dts = time
            container.mux(packet)
    return path


@pytest.mark.parametrize("suffix", [".mp4", ".mkv"])
def test_a_video_of_changing_size_and_rate_is_annotated_with_its_times(suffix, tmp_path):
    times = [0, 33, 66, 99, 199, 299, 399]
    video = write_pictures(tmp_path / "a.mkv", times, [(64, 96)] * 3 + [(128, 192)] * 4)
    annotate_video(video, result_of([], 0.5), tmp_path / f"out{suffix}")
    with open_frames(tmp_path / f"out{suffix}") as stream:
        frames = [(frame.time, frame.image) for frame in stream]
    assert [time for time, _ in frames] == pytest.approx([time / 1000 for time in times], abs=2e-3)
    assert stream.passed == pytest.approx(0.499, abs=5e-3)
    assert {image.shape for _, image in frames} == {(64, 96, 3)}


@pytest.mark.parametrize("suffix", [".mkv", ".webm", ".avi", ".mov"])
def test_the_other_containers_are_written(suffix, tmp_path):
    annotate_video(np.zeros((3, 64, 64, 3), np.uint8), result_of([], 0.12), tmp_path / f"out{suffix}")
    _, images = read_video(tmp_path / f"out{suffix}")
    assert len(images) == 3


def test_a_video_that_cannot_be_read_leaves_no_file(tmp_path):
    with pytest.raises(VideoReadError):
        annotate_video(tmp_path / "missing.mp4", result_of([], 0), tmp_path / "out.mp4")
    assert list(tmp_path.iterdir()) == []


LONG_NAMES = [f"a rather long name of an expression, number {number}" for number in range(11)]


@pytest.mark.parametrize("labels", [["happy"], LONG_NAMES])
def test_the_legend_is_shown_in_full(labels):
    scores = dict.fromkeys(labels, 1 / len(labels))
    timeline = [{"person": 0, "start": 0.0, "end": 1.0, "scores": scores}]
    figure = draw_timeline({"duration": 1.0, "people": timeline, "timeline": timeline})
    FigureCanvasAgg(figure).draw()
    (legend,) = figure.legends
    box = legend.get_window_extent()
    assert box.x0 >= 0 and box.y0 >= 0 and box.x1 <= figure.bbox.width and box.y1 <= figure.bbox.height
    assert [text.get_text() for text in legend.get_texts()] == labels


def test_the_legend_of_a_narrow_video_has_more_rows():
    colours = label_colours(["anger", "helplessness", "disappointment"])
    wide, narrow = draw_legend(colours, 640), draw_legend(colours, 130)
    assert (wide.width, narrow.width) == (640, 130) and narrow.height == 3 * wide.height


def test_the_legend_breaks_names_that_are_wider_than_the_video(monkeypatch):
    texts = []
    monkeypatch.setattr(
        ImageDraw.ImageDraw, "text", lambda self, place, text, *rest, **options: texts.append((place, text))
    )
    names = ["happy", "an expression with forty letters in it", "x" * 40, "sad"]
    legend = draw_legend(label_colours(names), 120)
    font = ImageFont.load_default(12)
    assert all(place[0] + font.getlength(text) <= 120 and place[1] < legend.height for place, text in texts)
    assert "".join(text.replace(" ", "") for _, text in texts) == "".join(names).replace(" ", "")
    assert len({place for place, _ in texts}) == len(texts)


def test_a_small_video_is_enlarged_with_its_boxes(tmp_path):
    boxes = [[time, 12, 16, 36, 40] for time in (0, 0.1, 0.2)]
    video = np.full((5, 48, 60, 3), 90, np.uint8)
    annotate_video(video, result_of([entry(0, 0, 0.2, 0.8, boxes=boxes)], 0.2), tmp_path / "out.mp4")
    _, images = read_video(tmp_path / "out.mp4")
    height, width, _ = images[0].shape
    assert width == 240 and height > 192
    changed = np.abs(images[0][:192].astype(int) - 90).max(axis=-1) > 30
    assert changed[100, 46:52].any() and changed[157:163, 90].any() and not changed[100:150, 60:130].any()


def test_a_long_name_does_not_cover_the_face(tmp_path):
    names = [f"an expression with forty letters in it {letter}" for letter in "ab"]
    boxes = [[time, 110, 60, 210, 200] for time in (0, 0.1, 0.2)]
    timeline = [{"person": 0, "start": 0.0, "end": 0.2, "scores": dict(zip(names, (0.6, 0.4), strict=True))}]
    timeline[0]["boxes"] = boxes
    annotate_video(np.full((5, 240, 320, 3), 90, np.uint8), result_of(timeline, 0.2), tmp_path / "out.mp4")
    _, images = read_video(tmp_path / "out.mp4")
    assert np.abs(images[0][64:196, 114:206].astype(int) - 90).max() < 40  # inside the box
    assert np.abs(images[0][40:56, 114:206].astype(int) - 90).max() > 60  # above it


def test_curves_that_coincide_have_different_widths():
    same = [0.2, 0.3]
    values = windows(happy=same, sad=[0.9, 0.8], neutral=same, angry=[0.2, 0.304])
    (axes,) = draw_timeline(result_of(values, 2, problem_type="multi_label_classification")).axes
    happy, sad, neutral, angry = (line.get_linewidth() for line in axes.lines)
    assert happy > neutral > angry == sad
    (axes,) = draw_timeline(result_of(windows(valence=[100, 200.0], arousal=[103, 200.0]), 2)).axes
    assert axes.lines[0].get_linewidth() == axes.lines[1].get_linewidth()


@pytest.mark.parametrize(("people", "note"), [(6, ""), (7, "\n1 more person is"), (9, "\n3 more people are")])
def test_people_who_are_not_drawn_are_counted(people, note):
    figure = draw_timeline(result_of([entry(person, 0, 1 + person, 0.5) for person in range(people)], people))
    label = figure.axes[-1].get_xlabel()
    assert label.startswith(f"time in seconds{note}") and bool(note) == ("not drawn" in label)


@pytest.mark.parametrize("is_share", [True, False])
def test_every_class_name_is_in_the_legend(is_share):
    names = ["_neutral", "a $5 smile", "$\\nonsense$"]
    scores = dict.fromkeys(names, 1 / 3 if is_share else 2.0)
    timeline = [{"person": 0, "start": 0, "end": 1, "scores": scores}]
    figure = draw_timeline(result_of(timeline, 1), title="caf\udce9 $\\nonsense$.mp4")
    FigureCanvasAgg(figure).draw()
    shown = [text.get_text().strip().replace("\\$", "$") for text in figure.legends[0].get_texts()]
    assert shown == names
    assert figure.get_suptitle() == "caf\\udce9 \\$\\nonsense\\$.mp4"
