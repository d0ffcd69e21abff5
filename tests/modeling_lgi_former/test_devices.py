"""On a GPU, a forward pass does not wait for the device or use tensors on the CPU. Fake tensors replace a GPU."""

import pytest
import torch

from lgi_former import LGIFormerForPreTraining, LGIFormerForVideoClassification, RegionTubeMasking


@pytest.mark.parametrize("symmetry", [None, "global", "local"])
@pytest.mark.parametrize("position_order", ["raster", "region"])
@pytest.mark.parametrize("decoder_mask_ratio", [0, 0.5])
def test_pretraining_forward(symmetry, position_order, decoder_mask_ratio, tiny_config, clips, fake_gpu):
    config = tiny_config(
        decoder_position_order=position_order,
        drop_path_rate=0.1,
        motion_loss_weight=0.5,
        decoder_mask_ratio=decoder_mask_ratio,
    )
    model = LGIFormerForPreTraining(config).train()
    masking = RegionTubeMasking(config, symmetry)
    masks = masking(2, device="cuda")
    outputs = model(clips(config), masks, masking.decoded(masks))
    assert outputs.loss.device.type == "cuda" and outputs.loss.shape == ()
    assert outputs.logits.shape[1] == 4 * config.num_decoded_of_region


@pytest.mark.parametrize(
    "fields",
    [
        {},
        {"intra_region_attention": "cross", "pooling": "all"},
        {"local_global_interaction": "self", "attention_sharing": "all"},
        {"frame_level": True},
        {"problem_type": "single_label_classification", "drop_path_rate": 0.1, "hidden_dropout_prob": 0.1},
    ],
)
def test_finetuning_forward(fields, tiny_config, clips, fake_gpu):
    config = tiny_config(**fields)
    model = LGIFormerForVideoClassification(config).train()
    size = (2, config.num_frames) if config.frame_level else (2,)
    labels = torch.zeros(size, dtype=torch.long)
    if config.problem_type is not None:
        labels = torch.nn.functional.one_hot(labels, 5).float()  # soft ones, as the trainer gives them
    assert model(clips(config), labels=labels).loss.device.type == "cuda"


def test_inference(tiny_config, clips, fake_gpu):
    model = LGIFormerForVideoClassification(tiny_config()).eval()
    with torch.no_grad():
        assert model(clips(model.config)).logits.device.type == "cuda"


def test_the_fake_gpu_finds_what_waits(fake_gpu):
    with pytest.raises(torch._subclasses.fake_tensor.DataDependentOutputException):
        torch.zeros(2).sum().item()
    with pytest.raises(RuntimeError, match="device"):
        torch.zeros(2) + torch.zeros(2, device="cpu")
