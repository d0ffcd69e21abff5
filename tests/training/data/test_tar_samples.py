"""Tar files of other programs."""

import gzip
import io
import json
import re
import tarfile

import numpy as np
import pytest
from PIL import Image

from lgi_former.training.data.clip_stream import ClipStream, open_stream
from lgi_former.training.data.skipped_videos import SkippedVideos
from lgi_former.training.data.tar_samples import StreamError, iter_samples


@pytest.fixture
def tar(tmp_path):
    """`tar(files)`: a tar file of these names and contents."""

    def write(files, name="a.tar", mode="w"):
        with tarfile.open(tmp_path / name, mode) as archive:
            for file, content in files.items():
                content = content if isinstance(content, bytes) else content.encode()
                entry = tarfile.TarInfo(file)
                entry.size = len(content)
                archive.addfile(entry, io.BytesIO(content))
        return str(tmp_path / name)

    return write


def samples(path):
    return [(row["__key__"], row["video"]["path"], row["label"]) for row in iter_samples([path])]


@pytest.mark.parametrize(
    ("files", "expected"),
    [
        ({"x.MP4": "v", "x.CLS": "3"}, [("x", "x.mp4", "3")]),
        ({"d/x.avi": "v", "d/x.cls": "happy\n"}, [("d/x", "d/x.avi", "happy")]),
        ({"./a.b.c.mp4": "v", "./a.b.c.cls": "1"}, [("a", "a.mp4", "1")]),
        ({"a.b.c.mp4": "v", "a.cls": "1", "b.x.y.mp4": "v", "b.cls": "0"}, [("a", "a.mp4", "1"), ("b", "b.mp4", "0")]),
        (
            {"s1.e1.cls": "0", "s1.e1.mp4": "v", "s1.e2.cls": "1", "s1.e2.mp4": "w"},
            [("s1.e1", "s1.e1.mp4", "0"), ("s1.e2", "s1.e2.mp4", "1")],
        ),
        (
            {"v1.0/x.mp4": "v", "v1.0/x.cls": "2", "v1.0/y.mp4": "v"},
            [("v1.0/x", "v1.0/x.mp4", "2"), ("v1.0/y", "v1.0/y.mp4", None)],
        ),
        ({"x.json": json.dumps({"id": 7, "label": "sad"}), "x.mp4": "v"}, [("x", "x.mp4", "sad")]),
        ({"x.mp4": "v", "x.json": '{"emotion": 2}', "x.txt": "a caption"}, [("x", "x.mp4", "2")]),
        ({"x.mp4": "v", "x.txt": "\ufeffhappy \n"}, [("x", "x.mp4", "happy")]),
        ({"x.mp4": "v", "x.json": '{"fps": 25}', "x.wav": "s"}, [("x", "x.mp4", None)]),
        ({"x.jpg": "i", "x.cls": "4"}, [("x", "x.jpg", "4")]),
        ({"x.mp4": "v", "x.thumb.jpg": "i", "x.cls": "4"}, [("x", "x.mp4", "4")]),
        ({"._x.mp4": "m", ".DS_Store": "m", "x.mp4": "v", "x.cls": "1"}, [("x", "x.mp4", "1")]),
    ],
)
def test_samples(files, expected, tar):
    assert samples(tar(files)) == expected


def test_compressed_tar_files(tar):
    path = tar({"x.mp4": "v", "x.cls": "1"}, "a.tar.gz", "w:gz")
    assert samples(path) == [("x", "x.mp4", "1")]
    assert open_stream(path).features["label"].dtype == "string"


@pytest.mark.parametrize(
    ("files", "message"),
    [
        ({"x.mp4": "v", "x.avi": "v", "x.cls": "1"}, "has several videos: 'x.mp4' and 'x.avi'"),
        ({"x.mp4": "v", "x.a.cls": "1", "x.cls": "2"}, "x' has 2 .cls files"),
        ({"x.mp4": "v", "x.json": "{"}, r"The \.json file of the sample '.*a\.tar/x' cannot be read"),
        ({"x.wav": "s", "x.cls": "1"}, "a.tar' holds no video or image"),
    ],
)
def test_samples_that_are_not_clear_are_refused(files, message, tar):
    with pytest.raises(StreamError, match=message):
        open_stream(tar(files))


