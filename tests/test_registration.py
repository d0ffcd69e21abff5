"""`import lgi_former` registers the family with Transformers, in every order of imports."""

import json
import subprocess
import sys

import pytest

import lgi_former
from lgi_former import LGIFormerForVideoClassification
from lgi_former.training.quickstart.sample_clip import write_sample_clip


SCRIPT = "import sys; sys.argv[0] = '/bin/lgi-former'; from lgi_former.commands.cli import main; sys.exit(main())"


@pytest.mark.parametrize("start", [["-c", SCRIPT], ["-m", "lgi_former"]], ids=["script", "module"])
@pytest.mark.parametrize(("command", "shown"), [("--help", "usage: lgi-former"), ("download", "mae-dfer-ferv39k")])
def test_help_and_the_list_of_models_import_no_heavy_package(start, command, shown):
    words = [sys.executable, "-X", "importtime", *start, command]
    done = subprocess.run(words, capture_output=True, text=True, check=True)
    imported = {line.rpartition("|")[2].strip() for line in done.stderr.splitlines()}
    assert shown in done.stdout and "lgi_former.commands.cli" in imported
    assert not {"torch", "transformers", "numpy", "gdown"} & imported


@pytest.mark.parametrize(
    ("argv", "words", "is_the_command"),
    [
        (["/bin/lgi-former", "predict"], ["python", "/bin/lgi-former", "predict"], True),
        ([r"C:\bin\lgi-former.exe"], ["python", r"C:\bin\lgi-former.exe"], sys.platform == "win32"),
        (["-m", "predict"], ["python", "-m", "lgi_former", "predict"], True),
        (["-m"], ["python", "-X", "dev", "-m", "lgi_former"], True),
        (["-m", "lgi_former"], ["python", "-m", "pytest", "lgi_former"], False),
        (["-m", "a.yaml"], ["python", "-m", "lgi_former.training.finetune", "a.yaml"], False),
        (["-m", "a", "b", "c"], [], False),
        (["train.py"], ["python", "train.py"], False),
        ([], [], False),
    ],
)
def test_the_command_is_recognised(argv, words, is_the_command, monkeypatch):
    monkeypatch.setattr(sys, "argv", argv)
    monkeypatch.setattr(sys, "orig_argv", words)
    assert lgi_former._is_the_command() == is_the_command


PREPARATION = """
import sys
import av, datasets, einops, huggingface_hub, pandas, scipy, sklearn, torch._dynamo, torchvision.transforms.v2
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


THREADS = f"""
import threading

errors = []

def use(code, barrier):
    barrier.wait()
    try:
        exec(code, {{}})
    except BaseException as error:
        errors.append(f"{{type(error).__name__}}: {{error}}")

def use_in_threads(*codes):
    barrier = threading.Barrier(len(codes))
    threads = [threading.Thread(target=use, args=(code, barrier), daemon=True) for code in codes]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(120)
    assert not any(thread.is_alive() for thread in threads), "threads wait for each other"
    assert not errors, errors

room = "from lgi_former import LGIFormerForVideoClassification, LGIFormerVideoProcessor"
use_in_threads({CONFIG!r}, {MODELS!r}, {PROCESSOR!r}, {PIPELINE!r}, room)
"""


THREAD_ORDERS = ["import transformers, lgi_former", "import lgi_former, transformers"]

COMMAND_STARTS = [
    'sys.argv = ["/bin/lgi-former", "predict"]',
    'sys.argv, sys.orig_argv = ["-m", "predict"], ["python", "-m", "lgi_former", "predict"]',
]


@pytest.fixture(scope="module")
def outcomes(run_in_forks, save_tiny_model, tmp_path_factory):
    """Output and error of each order of imports, start of threads and start of the command."""
    folder = tmp_path_factory.mktemp("command")
    video, model = str(write_sample_clip(folder / "face.mp4")), str(folder / "model")
    save_tiny_model(LGIFormerForVideoClassification, model, ["happy", "sad"])
    words = ["predict", video, "--model", model, "--device", "cpu", "--no_crop_faces", "--json"]
    command = f"""
import lgi_former
assert "transformers" not in sys.modules
from lgi_former.commands.cli import main
assert main({words}) == 0
{MODELS}{PROCESSOR}{PIPELINE}
"""
    codes = ORDERS | {order: f"{order}{THREADS}" for order in THREAD_ORDERS}
    codes |= {start: f"import sys\n{start}{command}" for start in COMMAND_STARTS}
    return dict(zip(codes, run_in_forks(PREPARATION, list(codes.values())), strict=True))


@pytest.mark.slow
@pytest.mark.parametrize("order", ORDERS)
def test_the_family_is_registered_in_every_order_of_imports(order, outcomes):
    assert outcomes[order][1] is None


@pytest.mark.slow
@pytest.mark.parametrize("order", THREAD_ORDERS)
def test_threads_that_start_at_once_know_the_family(order, outcomes):
    assert outcomes[order][1] is None


@pytest.mark.slow
@pytest.mark.parametrize("start", COMMAND_STARTS)
def test_the_command_registers_the_family_and_loads_models(start, outcomes):
    """For the command, the package registers its models only when a command needs them."""
    shown, error = outcomes[start]
    assert error is None and json.loads(shown)["scores"].keys() == {"happy", "sad"}


def test_public_names():
    assert set(lgi_former.__all__) == {
        "EvaluationTransform",
        "ExportedModel",
        "FaceCropper",
        "FacialExpressionMetric",
        "FacialExpressionPipeline",
        "FinetuningCollator",
        "LGIFormerConfig",
        "LGIFormerForPreTraining",
        "LGIFormerForVideoClassification",
        "LGIFormerModel",
        "LGIFormerPreTrainedModel",
        "LGIFormerTrainer",
        "LGIFormerTrainingArguments",
        "LGIFormerVideoProcessor",
        "PretrainingCollator",
        "RegionTubeMasking",
        "TrainingTransform",
        "VideoPredictor",
        "ViewCollator",
        "convert_mae_dfer_checkpoint",
        "download",
        "export_model",
        "load_videos",
        "make_compute_metrics",
        "parameter_groups",
    }
    for name in lgi_former.__all__:
        assert getattr(lgi_former, name).__name__ == name
        assert name in dir(lgi_former)
    with pytest.raises(AttributeError, match="no attribute 'LGIFormer'"):
        _ = lgi_former.LGIFormer
