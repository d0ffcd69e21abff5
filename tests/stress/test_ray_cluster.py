"""A Ray cluster of two machines predicts each video once, although one machine is killed."""

import os
import subprocess
import sys
import time
from pathlib import Path

import pandas as pd
import pytest

import lgi_former
from lgi_former import LGIFormerForVideoClassification
from lgi_former.training.quickstart.sample_clip import write_sample_clip


@pytest.mark.stress
def test_a_ray_cluster_that_loses_a_machine(save_tiny_model, tmp_path, monkeypatch):
    pytest.importorskip("ray", reason="the extra `ray` is not installed")
    from ray.cluster_utils import Cluster

    monkeypatch.setenv("RAY_gcs_server_port_wait_time_s", "240")  # the machine may be busy
    good, broken, model = tmp_path / "good.mp4", tmp_path / "broken.mp4", str(tmp_path / "model")
    save_tiny_model(LGIFormerForVideoClassification, model, ["happy", "sad"])
    write_sample_clip(good)
    broken.write_text("no video")
    num_videos = 40
    names = [str(tmp_path / f"{number}.mp4") for number in range(num_videos)]
    for name in names:
        os.link(good, name)
    pd.DataFrame({"video": [*names, str(broken)]}).to_parquet(tmp_path / "videos.parquet")
    memory = {"object_store_memory": 80 * 2**20, "include_dashboard": False}
    cluster = Cluster(initialize_head=True, head_node_args={"num_cpus": 0, **memory})
    try:
        machines = [cluster.add_node(num_cpus=2, object_store_memory=80 * 2**20) for _ in range(2)]
        script = Path(lgi_former.__file__).parent / "examples" / "ray_predict.py"
        options = ["videos.parquet", "results", "--model", model, "--no_crop_faces", "--batch_size", "1"]
        variables = {"RAY_ADDRESS": cluster.address, "CUDA_VISIBLE_DEVICES": "", "OMP_NUM_THREADS": "1"}
        with (tmp_path / "log").open("wb") as log:
            run = subprocess.Popen(
                [sys.executable, script, *options],
                cwd=tmp_path,
                env=os.environ | variables,
                stdout=log,
                stderr=subprocess.STDOUT,
            )
        while not (written := list((tmp_path / "results").glob("*.parquet"))):
            assert run.poll() is None, (tmp_path / "log").read_text()
            time.sleep(0.05)
        assert len(written) < num_videos
        cluster.remove_node(machines[0], allow_graceful=False)
        assert run.wait(600) == 0, (tmp_path / "log").read_text()
    finally:
        cluster.shutdown()
    table = pd.read_parquet(tmp_path / "results")
    assert sorted(table["video"]) == sorted([*names, str(broken)])
    assert table["error"].astype(bool).sum() == 1 and table["happy"].notna().sum() == num_videos
    assert f"{num_videos + 1} videos, 1 of them failed" in (tmp_path / "log").read_text()
