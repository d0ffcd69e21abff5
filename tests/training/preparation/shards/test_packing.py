import errno
import hashlib
import importlib.util
import io
import json
import re
import shutil
import tarfile
import zipfile
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest
from datasets import Dataset, Features, Video, load_dataset
from PIL import Image

from lgi_former.commands.cli import main
from lgi_former.image_processing import every_frame, read_video
from lgi_former.image_processing.decoding.local_videos import local_video
from lgi_former.training.data.annotations import load_annotations
from lgi_former.training.data.labels import AnnotationError
from lgi_former.training.data.shard_index import ShardError
from lgi_former.training.data.sharded_videos import ShardedVideos
from lgi_former.training.preparation.shards import packing
from lgi_former.training.preparation.shards import writing as shard_writing
from lgi_former.training.preparation.shards.packing import pack_shards, verify_shards


spec = importlib.util.spec_from_file_location("rough_corpus", Path(__file__).parents[2] / "rough_corpus.py")
corpus = importlib.util.module_from_spec(spec)
spec.loader.exec_module(corpus)
rough_corpus = corpus.rough_corpus


@pytest.fixture
def pack(rough_corpus, tmp_path):
    """Function that packs videos of the corpus. The label of a video is its index in `names`."""

    def make(names=corpus.GOOD, folder=tmp_path / "shards", clips_per_shard=4, root=rough_corpus.folder, **options):
        paths = [f"{root}/{name}" for name in names]
        videos = Dataset.from_dict({"video": paths, "label": list(range(len(names)))})
        return pack_shards(videos, folder, root=root, clips_per_shard=clips_per_shard, **options)

    return make


def contents_of(folder):
    """All visible files of a folder."""
    return {file.name: file.read_bytes() for file in folder.iterdir() if not file.name.startswith(".")}


def members_of(folder, number=0):
    return pq.read_table(folder / f"shard-{number:06d}.parquet").to_pylist()


def test_shards_and_their_tables(pack, rough_corpus, tmp_path):
    pack()
    index = json.loads((tmp_path / "shards" / "index.json").read_text())
    assert index["wids_version"] == 1 and index["classes"] == [str(label) for label in range(9)]
    assert [shard["nsamples"] for shard in index["shardlist"]] == [4, 4, 1]
    found = []
    for number, shard in enumerate(index["shardlist"]):
        content = (tmp_path / "shards" / shard["url"]).read_bytes()
        assert (shard["filesize"], shard["sha256"]) == (len(content), hashlib.sha256(content).hexdigest())
        with tarfile.open(fileobj=io.BytesIO(content)) as tar:
            for member in members_of(tmp_path / "shards", number):
                suffix = Path(member["path"]).suffix
                assert content[member["offset"] :][: member["size"]] == tar.extractfile(member["key"] + suffix).read()
                assert tar.extractfile(f"{member['key']}.cls").read() == str(member["label"]).encode()
                facts = json.loads(tar.extractfile(f"{member['key']}.json").read())
                assert facts == {"path": member["path"], "label": member["label"]}
                name = corpus.GOOD[member["label"]]
                assert member["path"] == ("frames.zip" if name == "frames" else name)
                if name != "frames":
                    assert content[member["offset"] :][: member["size"]] == (rough_corpus.folder / name).read_bytes()
                found.append(name)
    assert sorted(found) == sorted(corpus.GOOD) and found != corpus.GOOD


def test_frames_of_a_folder_are_copied(pack, rough_corpus, tmp_path):
    pack(["frames"])
    (member,) = members_of(tmp_path / "shards")
    content = (tmp_path / "shards" / "shard-000000.tar").read_bytes()[member["offset"] :][: member["size"]]
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        assert {name: archive.read(name) for name in archive.namelist()} == contents_of(rough_corpus.folder / "frames")
    (tmp_path / "frames.zip").write_bytes(content)
    frames, _ = read_video(tmp_path / "frames.zip", every_frame)
    assert np.array_equal(frames, read_video(rough_corpus.folder / "frames", every_frame)[0])


