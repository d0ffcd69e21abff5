"""`import lgi_former` is light, and registers the family with Transformers in every order of imports."""

import subprocess
import sys

import pytest


def run_python(code, *args):
    done = subprocess.run([sys.executable, "-c", code, *args], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


@pytest.mark.parametrize("code", ["import lgi_former", "import lgi_former.commands.cli as cli; cli._build_parser()"])
def test_the_import_and_the_help_need_no_heavy_package(code):
    heavy = "('torch', 'transformers', 'numpy', 'lgi_former.training')"
    assert run_python(f"{code}\nimport sys\nprint([name for name in {heavy} if name in sys.modules])") == "[]"


PREPARATION = """
import sys
import av, einops, huggingface_hub, pandas, scipy, sklearn, torch._dynamo, torchvision.transforms.v2
assert not {"transformers", "lgi_former"} & sys.modules.keys()
"""  # imports what Transformers imports, so that each order is fast

CONFIG = """
from transformers import AutoConfig
config = AutoConfig.for_model("lgi_former", num_hidden_layers=1, hidden_size=16, intermediate_size=16)
"""
MODELS = f"""
from transformers import AutoModel, AutoModelForPreTraining, AutoModelForVideoClassification
{CONFIG}
autos = AutoModel, AutoModelForPreTraining, AutoModelForVideoClassification
names = [type(auto.from_config(config)).__name__ for auto in autos]
assert names == ["LGIFormerModel", "LGIFormerForPreTraining", "LGIFormerForVideoClassification"], names
"""
PROCESSOR = f"""
from transformers.models.auto.video_processing_auto import VIDEO_PROCESSOR_MAPPING
{CONFIG}
known = VIDEO_PROCESSOR_MAPPING[type(config)]
assert (known["torchvision"] if isinstance(known, dict) else known).__name__ == "LGIFormerVideoProcessor"
"""  # the mapping has a class in Transformers 5.17, a dictionary later
PIPELINE = """
from transformers.pipelines import PIPELINE_REGISTRY
known = PIPELINE_REGISTRY.check_task("facial-expression-recognition")[1]
assert known["impl"].__name__ == "FacialExpressionPipeline"
assert known["pt"][0].__name__ == "AutoModelForVideoClassification"
"""

ORDERS = {
    "config": f"import lgi_former{CONFIG}",
    "models": f"import lgi_former{MODELS}",
    "processor": f"import lgi_former{PROCESSOR}",
    "pipeline": f"import lgi_former{PIPELINE}",
} | {
    imports: f"{imports}{MODELS}{PROCESSOR}{PIPELINE}"
    for imports in [
        # Modules that import Auto classes before they are complete themselves.
        "import lgi_former, transformers.modeling_utils",
        "import lgi_former, transformers.modeling_layers",
        "import lgi_former; from transformers import Trainer, pipeline",
        "import lgi_former, accelerate; from transformers import VideoMAEModel",
        # Rooms that import Auto classes before they are complete themselves.
        "import lgi_former.modeling_lgi_former.modeling_lgi_former",
        "import lgi_former.saving, lgi_former.hub.loading",
        "from lgi_former import LGIFormerConfig, LGIFormerVideoProcessor",
        "from lgi_former import FacialExpressionPipeline, LGIFormerTrainer",
        # Transformers first.
        "from transformers import Trainer, pipeline; import lgi_former",
    ]
}


def test_the_family_is_registered_in_every_order_of_imports(run_in_forks):
    outcomes = run_in_forks(PREPARATION, list(ORDERS.values()))
    assert {order: error for order, (_, error) in zip(ORDERS, outcomes, strict=True) if error} == {}


def test_public_names():
    import lgi_former

    for name in lgi_former.__all__:
        assert getattr(lgi_former, name).__name__ == name
        assert name in dir(lgi_former)
    with pytest.raises(AttributeError, match="no attribute 'LGIFormer'"):
        _ = lgi_former.LGIFormer
