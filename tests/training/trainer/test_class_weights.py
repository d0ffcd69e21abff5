"""Class weights in the loss of `LGIFormerTrainer`."""

import pytest
import torch
from torch.nn import functional as F

from lgi_former import LGIFormerConfig
from lgi_former.modeling_lgi_former.classification_loss import classification_loss


WEIGHTS = torch.tensor([0.5, 2.0, 3.0])
SINGLE = LGIFormerConfig(num_labels=3, problem_type="single_label_classification")
SEVERAL = LGIFormerConfig(num_labels=3, problem_type="multi_label_classification")
LOGITS = torch.tensor([[1.0, 0.0, -1.0], [0.5, 0.5, 2.0]])


def weighted_loss(logits, labels, config):
    return classification_loss(logits, labels, config, class_weights=WEIGHTS)


def test_soft_labels_are_weighted_by_class():
    soft = torch.tensor([[0.7, 0.2, 0.1], [0.0, 0.5, 0.5]])
    expected = sum(WEIGHTS[c] * soft[row, c] * -LOGITS[row].log_softmax(-1)[c] for row in range(2) for c in range(3))
    torch.testing.assert_close(weighted_loss(LOGITS, soft, SINGLE), expected / 2)


def test_indices_are_one_hot_labels():
    """PyTorch would divide by the weights of the batch."""
    hard = torch.tensor([2, 0])
    one_hot = F.one_hot(hard, 3).float()
    expected = weighted_loss(LOGITS, one_hot, SINGLE)
    torch.testing.assert_close(weighted_loss(LOGITS, hard, SINGLE), expected)
    with_ignored = weighted_loss(LOGITS.repeat(2, 1), torch.tensor([2, 0, -100, -100]), SINGLE)
    torch.testing.assert_close(with_ignored, expected)
    frames = weighted_loss(LOGITS[None], hard[None], SINGLE)
    torch.testing.assert_close(frames, expected)


def test_present_labels_are_weighted():
    present = torch.tensor([[1.0, 0.0, 1.0], [0.0, 0.0, 0.0]])
    expected = F.binary_cross_entropy_with_logits(LOGITS, present, reduction="none")
    expected = torch.where(present == 1, WEIGHTS * expected, expected).mean()
    torch.testing.assert_close(weighted_loss(LOGITS, present, SEVERAL), expected)


def test_labels_that_do_not_fit_are_refused():
    with pytest.raises(ValueError, match="do not fit logits"):
        weighted_loss(LOGITS, torch.zeros(2, 2), SEVERAL)


def test_training_is_weighted_and_evaluation_is_not(tiny_run, tmp_path):
    def trainer(name, weights):
        return tiny_run.finetuning(
            tmp_path / name, mix=0, max_steps=2, trainer_fields={"class_weights": weights}, eval_strategy="steps",
            eval_steps=1,
        )  # fmt: skip

    plain, weighted = trainer("plain", None), trainer("weighted", [2.0, 2.0, 2.0])
    assert plain.evaluate()["eval_loss"] == weighted.evaluate()["eval_loss"]
    plain.train()
    weighted.train()
    assert tiny_run.losses(weighted)[1] == pytest.approx(2 * tiny_run.losses(plain)[1], rel=1e-5)
    weighted.save_model()
    weighted.create_model_card()
    assert "\n- class_weights: LABEL_0 2, LABEL_1 2, LABEL_2 2\n" in (tmp_path / "weighted/README.md").read_text()


@pytest.mark.parametrize(
    ("weights", "model_fields", "message"),
    [
        ([1.0, 2.0], {}, "must be 3 finite numbers"),
        ([1.0, -2.0, 1.0], {}, "must be 3 finite numbers"),
        ([1.0, float("nan"), 1.0], {}, "must be 3 finite numbers"),
        ([1.0, 2.0, 1.0], {"problem_type": "regression"}, "a regression model has none"),
    ],
)
def test_wrong_weights_are_refused(weights, model_fields, message, tiny_run, tmp_path):
    with pytest.raises(ValueError, match=message):
        tiny_run.finetuning(tmp_path, model_fields=model_fields, trainer_fields={"class_weights": weights})


def test_weights_for_another_loss_are_refused(tiny_run, tmp_path):
    fields = {"class_weights": [1.0, 1.0, 1.0], "compute_loss_func": lambda *_, **__: 0}
    with pytest.raises(ValueError, match="no effect on compute_loss_func"):
        tiny_run.finetuning(tmp_path, trainer_fields=fields)
