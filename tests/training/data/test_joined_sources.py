"""Several sources as one data set."""

import functools

import pytest
from datasets import ClassLabel, Value

from lgi_former.commands.cli import main
from lgi_former.training.data.classes import check_classes_to_train
from lgi_former.training.data.joined_sources import mixed_order, open_joined
from lgi_former.training.data.labels import AnnotationError
from lgi_former.training.data.read_labels import task_of_videos
from lgi_former.training.run.run_data import open_videos


@pytest.fixture
def join(tmp_path):
    """`join(*lists, label_names=None)`: lists in separate folders, each beside its videos."""

    def open_lists(*lists, label_names=None, start=0, **options):
        sources = []
        for number, text in enumerate(lists, start):
            folder = tmp_path / str(number)
            folder.mkdir()
            for line in text.splitlines():
                (folder / line.replace(",", " ").split()[0]).touch()
            (folder / "list.txt").write_text(text)
            sources.append(str(folder / "list.txt"))
        return open_joined(sources, functools.partial(open_videos, data_root=None), label_names, **options)

    return open_lists


def test_classes_are_matched_by_name(join, tmp_path):
    videos = join("a.mp4 sad\nb.mp4 happy\n", "a.jpg fear\nb.jpg sad\n")
    assert videos.features["label"] == ClassLabel(names=["fear", "happy", "sad"])
    assert videos["label"][:] == [2, 1, 0, 2] and videos["source"][:] == [0, 0, 1, 1]
    paths = [f"{tmp_path}/{name}" for name in ("0/a.mp4", "0/b.mp4", "1/a.jpg", "1/b.jpg")]
    assert videos["video"][:] == paths


def test_the_order_of_the_classes_can_be_given(join):
    videos = join("a.mp4 1\n", "a.jpg happy\n", label_names=["sad", "happy"])
    assert videos["label"][:] == [1, 1] and videos.features["label"].names == ["sad", "happy"]


def test_numbers_stay_numbers(join):
    assert join("a.mp4 1\n", "a.jpg 0\n").features["label"] == Value("int64")


def test_labels_are_not_used_if_a_source_has_none(join, caplog):
    assert join("a.mp4 sad\n", "a.jpg\n").column_names == ["video", "source"]
    assert "labels of train_data are not used" in caplog.text and "1/list.txt' has none" in caplog.text


def test_labels_need_not_agree_if_they_are_not_needed(join, caplog):
    videos = join("a.mp4 sad\n", "a.jpg 1\n", "b.jpg\n", with_labels=False)
    assert videos.column_names == ["video", "source"] and len(videos) == 3 and not caplog.text


@pytest.mark.parametrize(
    ("lists", "message"),
    [
        (("a.mp4 sad\n", "a.jpg 1\n"), "0/list.txt' has names of classes, but .*1/list.txt' has numbers"),
        (("a.mp4 sad\n", "a.jpg Sad\n"), "'Sad' and 'sad'. Spell them in one way"),
        (("a.mp4 sad\n", "b.mp4 happy\n../0/a.mp4 sad\n"), None),
        (
            ("a.mp4 sad\n", "video,valence,arousal\na.jpg,0.25,0\n"),
            "0/list.txt' has labels of the task single_label, but .*1/list.txt' has labels of the task regression",
        ),
        (
            ("video,valence\na.mp4,0.5\n", "video,valence,arousal\na.jpg,0.25,0\n"),
            "0/list.txt' has the columns valence, but .*1/list.txt' has the columns arousal, valence",
        ),
        (
            ("video,x,y\na.mp4,0.5,0.5\n", "video,x,y\na.jpg,0.25,0\n"),
            "has labels of the task distribution, but .* has labels of the task regression",
        ),
    ],
)
def test_classes_that_do_not_agree_are_refused(lists, message, join):
    if message is None:
        assert len(join(*lists)) == 3
    else:
        with pytest.raises(AnnotationError, match=message):
            join(*lists)


def test_labels_of_other_kinds(join):
    lists = ("video,valence,arousal\na.mp4,0.5,-1\n", "video,arousal,valence\na.jpg,0,0.25\n")
    videos = join(*lists)
    assert task_of_videos(videos) == "regression"
    assert videos["label"][:] == [{"valence": 0.5, "arousal": -1}, {"valence": 0.25, "arousal": 0}]
    videos = join("c.mp4 happy;sad\nd.mp4 sad\n", "e.mp4 fear;sad\nf.mp4 sad\n", start=2)
    assert task_of_videos(videos) == "multi_label" and videos["label"][:] == [[1, 2], [2], [0, 2], [2]]


def test_a_list_and_class_folders(tmp_path):
    for name in ("happy/a.jpg", "sad/b.png", "c.mp4"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).touch()
    (tmp_path / "list.txt").write_text("c.mp4 fear\n")
    videos = open_joined([str(tmp_path / "list.txt"), str(tmp_path)], open_videos)
    assert videos.features["label"].names == ["fear", "happy", "sad"] and videos["label"][:] == [0, 1, 2]


@pytest.mark.parametrize("spelling", ["a.mp4", "./a.mp4", ".//./a.mp4"])
def test_two_labels_of_a_video_are_refused(spelling, tmp_path):
    (tmp_path / "a.mp4").touch()
    (tmp_path / "happy.txt").write_text("a.mp4 happy\n")
    (tmp_path / "sad.txt").write_text(f"{spelling} sad\n")
    sources = [str(tmp_path / "happy.txt"), str(tmp_path / "sad.txt")]
    with pytest.raises(AnnotationError, match=r"happy.txt' and '.*sad.txt' give '.*a.mp4' two labels"):
        open_joined(sources, open_videos, None)


def test_lists_and_shards(rough_corpus, tmp_path):
    for name, lines in {"packed": "good 0.mp4 sad\ngood 1.mp4 happy\n", "listed": "good 2.mp4 fear\n"}.items():
        (tmp_path / f"{name}.txt").write_text(lines)
    options = ["--data_root", str(rough_corpus.folder), "--num_workers", "0"]
    assert main(["prepare", "shards", str(tmp_path / "packed.txt"), str(tmp_path / "shards"), *options]) == 0
    sources = [str(tmp_path / "listed.txt"), str(tmp_path / "shards")]
    open_source = functools.partial(open_videos, data_root=str(rough_corpus.folder))
    videos = open_joined(sources, open_source, None)
    assert videos.features["label"].names == ["fear", "happy", "sad"] and videos[0]["label"] == 0
    assert {videos[row]["video"].name: videos[row]["label"] for row in (1, 2)} == {"good 0.mp4": 2, "good 1.mp4": 1}
    check_classes_to_train("train_data", videos, ["fear", "happy", "sad"])
    assert sorted(mixed_order(videos, None, 0, 10)) == [0, 1, 2]
    assert sorted(mixed_order(videos, [1, 2], 0, 10)) == [0, 1, 2]
    assert mixed_order(videos, [2, 1], 0, 10).counts == [1, 1]
