"""Errors about memory, of all devices and commands, say in one line what to lower."""

import shutil

import pytest
import torch

from lgi_former import LGIFormerForPreTraining, LGIFormerForVideoClassification, LGIFormerModel
from lgi_former.commands.cli import main
from lgi_former.messages import first_line, is_out_of_memory, out_of_memory_sentence
from lgi_former.training.quickstart.sample_clip import write_sample_clip
from lgi_former.training.run.entry_point import run_entry_point


CUDA = (
    "CUDA out of memory. Tried to allocate 2.50 GiB. GPU 0 has a total capacity of 79.19 GiB.\nProcess 1 has 70 GiB "
    "memory in use."
)
LABELS = ("happy", "sad", "neutral")


@pytest.mark.parametrize(
    ("error", "beginning"),
    [
        (torch.OutOfMemoryError(CUDA), "The device ran out of memory when it asked for 2.50 GiB more. Lower"),
        (torch.OutOfMemoryError(""), "The device ran out of memory. Lower"),
        (RuntimeError("MPS backend out of memory (MPS allocated: 18 GB)"), "The device ran out of memory. Lower"),
        (RuntimeError("CUDA error: CUBLAS_STATUS_ALLOC_FAILED when calling"), "The device ran out of memory. Lower"),
        (RuntimeError("DefaultCPUAllocator: can't allocate memory: you tried"), "The machine ran out of memory."),
        (
            RuntimeError("MPS backend out of memory (max allowed: 18 GB). Tried to allocate 256 bytes on"),
            "The device ran ",
        ),
        (
            RuntimeError("XPU out of memory. Tried to allocate 1.5 MiB. GPU"),
            "The device ran out of memory when it asked ",
        ),
        (MemoryError(), "The machine ran out of memory. Lower"),
    ],
)
def test_the_message_is_one_line_with_advice(error, beginning):
    assert is_out_of_memory(error)
    message = first_line(error)
    assert message.startswith(beginning) and "\n" not in message
    assert out_of_memory_sentence(error, "Do this.").endswith("memory. Do this.") or "more. Do this." in (
        out_of_memory_sentence(error, "Do this.")
    )


@pytest.mark.parametrize("error", [RuntimeError("mat1 and mat2 cannot be multiplied"), ValueError("out of memory")])
def test_other_errors_are_not_about_memory(error):
    assert not is_out_of_memory(error)
    assert "ran out of memory" not in first_line(error)


def raise_out_of_memory(*args, **kwargs):
    raise torch.OutOfMemoryError(CUDA)


@pytest.fixture(scope="module")
def folder(tmp_path_factory, save_tiny_model):
    folder = tmp_path_factory.mktemp("memory")
    write_sample_clip(folder / "face.mp4")
    for label in LABELS:
        shutil.copy(folder / "face.mp4", folder / f"{label}.mp4")
    save_tiny_model(LGIFormerForVideoClassification, folder / "classifier", LABELS)
    save_tiny_model(LGIFormerForPreTraining, folder / "autoencoder", LABELS)
    (folder / "list.csv").write_text("path,label\n" + "".join(f"{label}.mp4,{label}\n" for label in LABELS))
    return folder


@pytest.mark.parametrize(
    ("command", "model_class", "advice"),
    [
        ("predict {0}/face.mp4 --model {0}/classifier --no_crop_faces --device cpu", None, "Lower --batch_size"),
        ("embed {0}/face.mp4 --model {0}/classifier --output {1}/x.npy --device cpu", LGIFormerModel, "--batch_size"),
        (
            "reconstruct {0}/face.mp4 --model {0}/autoencoder --output {1}/x.png --device cpu",
            LGIFormerForPreTraining,
            "Take a model of fewer frames",
        ),
        (
            "visualize attention {0}/face.mp4 --model {0}/classifier --output {1}/x.png --device cpu",
            LGIFormerModel,
            "Take a model of fewer frames",
        ),
        (
            "evaluate --model {0}/classifier --data {0}/list.csv --output_dir {1}/out --use_cpu --bf16 false",
            None,
            "Lower --batch_size, compute in half precision (--bf16 true)",
        ),
        (
            "finetune --train_data {0}/list.csv --model_name_or_path {0}/classifier --output_dir {1}/out --use_cpu "
            "--bf16 false --max_steps 1 --report_to none --labels happy sad neutral",
            None,
            "Lower --per_device_train_batch_size and raise --gradient_accumulation_steps",
        ),
        (
            "pretrain --train_data {0}/list.csv --model_name_or_path {0}/autoencoder --output_dir {1}/out --use_cpu "
            "--bf16 false --max_steps 1 --report_to none",
            LGIFormerForPreTraining,
            "set --gradient_checkpointing true",
        ),
    ],
)
def test_commands_say_what_to_lower(command, model_class, advice, folder, tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(model_class or LGIFormerForVideoClassification, "forward", raise_out_of_memory)
    assert main(command.format(folder, tmp_path).split()) in (1, 2)
    *_, message = capsys.readouterr().err.strip().splitlines()
    assert message.startswith("lgi-former: ")
    assert "The device ran out of memory when it asked for 2.50 GiB more." in message
    assert advice in message


def test_a_command_without_its_own_handler_reports_it(monkeypatch, capsys):
    monkeypatch.setattr("lgi_former.commands.quickstart.run", raise_out_of_memory)
    assert main(["quickstart"]) == 2
    assert capsys.readouterr().err.startswith("lgi-former: The device ran out of memory")


def test_other_errors_of_training_have_a_traceback():
    def run():
        """Something."""
        raise RuntimeError("a bug")

    with pytest.raises(RuntimeError, match="a bug"):
        run_entry_point(run, argv=[])
