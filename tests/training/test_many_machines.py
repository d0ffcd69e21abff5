"""`torchrun` with several agents, which stand for machines: one is killed, and a run resumes on more or fewer."""

import json
import os
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest
from torch.distributed import TCPStore

from lgi_former.training.run.arguments import RecipeTrainingArguments


NUM_VIDEOS, TOTAL_BATCH, EPOCHS = 24, 6, 3
STEPS_AN_EPOCH = NUM_VIDEOS // TOTAL_BATCH
RENDEZVOUS = "is_host=false,last_call_timeout=10"  # seconds that the first agent waits for the second
RECIPE = """\
train_data: [videos]
eval_data: videos
output_dir: run
per_device_train_batch_size: 1
base_learning_rate: 0.1
logging_steps: 1
save_strategy: steps
save_steps: 2
dataloader_num_workers: 0
resume_from_checkpoint: "true"
"""


@pytest.fixture
def agent(tmp_path, load_module, tiny_recipe):
    """Function `(nodes, processes, port, name)` that starts an agent of `torchrun`."""
    write_clip = load_module(Path(__file__).with_name("rough_corpus.py")).write_clip
    for number in range(NUM_VIDEOS):
        folder = tmp_path / "videos" / ("dark", "light")[number % 2]
        folder.mkdir(parents=True, exist_ok=True)
        write_clip(folder / f"{number}.mp4", grey=40 + 160 * (number % 2), count=6)
    (tmp_path / "tiny.yaml").write_text(
        f"{tiny_recipe}{RECIPE}num_train_epochs: {EPOCHS}\ntotal_batch_size: {TOTAL_BATCH}\n"
    )
    started = []

    def start(nodes, processes, port, name="run"):
        launch = f"-m torch.distributed.run --nnodes {nodes} --nproc_per_node {processes} --max_restarts 3"
        launch += f" --rdzv_backend c10d --rdzv_endpoint 127.0.0.1:{port} --rdzv_id {name} --rdzv_conf {RENDEZVOUS}"
        script = Path(__file__).with_name("many_machines_run.py")
        command = [sys.executable, *launch.split(), "--local_addr", "127.0.0.1", str(script), "tiny.yaml"]
        variables = {"OMP_NUM_THREADS": "1", "CUDA_VISIBLE_DEVICES": "", "GLOO_SOCKET_IFNAME": "lo"}
        variables["TORCH_DISABLE_SHARE_RDZV_TCP_STORE"] = "1"  # docs/scaling.md says why
        with (tmp_path / f"agent_{len(started)}.log").open("wb") as log:
            agent = subprocess.Popen(command, cwd=tmp_path, env=os.environ | variables, stderr=log, stdout=log)
        started.append(agent)
        return agent

    yield start
    for agent in started:
        kill(agent)


def kill(agent):
    """Kill an agent and the processes that it started, as if the machine had failed."""
    if agent.poll() is None:
        started = psutil.Process(agent.pid).children(recursive=True)
        for process in (agent, *started):
            process.kill()
    agent.wait()


def seen(folder):
    """The videos of each step by the number of processes: `{processes: {step: videos}}`."""
    steps = {}
    file = folder / "seen.jsonl"
    for line in file.read_text().splitlines() if file.exists() else ():
        processes, step, videos = json.loads(line)
        steps.setdefault(processes, {}).setdefault(step, []).extend(videos)
    return steps


def wait_for(condition, agents, seconds=120):
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline and all(agent.poll() is None for agent in agents)
        time.sleep(0.1)


@pytest.fixture
def port():
    """The port of the meeting point, which the test's own process hosts. So any agent may be killed."""
    store = TCPStore("127.0.0.1", 0, is_master=True, wait_for_workers=False)
    yield store.port
    del store


@pytest.mark.slow
def test_two_machines_then_one_then_three_processes(agent, port, tmp_path):
    first, second = (agent("1:2", 1, port) for _ in range(2))
    wait_for(lambda: 4 in seen(tmp_path).get(2, {}), [first, second])
    kill(second)
    wait_for(lambda: 8 in seen(tmp_path).get(1, {}), [first])
    kill(first)
    last = agent("1", 3, port, name="resumed")
    assert last.wait(120) == 0

    steps = seen(tmp_path)
    assert list(steps) == [2, 1, 3]
    assert min(steps[2]) == 1 and min(steps[1]) in (3, 5) and min(steps[3]) in (7, 9)
    final = steps[2] | steps[1] | steps[3]
    for epoch in range(EPOCHS):
        first_step = epoch * STEPS_AN_EPOCH + 1
        videos = [video for step in range(first_step, first_step + STEPS_AN_EPOCH) for video in final[step]]
        assert sorted(videos) == sorted(f"{number}.mp4" for number in range(NUM_VIDEOS))
    figures = json.loads((tmp_path / "run" / "metrics.json").read_text())
    assert figures["uar"] == 1.0 and figures["num_videos"] == NUM_VIDEOS


def arguments(folder, **fields):
    return RecipeTrainingArguments(output_dir=str(folder), use_cpu=True, bf16=False, report_to="none", **fields)


@pytest.mark.parametrize(("processes", "steps"), [(1, 6), (2, 3), (3, 2), (6, 1)])
def test_the_total_batch_is_the_same_for_each_number_of_processes(processes, steps, tmp_path, monkeypatch):
    monkeypatch.setattr(RecipeTrainingArguments, "world_size", processes)
    training = arguments(tmp_path, total_batch_size=12, per_device_train_batch_size=2)
    assert training.gradient_accumulation_steps == steps


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        (
            {"total_batch_size": 10, "per_device_train_batch_size": 4},
            "10 is not a multiple of the 4 clips that",
        ),
        ({"total_batch_size": 2, "per_device_train_batch_size": 4}, "2 is not a multiple"),
        ({"total_batch_size": 0}, "0 is not a multiple"),
        ({"total_batch_size": -8}, "-8 is not a multiple"),
        ({"total_batch_size": 8, "gradient_accumulation_steps": 2}, "Give one of the two"),
    ],
)
def test_an_impossible_total_batch_is_refused(fields, message, tmp_path):
    with pytest.raises(ValueError, match=message):
        arguments(tmp_path, **fields)
