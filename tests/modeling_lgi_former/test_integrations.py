"""torch.compile, torch.export, Accelerate, PEFT and Trainer work with the models."""

import pytest
import torch
from datasets import Dataset
from transformers import Trainer, TrainingArguments

from lgi_former import LGIFormerForPreTraining, LGIFormerForVideoClassification, LGIFormerModel, RegionTubeMasking
from lgi_former.modeling_lgi_former.attention import LGIFormerAttention


ONE_LAYER = {"num_hidden_layers": 1, "decoder_num_hidden_layers": 1}
"""Each layer takes seconds to compile."""


@pytest.fixture
def compile_whole():
    """`torch.compile` that fails at a graph break. The backend does not optimise the traced operations."""
    torch.compiler.reset()
    return lambda function: torch.compile(function, fullgraph=True, backend="aot_eager")


@pytest.mark.parametrize("attn_implementation", ["eager", "sdpa"])
def test_classifier_compiles_whole(tiny_config, clips, compile_whole, attn_implementation):
    config = tiny_config(attn_implementation=attn_implementation, num_hidden_layers=1)
    model = LGIFormerForVideoClassification(config).eval()
    pixel_values = clips(model.config)
    with torch.no_grad():
        torch.testing.assert_close(compile_whole(model)(pixel_values).logits, model(pixel_values).logits)


def test_recorded_outputs_compile_whole(tiny_config, clips, compile_whole):
    model = LGIFormerModel(tiny_config()).eval()
    pixel_values = clips(model.config)
    wanted = {"output_hidden_states": True, "output_attentions": True}
    expected = model(pixel_values, **wanted)  # installs Transformers' recording hooks
    actual = compile_whole(model)(pixel_values, **wanted)
    for name in ("last_hidden_state", "hidden_states", "attentions"):
        torch.testing.assert_close(actual[name], expected[name])


@pytest.mark.slow
def test_a_training_step_compiles_whole(tiny_config, clips, compile_whole):
    """Forward and backward pass, with dropout and stochastic depth."""
    dropout = {"hidden_dropout_prob": 0.1, "attention_probs_dropout_prob": 0.1, "drop_path_rate": 0.1}
    model = LGIFormerForVideoClassification(tiny_config(**dropout)).train()
    compile_whole(model)(clips(model.config), labels=torch.tensor([0, 1])).loss.backward()
    assert all(weight.grad is not None for weight in model.parameters())


@pytest.mark.slow
def test_compiled_pretraining_gives_the_same_loss_and_checks_masks_too(tiny_config, clips, compile_whole):
    model = LGIFormerForPreTraining(tiny_config(decoder_position_order="region", **ONE_LAYER)).train()
    compiled, pixel_values = compile_whole(model), clips(model.config)
    bool_masked_pos = RegionTubeMasking(model.config)(2)
    expected = model(pixel_values, bool_masked_pos).loss
    loss = compiled(pixel_values, bool_masked_pos).loss
    torch.testing.assert_close(loss, expected)
    loss.backward()
    assert all(weight.grad is not None for weight in model.parameters())

    bool_masked_pos[0, bool_masked_pos[0].nonzero()[0]] = False
    with pytest.raises(RuntimeError, match="must leave 4 tokens of every region visible"):
        compiled(pixel_values, bool_masked_pos)


def test_classifier_exports_with_any_batch_size(tiny_config, clips):
    model = LGIFormerForVideoClassification(tiny_config()).eval()
    batch = torch.export.Dim("batch", min=1, max=64)
    program = torch.export.export(model, (clips(model.config),), dynamic_shapes={"pixel_values": {0: batch}})
    for batch_size in (1, 3):
        pixel_values = clips(model.config, batch_size)
        torch.testing.assert_close(program.module()(pixel_values).logits, model(pixel_values).logits)


def test_device_map_auto(tiny_config, clips, tmp_path):
    model = LGIFormerForVideoClassification(tiny_config()).eval()
    model.save_pretrained(tmp_path)
    loaded = LGIFormerForVideoClassification.from_pretrained(tmp_path, device_map="auto")
    pixel_values = clips(model.config)
    torch.testing.assert_close(loaded(pixel_values.to(loaded.device)).logits.cpu(), model(pixel_values).logits)


def test_offloaded_layers_are_not_folded_but_right(tiny_config, clips, tmp_path):
    model = LGIFormerForVideoClassification(tiny_config()).eval()
    model.save_pretrained(tmp_path / "model")
    device_map = {name: "cpu" for name, _ in model.named_children()} | {
        "lgi_former.embeddings": "cpu",
        "lgi_former.encoder": "disk",
        "lgi_former.pooler": "cpu",
    }
    del device_map["lgi_former"]
    loaded = LGIFormerForVideoClassification.from_pretrained(
        tmp_path / "model", device_map=device_map, offload_folder=tmp_path / "offload"
    )
    projection = loaded.lgi_former.encoder.layers[0].interaction_attention.q_proj
    assert projection.weight.is_meta
    pixel_values = clips(model.config)
    torch.testing.assert_close(loaded(pixel_values).logits, model(pixel_values).logits)


