"""LGI-Former for Transformers: MAE-DFER (Sun et al., ACM MM 2023, https://arxiv.org/abs/2307.02227).

Importing this package registers the model family `lgi_former` with the Auto classes and pipelines of Transformers.
For that, it imports torch and Transformers. Only the command `lgi-former`, or `python -m lgi_former`, imports them
later: its help is fast.
"""

import importlib
import os
import sys

from .version import __version__ as __version__


_MODULE_OF_NAME = {
    "LGIFormerConfig": ".configuration",
    "LGIFormerPreTrainedModel": ".modeling_lgi_former",
    "LGIFormerModel": ".modeling_lgi_former",
    "LGIFormerForPreTraining": ".modeling_lgi_former",
    "LGIFormerForVideoClassification": ".modeling_lgi_former",
    "RegionTubeMasking": ".modeling_lgi_former",
    "convert_mae_dfer_checkpoint": ".conversion",
    "download": ".conversion",
    "LGIFormerVideoProcessor": ".image_processing",
    "load_videos": ".training.data.annotations",
    "TrainingTransform": ".training.data.transforms",
    "EvaluationTransform": ".training.data.transforms",
    "FinetuningCollator": ".training.data.collators",
    "PretrainingCollator": ".training.data.collators",
    "ViewCollator": ".training.data.collators",
    "LGIFormerTrainer": ".training.trainer",
    "LGIFormerTrainingArguments": ".training.trainer",
    "parameter_groups": ".training.trainer.optimization",
    "make_compute_metrics": ".training.evaluation.metrics",
    "FacialExpressionMetric": ".training.evaluation.metrics",
    "ExportedModel": ".inference",
    "FacialExpressionPipeline": ".inference",
    "VideoPredictor": ".inference.video_predictor",
    "FaceCropper": ".training.preparation.face_batches",
    "export_model": ".export",
}

__all__ = list(_MODULE_OF_NAME)


def __getattr__(name):
    if name not in _MODULE_OF_NAME:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(importlib.import_module(_MODULE_OF_NAME[name], __name__), name)
    globals()[name] = value
    return value


def __dir__():
    return sorted({*globals(), *__all__})


def _is_the_command():
    """Whether the script `lgi-former` or `python -m lgi_former` runs.

    The command registers the family before it needs a model (`commands/cli.py`).
    """
    argv = sys.argv or [""]
    if argv[0] == "-m":  # Python imports the package to find the module, whose name comes before the arguments
        return sys.orig_argv[-len(argv) :][:1] == [__name__]
    return os.path.splitext(os.path.basename(argv[0]))[0] == "lgi-former"


# A test runner may import this file again, under the name of the checkout's folder. Then nothing is registered.
if __name__ == "lgi_former" and not _is_the_command():
    from .registration import register_family

    register_family()
