"""Training on a GPU: steps that do not wait, checkpointing, DDP, FSDP2, fp16, and errors when memory runs out."""

import copy
import math

import pytest
import torch
from torch.utils.data import Dataset

from lgi_former import LGIFormerForPreTraining, LGIFormerForVideoClassification, RegionTubeMasking


STAGES = ("fine-tuning", "pre-training")


@pytest.fixture
def model_and_batch(base_config, clips, device):
    """Function that makes a model in training mode and a batch for a stage."""

    def make(stage, batch_size=2, **fields):
        torch.manual_seed(0)
        config = base_config(**fields)
        batch = {"pixel_values": clips(config, batch_size)}
        if stage == "pre-training":
            batch["bool_masked_pos"] = RegionTubeMasking(config)(batch_size, device=device)
            return LGIFormerForPreTraining(config).to(device).train(), batch
        config.problem_type = "single_label_classification"  # the trainer sets it in its first step
        batch["labels"] = torch.rand(batch_size, 7, device=device).softmax(dim=1)
        return LGIFormerForVideoClassification(config).to(device).train(), batch

    return make


@pytest.mark.parametrize("stage", STAGES)
def test_a_step_never_waits_for_the_device(stage, model_and_batch, never_waiting, device):
    fields = {"drop_path_rate": 0.1, "hidden_dropout_prob": 0.1, "attention_probs_dropout_prob": 0.1}
    model, batch = model_and_batch(stage, **fields)
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-3, fused=True)
    before = [weight.detach().clone() for weight in model.parameters()]

    def step():
        with torch.autocast(device.type, dtype=torch.bfloat16):
            loss = model(**batch).loss
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        optimizer.zero_grad()
        return loss

    step()  # creates the optimiser's moments and the libraries' handles
    with never_waiting():
        loss = step()
    assert math.isfinite(loss.item())
    assert any(not torch.equal(old, new) for old, new in zip(before, model.parameters(), strict=True))


def test_a_wrong_mask_is_found_without_waiting(model_and_batch, device):
    if device.type == "cuda":
        pytest.skip("a failed assertion on the GPU ends the process")
    model, batch = model_and_batch("pre-training")
    batch["bool_masked_pos"][0, batch["bool_masked_pos"][0].nonzero()[0]] = False
    with pytest.raises(ValueError, match="same number of visible tokens"):
        model(**batch)


@pytest.mark.parametrize("stage", STAGES)
def test_checkpointing_gives_the_same_gradients_for_less_memory(stage, model_and_batch, device):
    peaks, gradients = [], []
    for kwargs in (None, {"use_reentrant": False, "context_fn": "keep_products"}, {"use_reentrant": False}):
        model, batch = model_and_batch(stage, batch_size=4, num_hidden_layers=4)
        if kwargs is not None:
            model.gradient_checkpointing_enable(gradient_checkpointing_kwargs=kwargs)
        before = 0
        if device.type == "cuda":
            torch.cuda.synchronize()
            torch.cuda.reset_peak_memory_stats()
            before = torch.cuda.memory_allocated()
        model(**batch).loss.backward()
        peaks.append(torch.cuda.max_memory_allocated() - before if device.type == "cuda" else 0)
        gradients.append([weight.grad.cpu() for weight in model.parameters()])
        del model, batch
    for other in gradients[1:]:
        for actual, expected in zip(other, gradients[0], strict=True):
            torch.testing.assert_close(actual, expected, rtol=1e-3, atol=1e-5)
    if device.type == "cuda":
        assert peaks[0] > peaks[1] > peaks[2]


@pytest.fixture
def one_process(device, tmp_path):
    """A process group of one process, with NCCL on a GPU."""
    backend = "nccl" if device.type == "cuda" else "gloo"
    torch.distributed.init_process_group(backend, init_method=f"file://{tmp_path}/rendezvous", rank=0, world_size=1)
    yield
    torch.distributed.destroy_process_group()


