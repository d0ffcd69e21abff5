"""`import lgi_former` is light, and registers the family with Transformers in every order of imports."""

import json
import os
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


# Each order runs in a fork of one process, which has imported what Transformers imports. New processes take longer.
RUN_ORDERS = """
import json, os, sys, traceback
import av, einops, huggingface_hub, pandas, scipy, sklearn, torch._dynamo, torchvision.transforms.v2

def is_fine(code):
    child = os.fork()
    if child == 0:
        try:
            exec(code, {"__name__": "order"})
        except BaseException:
            traceback.print_exc()
            os._exit(1)
        os._exit(0)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0

assert not {"transformers", "lgi_former"} & sys.modules.keys()
print(json.dumps([is_fine(code) for code in json.loads(sys.argv[1])]))
"""

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


@pytest.mark.skipif(not hasattr(os, "fork"), reason="runs each order in a fork")
def test_the_family_is_registered_in_every_order_of_imports():
    done = subprocess.run(
        [sys.executable, "-c", RUN_ORDERS, json.dumps(list(ORDERS.values()))],
        capture_output=True,
        text=True,
        check=True,
    )
    fine = json.loads(done.stdout.splitlines()[-1])
    assert [order for order, is_fine in zip(ORDERS, fine, strict=True) if not is_fine] == [], done.stderr


def test_public_names():
    import lgi_former

    for name in lgi_former.__all__:
        assert getattr(lgi_former, name).__name__ == name
        assert name in dir(lgi_former)
    with pytest.raises(AttributeError, match="no attribute 'LGIFormer'"):
        _ = lgi_former.LGIFormer
