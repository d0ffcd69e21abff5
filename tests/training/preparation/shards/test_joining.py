import shutil
from pathlib import Path

import pytest
from datasets import Dataset

from lgi_former.commands.cli import main
from lgi_former.training.data.shard_index import ShardError
from lgi_former.training.data.sharded_videos import ShardedVideos
from lgi_former.training.preparation.shards.joining import join_parts
from lgi_former.training.preparation.shards.packing import pack_shards


@pytest.fixture
def parts(tiny_shards, tmp_path, monkeypatch):
    """The working directory, with the same shards in `corpus/0` and `corpus/1`."""
    for number in range(2):
        shutil.copytree(tiny_shards, tmp_path / "corpus" / str(number))
    monkeypatch.chdir(tmp_path)


@pytest.mark.parametrize("output_dir", ["corpus", "elsewhere"])
def test_parts_are_read_as_one(output_dir, parts, tiny_shards, capsys, monkeypatch):
    assert main(["prepare", "index", output_dir, "corpus/0", "corpus/1/index.json"]) == 0
    printed = capsys.readouterr()
    assert "48 videos in 8 shards" in printed.out
    assert ("LGI_FORMER_SHARDS_ELSEWHERE=1" in printed.err) == (output_dir == "elsewhere")
    if output_dir == "elsewhere":
        with pytest.raises(ShardError, match=r"names the shard '\.\./corpus/0/.*LGI_FORMER_SHARDS_ELSEWHERE=1"):
            ShardedVideos(f"{output_dir}/index.json")
        monkeypatch.setenv("LGI_FORMER_SHARDS_ELSEWHERE", "1")
    whole, part = ShardedVideos(f"{output_dir}/index.json"), ShardedVideos(str(tiny_shards / "index.json"))
    assert whole.names() == 2 * part.names() and whole.features == part.features
    assert all(whole[index]["video"].read() == part[index % 24]["video"].read() for index in (0, 23, 24, 47))
    assert main(["prepare", "index", output_dir, "corpus/0"]) == 2
    assert "exists already" in capsys.readouterr().err
    with pytest.raises(ShardError, match="lists shards in other folders"):
        pack_shards(Dataset.from_dict({"video": ["a.mp4"]}), output_dir)


def test_wrong_parts_are_refused(parts):
    with pytest.raises(ShardError, match="given twice"):
        join_parts(["corpus/0", "corpus/../corpus/0/index.json"], "out")
    with pytest.raises(ShardError, match="nowhere' is not a folder of shards"):
        join_parts(["corpus/0", "nowhere"], "out")
    index = Path("corpus/1/index.json")
    Path("unfinished").mkdir()
    with pytest.raises(ShardError, match=r"'unfinished' has no index\.json: .* its `lgi-former prepare shards` again"):
        join_parts(["corpus/0", "unfinished"], "out")
    index.write_text(index.read_text().replace('"2"', '"two"'))
    with pytest.raises(ShardError, match=r"'corpus/1' has the classes \['0', '1', 'two'\], but 'corpus/0' has"):
        join_parts(["corpus/0", "corpus/1"], "out")
    assert not Path("out").exists()
