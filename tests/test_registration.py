"""`import lgi_former` registers the model family, no matter what is imported before or after it."""

import pytest

import lgi_former


IMPORTS = [
    "import lgi_former; from transformers import PreTrainedModel, Trainer, pipeline",
    "from transformers import AutoModel, AutoVideoProcessor; import lgi_former",
    "import lgi_former.modeling_lgi_former.modeling_lgi_former",
    "from lgi_former import LGIFormerVideoProcessor",
]
CHECK = """
from transformers import AutoConfig, AutoModel, AutoModelForPreTraining, AutoModelForVideoClassification
from transformers.models.auto.video_processing_auto import VIDEO_PROCESSOR_MAPPING
from transformers.pipelines import PIPELINE_REGISTRY

config = AutoConfig.for_model("lgi_former", num_hidden_layers=1, hidden_size=16, intermediate_size=16)
for auto_class in (AutoModel, AutoModelForPreTraining, AutoModelForVideoClassification):
    print(type(auto_class.from_config(config)).__name__)
processor = VIDEO_PROCESSOR_MAPPING[type(config)]  # a class in Transformers 5.17, a dictionary in later versions
print((processor["torchvision"] if isinstance(processor, dict) else processor).__name__)
print(PIPELINE_REGISTRY.check_task("facial-expression-recognition")[1]["impl"].__name__)
"""
EXTRA_IMPORTS = """
import sys

before = list(sys.meta_path)
import lgi_former

modules = [type(finder).__module__ for finder in sys.meta_path if finder not in before]
print([name for name in modules if name.startswith("lgi_former")])
print([name for name in sys.modules if name.startswith(("lgi_former.training", "lgi_former.commands"))])
"""


@pytest.fixture(scope="module")
def outcomes(run_in_forks):
    """Output and error of each code in a process that has imported neither this package nor Transformers."""
    codes = [*(f"{imports}\n{CHECK}" for imports in IMPORTS), EXTRA_IMPORTS]
    return dict(zip([*IMPORTS, EXTRA_IMPORTS], run_in_forks("import torch, torchvision", codes), strict=True))


def test_the_import_installs_no_hook_and_leaves_training_out(outcomes):
    assert outcomes[EXTRA_IMPORTS] == ("[]\n[]\n", None)


@pytest.mark.parametrize("imports", IMPORTS)
def test_all_auto_classes_know_the_family(imports, outcomes):
    output, error = outcomes[imports]
    assert error is None
    assert output.split() == [
        "LGIFormerModel",
        "LGIFormerForPreTraining",
        "LGIFormerForVideoClassification",
        "LGIFormerVideoProcessor",
        "FacialExpressionPipeline",
    ]


def test_public_names():
    for name in lgi_former.__all__:
        assert getattr(lgi_former, name).__name__ == name
        assert name in dir(lgi_former)
    with pytest.raises(AttributeError, match="no attribute 'LGIFormer'"):
        _ = lgi_former.LGIFormer
