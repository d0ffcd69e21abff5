"""Folders of class folders: their clips, and folders that are refused."""

import pytest
from PIL import Image

from lgi_former import LGIFormerVideoProcessor
from lgi_former.training.data.annotations import load_annotations
from lgi_former.training.data.class_folders import list_class_folders
from lgi_former.training.data.clips import ViewDataset
from lgi_former.training.data.labels import AnnotationError
from lgi_former.training.data.skipped_videos import SkippedVideos


@pytest.fixture
def root(tmp_path):
    """`root(*paths)`: a folder with empty files of these paths."""

    def make(*paths):
        for path in paths:
            (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
            (tmp_path / path).touch()
        return tmp_path

    return make


def listed(root):
    clips = list_class_folders(root)
    return [*zip(clips.paths.to_pylist(), clips.labels.to_pylist(), strict=True)]


def test_images_of_a_class_folder_are_still_clips(root, caplog):
    folder = root("happy/b.jpg", "happy/A.PNG", "happy/notes.txt", "happy/._b.jpg", "sad/a.jpeg")
    assert listed(folder) == [("happy/A.PNG", "happy"), ("happy/b.jpg", "happy"), ("sad/a.jpeg", "sad")]
    assert "3 images are taken as clips, each a still" in caplog.text


def test_a_still_clip_is_read(root, tmp_path):
    folder = root("happy/a.jpg", "sad/a.jpg")
    for number, name in enumerate(("happy", "sad")):
        Image.new("RGB", (32, 32), (100 * number, 0, 0)).save(folder / name / "a.jpg")
    processor = LGIFormerVideoProcessor(size={"height": 16, "width": 16}, num_frames=4)
    views = ViewDataset(load_annotations(folder), processor, skipped=SkippedVideos(tmp_path / "out", 2))
    assert views[1]["labels"] == 1 and views[1]["pixel_values"].shape[-4:] == (4, 3, 16, 16)


def test_a_class_folder_may_hold_any_mix(root, caplog):
    folder = root("happy/a.mp4", "happy/a.jpg", "happy/B.PNG", "happy/Thumbs.db", "happy/notes.txt", "happy/.c.jpg")
    root("sad/frames/0.jpg", "sad/c.zip", "sad/d.jpeg", "fear/1.jpg")
    assert listed(folder) == [
        ("fear/1.jpg", "fear"),
        *((f"happy/{name}", "happy") for name in ("B.PNG", "a.jpg", "a.mp4")),
        *((f"sad/{name}", "sad") for name in ("c.zip", "d.jpeg", "frames")),
    ]
    assert caplog.text.count("WARNING") == 1
    assert "4 images are taken as clips, each a still, beside 3 videos" in caplog.text


@pytest.mark.parametrize("inner", ["train/happy/a.mp4", "train/happy/frames/0.jpg", "train/happy/x.zip"])
def test_a_folder_one_level_too_high_is_refused(inner, root):
    with pytest.raises(AnnotationError, match=r"happy' in the class folder '.*train' holds no frames but videos"):
        load_annotations(root(inner))


@pytest.mark.parametrize(("names", "message"), [(("Happy", "happy"), "is spelt"), (("a;b", "c"), "several labels")])
def test_folder_names_are_checked_as_labels(names, message, root):
    folder = root(*(f"{name}/a.mp4" for name in names))
    if len(list(folder.iterdir())) < 2:
        pytest.skip("the file system does not tell case")
    with pytest.raises(AnnotationError, match=message):
        load_annotations(folder)


def test_videos_beside_the_class_folders_are_reported(root, caplog):
    folder = root("b.mp4", "a.jpg", ".c.mp4", "list.csv", "happy/a.mp4", "sad/a.mp4")
    assert listed(folder) == [("happy/a.mp4", "happy"), ("sad/a.mp4", "sad")]
    assert "2 videos or images beside the class folders are left out, such as 'a.jpg'" in caplog.text


def test_system_folders_are_not_classes(root, caplog):
    folder = root("happy/a.mp4", "happy/@eaDir/a.jpg", "__MACOSX/happy/._a.mp4", "sad/b.mp4", "sad/.DS_Store")
    assert listed(folder) == [("happy/a.mp4", "happy"), ("sad/b.mp4", "sad")]
    assert not caplog.text


def test_saved_data_sets_are_not_class_folders(root):
    with pytest.raises(AnnotationError, match="folder of `save_to_disk` is loaded in Python"):
        list_class_folders(root("train/data-00000-of-00001.arrow", "dataset_dict.json"))