def test_names_without_a_known_suffix(pack, rough_corpus, tmp_path):
    title = f"Dr. Smith on {'very ' * 30}small things"  # too long for a suffix in a tar file
    (tmp_path / title).write_bytes((rough_corpus.folder / "good 0.mp4").read_bytes())
    pack([title], root=tmp_path)
    video = ShardedVideos(str(tmp_path / "shards" / "index.json"))[0]["video"]
    assert video.name == f"{title}.video" and video.read() == (tmp_path / title).read_bytes()


def test_same_videos_give_the_same_bytes(pack, rough_corpus, tmp_path):
    names = ["good 0.mp4", "good 1.mp4", "frames", "text.mp4", "image.png"]
    pack(names, tmp_path / "one", clips_per_shard=2)
    shutil.copytree(rough_corpus.folder, tmp_path / "moved", copy_function=shutil.copyfile)  # with other dates
    pack(names, tmp_path / "other", clips_per_shard=2, root=tmp_path / "moved", num_workers=2)
    assert contents_of(tmp_path / "one") == contents_of(tmp_path / "other")
    pack(names, tmp_path / "seed", clips_per_shard=2, seed=1)
    assert contents_of(tmp_path / "one") != contents_of(tmp_path / "seed")


def test_reencoded_videos(pack, tmp_path):
    for number in range(10):
        picture = Image.new("RGB", (60, 90), (20 * number, 60, 100))
        (tmp_path / "corpus" / "frames").mkdir(parents=True, exist_ok=True)
        picture.save(tmp_path / "corpus" / "frames" / f"{number}.png")
    corpus.write_clip(tmp_path / "corpus" / "small.mp4", grey=200, height=16, width=32)
    for folder in ("one", "other"):
        pack(["frames", "small.mp4"], tmp_path / folder, root=tmp_path / "corpus", size=32)
    one = contents_of(tmp_path / "one")
    assert one == contents_of(tmp_path / "other")
    # x264 writes its settings to the file. With other settings, bytes differ too rarely for a test.
    assert re.search(rb"threads=1 .* mbtree=0 ", one["shard-000000.tar"])
    shapes = {}
    for member in members_of(tmp_path / "one"):
        file = tmp_path / f"{member['key']}.mp4"
        file.write_bytes((tmp_path / "one" / "shard-000000.tar").read_bytes()[member["offset"] :][: member["size"]])
        frames, _ = read_video(file, every_frame)
        shapes[member["path"]] = frames.shape[-4:]
        if member["path"] == "frames.mp4":
            assert abs(frames.reshape(10, -1, 3).mean(1) - [[20 * n, 60, 100] for n in range(10)]).max() < 4
    assert shapes == {"frames.mp4": (10, 48, 32, 3), "small.mp4": (8, 16, 32, 3)}  # not enlarged


def test_broken_videos_are_skipped_and_listed(pack, tmp_path):
    names = [*corpus.BROKEN, "good 1.mp4"]
    packed = pack(names)
    assert [member["path"] for number in range(2) for member in members_of(tmp_path / "shards", number)] == [
        "good 1.mp4"
    ]
    assert set(packed.skipped) == set(corpus.BROKEN)
    assert all(reason in packed.skipped[name] for name, reason in corpus.BROKEN.items())
    assert "missing.mp4,There is no file" in (tmp_path / "shards" / "skipped_videos.csv").read_text()
    with pytest.raises(ShardError, match="None of the videos can be read"):
        pack(list(corpus.BROKEN), tmp_path / "nothing")


def test_only_damaged_shards_are_written_again(pack, tmp_path, monkeypatch):
    folder = tmp_path / "shards"
    assert pack().num_found == 0
    whole = contents_of(folder)
    (folder / "shard-000000.tar").write_bytes(b"x" + whole["shard-000000.tar"][1:])
    (folder / "shard-000001.tar").unlink()
    table = bytearray(whole["shard-000002.parquet"])
    table[20] ^= 255  # among the rows
    (folder / "shard-000002.parquet").write_bytes(table)
    written = []
    encode = shard_writing.encode_video
    monkeypatch.setattr(
        shard_writing, "encode_video", lambda video, *options: written.append(video) or encode(video, *options)
    )
    packed = pack()
    assert packed.num_found == 0 and packed.mended == ["shard-000000.tar", "shard-000002.tar"]
    assert contents_of(folder) == whole and len(written) == 9
    assert pack().num_found == 3 and len(written) == 9


