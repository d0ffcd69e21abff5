"""`max-autotune` tries many kernels for each shape of a product, so the model has one small layer."""

import pytest
import torch

from lgi_former import LGIFormerConfig, LGIFormerForVideoClassification


@pytest.mark.slow
def test_max_autotune_agrees(device, compiled):
    config = LGIFormerConfig(
        image_size=32,
        patch_size=8,
        num_frames=4,
        region_size=(1, 2, 4),
        hidden_size=64,
        intermediate_size=128,
        num_hidden_layers=1,
        num_attention_heads=2,
        num_labels=7,
        initializer_range=0.05,
        classifier_init_scale=1.0,
    )
    model = LGIFormerForVideoClassification(config).to(device).eval()
    pixel_values = torch.randn(4, 4, 3, 32, 32, device=device)
    whole = compiled(model, "max-autotune")
    with torch.no_grad():
        expected = model(pixel_values).logits
        for _ in range(3):
            torch.testing.assert_close(whole(pixel_values).logits.clone(), expected, rtol=1e-3, atol=1e-4)
