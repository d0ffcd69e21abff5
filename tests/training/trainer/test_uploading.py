"""A trainer refuses to upload checkpoints. `tests/hub/test_loading_elsewhere.py` tests what it uploads."""

import pytest


@pytest.mark.parametrize("strategy", ["checkpoint", "all_checkpoints"])
def test_checkpoints_are_not_uploaded(tiny_run, tmp_path, strategy):
    with pytest.raises(ValueError, match=rf"hub_strategy='{strategy}' would upload the optimiser's state"):
        tiny_run.finetuning(tmp_path, push_to_hub=True, hub_strategy=strategy)