def test_layers_are_never_split_between_devices(tiny_config):
    from accelerate import infer_auto_device_map

    model = LGIFormerForVideoClassification(tiny_config(num_hidden_layers=4))
    layer_bytes = sum(w.numel() * 4 for w in model.lgi_former.encoder.layers[0].parameters())
    device_map = infer_auto_device_map(
        model,
        max_memory={"cpu": 3 * layer_bytes, "disk": 10**9},
        no_split_module_classes=model._no_split_modules,
    )
    assert "disk" in device_map.values()
    for name in device_map:
        assert name.count(".") <= 3, f"{name} is a part of a layer"


def test_lora_on_the_projections(tiny_config, clips):
    """Adapters have an effect although S3 is folded by default. Each gets a gradient, also in the pruned S3."""
    from peft import LoraConfig, get_peft_model

    base = LGIFormerForVideoClassification(tiny_config()).eval()
    pixel_values = clips(base.config)
    before = base(pixel_values).logits.detach()
    model = get_peft_model(
        base, LoraConfig(target_modules=["q_proj", "k_proj", "v_proj", "o_proj"], modules_to_save=["classifier"])
    )
    torch.testing.assert_close(model(pixel_values).logits, before)  # LoRA starts as nothing

    model(pixel_values, labels=torch.tensor([0, 1])).loss.backward()
    trainable = {name: weight for name, weight in model.named_parameters() if weight.requires_grad}
    assert trainable and all(weight.grad is not None for weight in trainable.values())

    only_interaction = [name for name in trainable if "layers.0.interaction_attention.q_proj.lora_B" in name]
    assert only_interaction
    with torch.no_grad():
        trainable[only_interaction[0]].fill_(0.5)
    changed = model(pixel_values).logits
    assert not torch.allclose(changed, before)
    torch.testing.assert_close(model.merge_and_unload()(pixel_values).logits, changed, rtol=1e-4, atol=1e-5)


def test_quantised_projections_are_called_not_folded(tiny_config, clips):
    model = LGIFormerForVideoClassification(tiny_config()).eval()
    attention = model.lgi_former.encoder.layers[0].interaction_attention
    assert attention.folding_pays(num_queries=64, num_keys=4)

    class Quantised(torch.nn.Linear):
        pass

    attention.q_proj.__class__ = Quantised
    assert not attention.folding_pays(num_queries=64, num_keys=4)


@pytest.mark.parametrize(
    "register", ["register_forward_hook", "register_forward_pre_hook", "register_full_backward_hook"]
)
def test_projections_with_hooks_are_called_not_folded(tiny_config, clips, register):
    model = LGIFormerForVideoClassification(tiny_config())
    calls = []
    projection = model.lgi_former.encoder.layers[0].interaction_attention.o_proj
    getattr(projection, register)(lambda module, *_: calls.append(module))
    model(clips(model.config), labels=torch.tensor([0, 1])).loss.backward()
    assert calls == [projection]


def test_folding_is_chosen_by_the_number_of_operations(tiny_config):
    attention = LGIFormerAttention(tiny_config(), hidden_size=32, num_heads=2)
    assert attention.folding_pays(num_queries=64, num_keys=15)
    assert not attention.folding_pays(num_queries=64, num_keys=16)  # 16 keys x 2 heads = width
    assert not attention.folding_pays(num_queries=1, num_keys=4)


@pytest.mark.parametrize("model_class", [LGIFormerForVideoClassification, LGIFormerForPreTraining])
def test_trainer_trains_and_resumes(model_class, tiny_config, clips, tmp_path):
    config = tiny_config(initializer_range=0.02)
    columns = {"pixel_values": clips(config, 8).numpy()}
    if model_class is LGIFormerForPreTraining:
        columns["bool_masked_pos"] = RegionTubeMasking(config)(8).numpy()
    else:
        columns["labels"] = [0, 1, 2, 3, 4, 0, 1, 2]
    dataset = Dataset.from_dict(columns).with_format("torch")

    def trainer(steps):
        arguments = TrainingArguments(
            tmp_path,
            per_device_train_batch_size=2,
            gradient_accumulation_steps=2,
            max_steps=steps,
            save_steps=2,
            logging_steps=1,
            report_to="none",
            use_cpu=True,
            remove_unused_columns=True,
            disable_tqdm=True,
        )
        torch.manual_seed(0)
        return Trainer(model_class(config), arguments, train_dataset=dataset)

    trainer(2).train()
    resumed = trainer(4)
    resumed.train(resume_from_checkpoint=True)
    losses = [entry["loss"] for entry in resumed.state.log_history if "loss" in entry]
    assert len(losses) == 4
    # Accumulated batches are averaged: the logged loss is that of a batch, not of two.
    with torch.no_grad():
        fresh = model_class(config)(**{key: dataset[key][:] for key in columns}).loss.item()
    assert losses[0] == pytest.approx(fresh, rel=0.3)
