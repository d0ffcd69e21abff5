"""`docs/slurm/pretrain.sbatch` with stand-ins for `srun`, `scontrol` and `accelerate` that print their arguments."""

import os
import subprocess
from pathlib import Path

import pytest
from accelerate.commands.launch import launch_command_parser

from lgi_former.training.pretrain import PretrainingArguments
from lgi_former.training.run.arguments import ModelArguments, RecipeTrainingArguments
from lgi_former.training.run.recipe_parser import RecipeParser


SCRIPT = Path(__file__).parent.parent / "docs" / "slurm" / "pretrain.sbatch"
JOB = {
    "SLURM_JOB_ID": "7",
    "SLURM_JOB_NODELIST": "node-[1-2]",
    "SLURM_NNODES": "2",
    "SLURM_GPUS_ON_NODE": "4",
    "SLURM_CPUS_PER_TASK": "48",
}
STAND_INS = {
    "scontrol": '[ "$1" = show ] && printf "first-node\\nsecond-node\\n" || echo "$@"',
    "srun": 'shift 2; exec "$@"',  # removes its two options
    "accelerate": 'printf "%s\\n" "$@"',
}


def run(folder, job=JOB, **stand_ins):
    """The finished script. It runs the task of the second node."""
    for name, body in (STAND_INS | stand_ins).items():
        (folder / name).write_text(f"#!/bin/bash\n{body}\n")
        (folder / name).chmod(0o755)
    environment = {**os.environ, **job, "SLURM_NODEID": "1", "PATH": f"{folder}:{os.environ['PATH']}"}
    return subprocess.run(["bash", str(SCRIPT)], env=environment, capture_output=True, text=True, check=False)


@pytest.fixture(scope="module")
def launched(tmp_path_factory):
    """The options of `accelerate launch` on the second node."""
    done = run(tmp_path_factory.mktemp("stand_ins"))
    assert not done.stderr
    command, *options = done.stdout.split()
    assert command == "launch"
    return launch_command_parser().parse_args(options)


def test_each_node_joins_the_first(launched):
    assert (launched.num_machines, launched.num_processes, launched.machine_rank) == (2, 8, 1)
    assert launched.main_process_ip == "first-node"
    assert SCRIPT.parent.parent.parent.joinpath(launched.config_file).is_file()
    assert launched.module and launched.training_script == "lgi_former.training.pretrain"


def test_all_options_are_known_and_the_training_is_as_published(launched):
    parser = RecipeParser(ModelArguments, PretrainingArguments, RecipeTrainingArguments, prog="")
    _, data, training = parser.parse(launched.training_script_args)
    assert data.dataset_name == "voxceleb2" and data.data_root
    assert training.per_device_train_batch_size * launched.num_processes == 128
    assert training.resume_from_checkpoint == "true" and training.save_steps == 500
    assert training.dataloader_persistent_workers
    assert (training.dataloader_num_workers + 1) * int(JOB["SLURM_GPUS_ON_NODE"]) == int(JOB["SLURM_CPUS_PER_TASK"])


def test_a_total_batch_that_gpus_cannot_share_is_refused(tmp_path):
    done = run(tmp_path, JOB | {"SLURM_NNODES": "3"})
    assert done.returncode == 2 and not done.stdout
    assert "A total batch of 128 cannot be divided among 12 GPUs" in done.stderr


def test_a_job_returns_to_the_queue_before_its_time_limit(tmp_path):
    assert "#SBATCH --signal=B:USR1@120" in SCRIPT.read_text().splitlines()
    assert run(tmp_path, srun='kill -USR1 "$PPID"; sleep 0.2').stdout == "requeue 7\n"