def test_with_a_wrong_root_nothing_is_written(pack, tmp_path):
    with pytest.raises(AnnotationError, match=r"None of the 9 videos exists, such as '.*nowhere/.*--data_root"):
        pack(root=tmp_path / "nowhere")
    assert not (tmp_path / "shards").exists()
    assert pack().num_found == 0
    shutil.move(tmp_path / "shards", tmp_path / "moved")
    assert pack(folder=tmp_path / "moved", root=tmp_path / "nowhere").num_found == 3  # videos are not needed


def test_shards_are_written_atomically(pack, tmp_path, monkeypatch):
    def fail(video, *options):
        raise OSError(errno.ENOSPC, "disk full")

    monkeypatch.setattr(shard_writing, "encode_video", fail)
    with pytest.raises(OSError, match=r"^'.*shard-000000\.tar' cannot be written: No space left on device\. "):
        pack()
    assert not (tmp_path / "shards").exists()
    monkeypatch.undo()
    assert pack().num_found == 0


def test_errors_of_worker_processes_are_raised(pack, monkeypatch, worker_code):
    monkeypatch.setattr(packing, "pack_shard", worker_code.fill_disk)
    with pytest.raises(OSError, match=r"disk full: 'shard-000000\.tar'$"):
        pack(num_workers=2)
    monkeypatch.setattr(packing, "pack_shard", worker_code.die)
    with pytest.raises(ShardError, match="A process died while it packed a shard"):
        pack(num_workers=1)
    monkeypatch.undo()
    pack()
    with pytest.raises(ShardError, match="was made of other videos"):
        pack(seed=1, num_workers=2)


def test_repaired_videos_are_added(pack, rough_corpus, tmp_path):
    root = tmp_path / "corpus"
    root.mkdir()
    shutil.copy(rough_corpus.folder / "good 1.mp4", root)
    assert set(pack(["good 1.mp4", "good 2.mp4"], root=root).skipped) == {"good 2.mp4"}
    assert pack(["good 1.mp4", "good 2.mp4"], root=root).num_found == 1
    shutil.copy(rough_corpus.folder / "good 2.mp4", root)
    packed = pack(["good 1.mp4", "good 2.mp4"], root=root)
    assert (packed.num_found, packed.skipped, packed.index.shards[0].nsamples) == (0, {}, 2)
    assert not (tmp_path / "shards" / "skipped_videos.csv").exists()


def test_other_files_are_not_overwritten(pack, tmp_path):
    pack()
    whole = contents_of(tmp_path / "shards")
    for options in ({"names": corpus.GOOD[::-1]}, {"seed": 1}, {"size": 16}):
        with pytest.raises(ShardError, match=r"shard-000000\.tar' was made of other videos or with other options"):
            pack(**options)
    with pytest.raises(ShardError, match=r"shard-000001\.parquet' belongs to a corpus of more shards than the 1"):
        pack(clips_per_shard=9)
    assert contents_of(tmp_path / "shards") == whole
    for name, problem in {
        "shard-000000.tar": r"has no table 'shard-000000\.parquet', so this command probably did not write it",
        "shard-000000.parquet": "this command did not write it",
        "index.json": "not an index of shards",
    }.items():
        folder = tmp_path / name
        folder.mkdir()
        (folder / name).write_text("a user's")
        with pytest.raises(ShardError, match=problem):
            pack(folder=folder)
        assert contents_of(folder) == {name: b"a user's"}


def test_verifying(pack, tmp_path):
    pack()
    folder = str(tmp_path / "shards")
    assert verify_shards(folder) == verify_shards(f"{folder}/index.json") == []
    (tmp_path / "shards" / "shard-000002.parquet").unlink()
    with (tmp_path / "shards" / "shard-000001.tar").open("r+b") as file:
        file.seek(600)
        file.write(b"!")
    problems = verify_shards(folder)
    assert len(problems) == 2
    assert "shard-000001.tar' does not have the checksum" in problems[0]
    assert "shard-000002.parquet' is missing" in problems[1]


def test_webdataset_reads_shards(pack, tmp_path):
    pack(["good 0.mp4", "good 1.mp4", "good 2.mp4"])
    files = {"train": str(tmp_path / "shards" / "*.tar")}
    rows = list(load_dataset("webdataset", data_files=files, split="train", streaming=True).decode(False))
    assert {(row["json"]["path"], row["cls"]) for row in rows} == {(f"good {n}.mp4", n) for n in range(3)}


