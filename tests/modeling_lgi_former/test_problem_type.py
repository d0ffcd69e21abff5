"""The problem type of a classifier, also without a `problem_type` in its configuration."""

import pytest
from transformers import VideoMAEConfig

from lgi_former import LGIFormerConfig
from lgi_former.modeling_lgi_former.classification_loss import problem_type_of


@pytest.mark.parametrize("config_class", [LGIFormerConfig, VideoMAEConfig])
@pytest.mark.parametrize(
    ("problem_type", "num_labels", "expected"),
    [
        (None, 1, "regression"),
        (None, 2, "single_label_classification"),
        ("regression", 3, "regression"),
        ("multi_label_classification", 1, "multi_label_classification"),
        ("multi_label_classification", 4, "multi_label_classification"),
    ],
)
def test_the_problem_type_of_every_family(config_class, problem_type, num_labels, expected):
    assert problem_type_of(config_class(problem_type=problem_type, num_labels=num_labels)) == expected