@pytest.mark.parametrize("stage", STAGES)
def test_ddp_gives_the_same_gradients(stage, model_and_batch, one_process, device):
    model, batch = model_and_batch(stage)
    alone = copy.deepcopy(model)
    alone(**batch).loss.backward()
    device_ids = [0] if device.type == "cuda" else None
    wrapped = torch.nn.parallel.DistributedDataParallel(model, device_ids=device_ids)
    for _ in range(2):  # the second step fails if a weight had no gradient in the first
        model.zero_grad()
        wrapped(**batch).loss.backward()
    for actual, expected in zip(model.parameters(), alone.parameters(), strict=True):
        torch.testing.assert_close(actual.grad, expected.grad, rtol=1e-3, atol=1e-5)


@pytest.mark.parametrize("stage", STAGES)
def test_fsdp2_gives_the_same_gradients(stage, model_and_batch, one_process, device):
    from torch.distributed.fsdp import fully_shard

    model, batch = model_and_batch(stage)
    alone = copy.deepcopy(model)
    expected = alone(**batch).loss
    expected.backward()
    mesh = torch.distributed.init_device_mesh(device.type, (1,))
    for name in model._no_split_modules:
        for module in [module for module in model.modules() if type(module).__name__ == name]:
            fully_shard(module, mesh=mesh)
    fully_shard(model, mesh=mesh)
    loss = model(**batch).loss
    loss.backward()
    torch.testing.assert_close(loss, expected, rtol=1e-4, atol=1e-5)
    for actual, same in zip(model.parameters(), alone.parameters(), strict=True):
        torch.testing.assert_close(actual.grad.full_tensor(), same.grad, rtol=1e-3, atol=1e-5)


class _Clips(Dataset):
    def __init__(self, config):
        self.size = (config.num_frames, 3, config.image_size, config.image_size)

    def __len__(self):
        return 16

    def __getitem__(self, index):
        pixel_values = torch.randn(self.size, generator=torch.Generator().manual_seed(index))
        return {"pixel_values": pixel_values, "labels": index % 7, "seed": index, "video": f"{index}.mp4"}


@pytest.mark.parametrize("stage", STAGES)
def test_the_trainer_with_fp16_scales_its_loss(stage, base_config, device, tmp_path):
    pytest.importorskip("datasets")
    pytest.importorskip("evaluate")
    from lgi_former import LGIFormerTrainer
    from lgi_former.training.data.collators import FinetuningCollator, PretrainingCollator
    from lgi_former.training.run.arguments import RecipeTrainingArguments

    config, on_gpu = base_config(), device.type == "cuda"
    is_pretraining = stage == "pre-training"
    model = (LGIFormerForPreTraining if is_pretraining else LGIFormerForVideoClassification)(config)
    before = [weight.detach().clone() for weight in model.parameters()]
    trainer = LGIFormerTrainer(
        model,
        RecipeTrainingArguments(
            output_dir=str(tmp_path),
            max_steps=8,
            per_device_train_batch_size=4,
            learning_rate=1e-4,
            logging_steps=1,
            fp16=on_gpu,
            bf16=False,
            use_cpu=not on_gpu,
            save_strategy="no",
            report_to="none",
            disable_tqdm=True,
        ),
        train_dataset=_Clips(config),
        data_collator=PretrainingCollator(RegionTubeMasking(config)) if is_pretraining else FinetuningCollator(7),
    )
    trainer.train()
    losses = [entry["loss"] for entry in trainer.state.log_history if "loss" in entry]
    assert len(losses) == 8 and all(map(math.isfinite, losses))
    assert (trainer.accelerator.scaler is not None) == on_gpu
    assert any(not torch.equal(old, new.cpu()) for old, new in zip(before, model.parameters(), strict=True))


def test_a_lack_of_memory_is_one_sentence(device):
    from lgi_former.messages import first_line, is_out_of_memory

    with pytest.raises(RuntimeError) as raised:
        torch.empty(2**50, device=device)
    assert is_out_of_memory(raised.value)
    message = first_line(raised.value)
    assert message.startswith(f"The {'device' if device.type == 'cuda' else 'machine'} ran out of memory")
    assert "Lower --batch_size" in message and "\n" not in message