def test_command(rough_corpus, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    for name in ("good 1.mp4", "good 2.mp4"):
        shutil.copy(rough_corpus.folder / name, tmp_path)
    Path("all.txt").write_text("good 1.mp4 sad\ngood 2.mp4 happy\nmissing.mp4 sad\n")
    options = ["--labels", "sad", "happy", "--num-workers", "0", "--verify"]
    assert main(["prepare", "shards", "all.txt", "out", *options]) == 1
    text = capsys.readouterr().out
    assert "2 videos in 1 shards" in text and "\n2 classes: sad, happy\n" in text
    assert {member["path"]: member["label"] for member in members_of(Path("out"))} == {
        "good 1.mp4": 0,
        "good 2.mp4": 1,
    }
    assert json.loads(Path("out", "index.json").read_text())["classes"] == ["sad", "happy"]
    assert main(["prepare", "verify", "out"]) == 0
    with Path("out", "shard-000000.tar").open("r+b") as file:
        file.write(b"damaged")
    assert main(["prepare", "verify", "out/index.json"]) == 1
    assert "'out/shard-000000.tar' does not have the checksum" in capsys.readouterr().err
    Path("all.txt").write_text("good 1.mp4 sad\ngood 2.mp4 happy\nmissing.mp4 sad\n")
    main(["prepare", "shards", "all.txt", "out", *options])
    assert "'out/shard-000000.tar' was damaged and has been made again" in capsys.readouterr().err
    assert main(["prepare", "verify", "out"]) == 0
    Path("all.txt").write_text("good 1.mp4\n")
    assert main(["prepare", "shards", "all.txt", "out", "--num-workers", "0"]) == 2
    assert "was made of other videos" in capsys.readouterr().err
    assert main(["prepare", "shards", "all.txt", "unlabelled", "--num-workers", "0"]) == 0
    assert "They have no labels." in capsys.readouterr().out
    assert json.loads(Path("unlabelled", "index.json").read_text())["classes"] is None


def test_rows_that_contain_videos(rough_corpus, tmp_path):
    content = (rough_corpus.folder / "good 3.mp4").read_bytes()
    rows = {"video": [{"bytes": content, "path": "a.mp4"}]}
    pack_shards(load_annotations(Dataset.from_dict(rows, Features({"video": Video()}))), tmp_path / "shards")
    (member,) = members_of(tmp_path / "shards")
    assert (member["path"], member["size"], member["label"]) == ("a.mp4", len(content), None)


# Order of frames


@pytest.fixture
def unpadded(tmp_path):
    """A folder of the frames 1.png to 12.png. The grey level of a frame shows its number."""
    folder = tmp_path / "corpus" / "video"
    folder.mkdir(parents=True)
    for number in range(1, 13):
        Image.new("L", (32, 32), 20 * number).save(folder / f"{number}.png")
    return Dataset.from_dict({"video": [str(folder)]})


def numbers_in_shard(folder, **reading):
    video = ShardedVideos(str(folder / "index.json"))[0]["video"]
    with local_video(video) as path:
        (frames,), _ = read_video(path, every_frame, **reading)
    return np.rint(frames[:, 16, 16, 0] / 20).astype(int).tolist()


def test_reencoded_frames_have_the_requested_order(unpadded, tmp_path):
    by_name = [1, 10, 11, 12, *range(2, 10)]
    pack_shards(unpadded, tmp_path / "natural", size=32)
    pack_shards(unpadded, tmp_path / "name", size=32, frame_order="name")
    assert numbers_in_shard(tmp_path / "natural") == list(range(1, 13))
    assert numbers_in_shard(tmp_path / "name") == by_name
    with pytest.raises(ShardError, match="other options"):
        pack_shards(unpadded, tmp_path / "name", size=32)
    pack_shards(unpadded, tmp_path / "archives")
    assert numbers_in_shard(tmp_path / "archives") == list(range(1, 13))
    assert numbers_in_shard(tmp_path / "archives", frame_order="name") == by_name
    with pytest.raises(ValueError, match="frame_order='random'"):
        pack_shards(unpadded, tmp_path / "random", size=32, frame_order="random")