def test_an_image_is_a_still(tar, tmp_path):
    content = io.BytesIO()
    Image.new("L", (6, 4), 80).save(content, "png")
    clips = ClipStream(
        open_stream(tar({"x.PNG": content.getvalue(), "x.cls": "1"})),
        lambda total_frames, generator: np.zeros(3, dtype=int),
        lambda clip, generator: clip,
        seed=0,
        skipped=SkippedVideos(tmp_path, 1),
    )
    item = next(iter(clips))
    assert item["labels"] == 1 and item["pixel_values"].shape == (3, 3, 4, 6) and (item["pixel_values"] == 80).all()


@pytest.mark.parametrize("with_labels", [True, False])
def test_labels_of_a_stream(with_labels, tar, rough_corpus, tmp_path):
    content = (rough_corpus.folder / "good 1.mp4").read_bytes()
    path = tar({"a.b.MP4": content, "a.b.JSON": '{"label": "sad"}', "c.b.MP4": content})
    clips = ClipStream(
        open_stream(path),
        lambda total_frames, generator: [0],
        lambda clip, generator: clip,
        seed=0,
        skipped=SkippedVideos(tmp_path, 2),
        label_names=["happy", "sad"],
        with_labels=with_labels,
        shuffle_buffer=1,
    )
    items = iter(clips)
    if with_labels:
        with pytest.raises(StreamError, match="c' has no label"):
            [next(items) for _ in range(2)]
    else:
        assert all("labels" not in next(items) for _ in range(2))


def tar_with(path, name, change):
    """A tar file with a member that is changed before it is added."""
    entry = tarfile.TarInfo(name)
    entry.size = 4
    change(entry)
    path.write_bytes(entry.tobuf() + b"abcd".ljust(10 * tarfile.BLOCKSIZE, b"\0"))
    return path


def change(**values):
    return lambda entry: [setattr(entry, name, value) for name, value in values.items()]


@pytest.mark.parametrize(
    ("name", "changes", "message"),
    [
        ("a.mp4", {"type": tarfile.SYMTYPE, "linkname": "/etc/passwd", "size": 0}, "is a link or a device"),
        ("a.mp4", {"type": tarfile.LNKTYPE, "linkname": "b.mp4", "size": 0}, "is a link or a device"),
        ("a.mp4", {"type": tarfile.CHRTYPE, "devmajor": 1, "devminor": 5, "size": 0}, "is a link or a device"),
        ("a.mp4", {"type": tarfile.FIFOTYPE, "size": 0}, "is a link or a device"),
        ("a.mp4", {"size": 10**12}, "has 1000000000000 bytes, and at most 1000000000"),
        ("/etc/a.mp4", {}, "has an absolute path or"),
        ("../a.mp4", {}, "has an absolute path or"),
        ("a/../../b.mp4", {}, "has an absolute path or"),
    ],
)
def test_members_that_are_no_plain_files_are_refused(name, changes, message, tmp_path):
    path = str(tar_with(tmp_path / "a.tar", name, change(**changes)))
    with pytest.raises(StreamError, match=f"'{re.escape(name)}' in the tar file '{re.escape(path)}' {message}"):
        list(iter_samples([path]))


def test_a_tar_file_from_a_server_has_a_largest_size(tmp_path, serve, monkeypatch):
    tar_with(tmp_path / "a.tar", "a.mp4", change())
    with serve(tmp_path) as address:
        assert [row["video"]["bytes"] for row in iter_samples([f"{address}/a.tar"])] == [b"abcd"]
        monkeypatch.setenv("LGI_FORMER_MAX_DOWNLOAD_BYTES", "1000")
        with pytest.raises(StreamError, match="more than 1000 bytes"):
            list(iter_samples([f"{address}/a.tar"]))


@pytest.mark.parametrize("mode", ["w", "w:gz"])
@pytest.mark.parametrize("damage", ["bad checksum", "truncated header"])
def test_a_damaged_header_is_not_the_end_of_a_file(damage, mode, tar):
    path = tar({f"{number}.mp4": "v" for number in range(4)}, mode=mode)
    opened = gzip.open if mode == "w:gz" else open
    with opened(path, "rb") as file:
        content = bytearray(file.read())
    place = 4 * tarfile.BLOCKSIZE + 100  # in the header of the third video
    content[place] ^= 255
    with opened(path, "wb") as file:
        file.write(content if damage == "bad checksum" else content[:place])
    with pytest.raises(StreamError, match=rf"damaged: '{path}' \({damage}\)"):
        samples(path)
