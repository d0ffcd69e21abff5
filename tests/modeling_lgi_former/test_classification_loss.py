"""The loss of the classification head for each kind of label."""

import pytest
import torch
from torch.nn import functional as F

from lgi_former import LGIFormerForVideoClassification
from lgi_former.modeling_lgi_former.classification_loss import classification_loss


def test_class_indices(tiny_config):
    logits, labels = torch.randn(4, 5), torch.tensor([0, 4, 2, 2])
    for problem_type in (None, "single_label_classification"):
        loss = classification_loss(logits, labels, tiny_config(problem_type=problem_type))
        assert loss == F.cross_entropy(logits, labels)


def test_soft_labels_are_cross_entropy_with_probabilities(tiny_config):
    logits, labels = torch.randn(4, 5), torch.rand(4, 5).softmax(-1)
    expected = -(labels * logits.log_softmax(-1)).sum(-1).mean()
    for problem_type in (None, "single_label_classification"):
        config = tiny_config(problem_type=problem_type)
        torch.testing.assert_close(classification_loss(logits, labels, config), expected)
        assert config.problem_type == problem_type


def test_soft_labels_in_half_precision(tiny_config):
    labels = torch.rand(64, 5).softmax(-1).to(torch.bfloat16)
    assert classification_loss(torch.randn(64, 5), labels, tiny_config()).isfinite()


def test_several_labels_a_clip(tiny_config):
    logits, labels = torch.randn(4, 5), torch.randint(2, (4, 5))
    config = tiny_config(problem_type="multi_label_classification")
    for given in (labels, labels.float()):
        assert classification_loss(logits, given, config) == F.binary_cross_entropy_with_logits(logits, labels.float())


def test_regression(tiny_config):
    config = tiny_config(num_labels=1)
    logits, labels = torch.randn(4, 1), torch.rand(4)
    assert classification_loss(logits, labels, config) == F.mse_loss(logits[:, 0], labels)
    config = tiny_config(num_labels=3, problem_type="regression")
    logits, labels = torch.randn(4, 3), torch.rand(4, 3)
    assert classification_loss(logits, labels, config) == F.mse_loss(logits, labels)


def test_labels_of_frames(tiny_config):
    logits = torch.randn(2, 8, 5)
    indices, soft = torch.randint(5, (2, 8)), torch.rand(2, 8, 5).softmax(-1)
    config = tiny_config(frame_level=True)
    expected = torch.stack([F.cross_entropy(logits[i], indices[i]) for i in range(2)]).mean()
    torch.testing.assert_close(classification_loss(logits, indices, config), expected)
    expected = torch.stack([F.cross_entropy(logits[i], soft[i]) for i in range(2)]).mean()
    torch.testing.assert_close(classification_loss(logits, soft, config), expected)


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
def test_the_loss_of_half_precision_logits_is_float32(tiny_config, dtype):
    loss = classification_loss(torch.randn(4, 5).to(dtype), torch.zeros(4, dtype=torch.long), tiny_config())
    assert loss.dtype == torch.float32


@pytest.mark.parametrize(
    ("labels", "fields", "message"),
    [
        (torch.tensor([[1.0, 1.0, 0.0, 0.0, 0.0]] * 4), {}, "do not sum to 1.*multi_label_classification"),
        (torch.zeros(4, 5, dtype=torch.long), {}, "expected one class index a row"),
        (torch.zeros(3, dtype=torch.long), {}, "expected one class index a row"),
        (torch.rand(4), {}, "expected one probability a class"),
        (torch.zeros(4), {"problem_type": "multi_label_classification"}, "expected one 0 or 1 a class"),
        (torch.zeros(4), {"problem_type": "regression"}, "as many numbers as the logits"),
        (torch.zeros(5, 4), {"problem_type": "regression"}, "as many numbers as the logits"),
    ],
)
def test_labels_that_do_not_fit_are_refused(tiny_config, labels, fields, message):
    with pytest.raises(ValueError, match=message):
        classification_loss(torch.randn(4, 5), labels, tiny_config(**fields))


def test_a_sigmoid_is_not_applied_twice(tiny_config):
    with pytest.raises(ValueError, match="head_activation='sigmoid' clashes"):
        tiny_config(head_activation="sigmoid", problem_type="multi_label_classification")
    config = tiny_config(head_activation="sigmoid")
    config.problem_type = "multi_label_classification"
    with pytest.raises(ValueError, match="head_activation='sigmoid' clashes"):
        classification_loss(torch.rand(4, 5), torch.ones(4, 5), config)


def test_the_model_returns_the_loss_of_its_logits(tiny_config, clips):
    model = LGIFormerForVideoClassification(tiny_config()).eval()
    labels = torch.tensor([3, 1])
    outputs = model(clips(model.config), labels=labels)
    torch.testing.assert_close(outputs.loss, F.cross_entropy(outputs.logits, labels))
