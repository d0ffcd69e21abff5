"""`import lgi_former` registers the family, whatever is imported before or after it."""

import subprocess
import sys

import pytest


def run_python(code):
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


def test_the_import_installs_no_hook_and_leaves_training_out():
    found = run_python(
        "import sys; before = list(sys.meta_path)\n"
        "import lgi_former\n"
        "modules = [type(finder).__module__ for finder in sys.meta_path if finder not in before]\n"
        "print([name for name in modules if name.startswith('lgi_former')])\n"
        "print([name for name in sys.modules if name.startswith(('lgi_former.training', 'lgi_former.commands'))])"
    )
    assert found == "[]\n[]"


CHECK = """
from transformers import AutoConfig, AutoModel, AutoModelForPreTraining, AutoModelForVideoClassification
from transformers import AutoVideoProcessor
config = AutoConfig.for_model("lgi_former", num_hidden_layers=1, hidden_size=16, intermediate_size=16)
print(*(type(auto.from_config(config)).__name__ for auto in
        (AutoModel, AutoModelForPreTraining, AutoModelForVideoClassification)))
from transformers.models.auto.video_processing_auto import VIDEO_PROCESSOR_MAPPING
known = VIDEO_PROCESSOR_MAPPING[type(config)]
print((known["torchvision"] if isinstance(known, dict) else known).__name__)  # a class in Transformers 5.17
from transformers.pipelines import PIPELINE_REGISTRY
print(PIPELINE_REGISTRY.check_task("facial-expression-recognition")[1]["impl"].__name__)
"""


@pytest.mark.parametrize(
    "imports",
    [
        "import lgi_former",
        "from transformers import AutoModel, AutoVideoProcessor; import lgi_former",
        "import lgi_former.modeling_lgi_former.modeling_lgi_former",
        "from lgi_former import LGIFormerVideoProcessor",
        "import lgi_former; from transformers import PreTrainedModel",
        "import lgi_former; from transformers import Trainer, pipeline",
    ],
)
def test_all_auto_classes_know_the_family(imports):
    assert run_python(imports + CHECK).split() == [
        "LGIFormerModel",
        "LGIFormerForPreTraining",
        "LGIFormerForVideoClassification",
        "LGIFormerVideoProcessor",
        "FacialExpressionPipeline",
    ]


def test_public_names():
    import lgi_former

    for name in lgi_former.__all__:
        assert getattr(lgi_former, name).__name__ == name
        assert name in dir(lgi_former)
    with pytest.raises(AttributeError, match="no attribute 'LGIFormer'"):
        _ = lgi_former.LGIFormer
