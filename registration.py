"""Registration of the family `lgi_former` with Transformers' Auto classes and pipelines, without importing them.

The Auto classes take seconds to import, and a registration needs our classes, which need torch. So each registration
waits until Transformers has imported the module that holds the Auto class or `pipeline`: whoever can call
`AutoModel.from_pretrained` finds the family there, and `import lgi_former` stays instant.
"""

import importlib.abc
import importlib.util
import sys
import warnings


def _register_config(auto):
    from .configuration import LGIFormerConfig

    auto.AutoConfig.register(LGIFormerConfig.model_type, LGIFormerConfig, exist_ok=True)


def _register_models(auto):
    from .configuration import LGIFormerConfig
    from .modeling_lgi_former import LGIFormerForPreTraining, LGIFormerForVideoClassification, LGIFormerModel

    auto.AutoModel.register(LGIFormerConfig, LGIFormerModel, exist_ok=True)
    auto.AutoModelForPreTraining.register(LGIFormerConfig, LGIFormerForPreTraining, exist_ok=True)
    auto.AutoModelForVideoClassification.register(LGIFormerConfig, LGIFormerForVideoClassification, exist_ok=True)


def _register_video_processor(auto):
    from .configuration import LGIFormerConfig
    from .image_processing import LGIFormerVideoProcessor

    auto.AutoVideoProcessor.register(LGIFormerConfig, LGIFormerVideoProcessor, exist_ok=True)


def _register_pipeline(pipelines):
    from transformers import AutoModelForVideoClassification

    from .inference import FacialExpressionPipeline

    pipelines.PIPELINE_REGISTRY.register_pipeline(
        "facial-expression-recognition",
        pipeline_class=FacialExpressionPipeline,
        pt_model=AutoModelForVideoClassification,
        type="video",
    )


# (module that is waited for, room of ours that the registration imports, registration)
_REGISTRATIONS = [
    ("transformers.models.auto.configuration_auto", f"{__package__}.configuration", _register_config),
    ("transformers.models.auto.modeling_auto", f"{__package__}.modeling_lgi_former", _register_models),
    ("transformers.models.auto.video_processing_auto", f"{__package__}.image_processing", _register_video_processor),
    ("transformers.pipelines", f"{__package__}.inference", _register_pipeline),
]


class _RegisterAfterImport(importlib.abc.MetaPathFinder):
    """Finds modules as the other finders do, and registers what has become possible after they ran.

    Our rooms are watched too: importing one may import an Auto class half-way, when it cannot be registered yet.
    """

    def __init__(self):
        self.waiting = list(_REGISTRATIONS)
        self.finding = False

    def find_spec(self, fullname, path=None, target=None):
        watched = {name for awaited_name, room_name, _ in self.waiting for name in (awaited_name, room_name)}
        if self.finding or fullname not in watched:
            return None
        self.finding = True
        try:
            spec = importlib.util.find_spec(fullname)
        finally:
            self.finding = False
        if spec is None or spec.loader is None:
            return spec
        run_module = spec.loader.exec_module

        def run_module_and_register(module):
            run_module(module)
            self.register_possible(just_imported=fullname)

        spec.loader.exec_module = run_module_and_register
        return spec

    def register_possible(self, just_imported=None):
        for entry in list(self.waiting):
            awaited_name, room_name, register = entry
            if entry not in self.waiting:  # done meanwhile: a registration imports rooms that others wait for
                continue
            if not _is_imported(awaited_name, just_imported) or _is_half_imported(room_name, just_imported):
                continue
            self.waiting.remove(entry)
            try:
                register(sys.modules[awaited_name])
            except ImportError as error:  # Transformers' own families must go on working
                self.waiting.append(entry)
                warnings.warn(f"lgi_former could not be registered with {awaited_name}: {error}", stacklevel=2)


def _is_half_imported(name, just_imported):
    return name in sys.modules and not _is_imported(name, just_imported)


def _is_imported(name, just_imported):
    if name == just_imported:
        return True
    module = sys.modules.get(name)
    return module is not None and not getattr(module.__spec__, "_initializing", False)


def register_with_auto_classes():
    """Register the family with `AutoConfig`, the three `AutoModel...` classes, `AutoVideoProcessor` and `pipeline`."""
    finder = _RegisterAfterImport()
    sys.meta_path.insert(0, finder)
    finder.register_possible()
