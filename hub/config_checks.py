"""Checks of the fields of a `config.json` before its configuration is made."""

import transformers
from transformers import CONFIG_MAPPING, PreTrainedConfig, VideoMAEConfig

from ..configuration import LGIFormerConfig
from ..messages import nearest
from ..saving import check_field_names, known_fields


def config_class_of(name: str, path: str, fields: dict) -> type[PreTrainedConfig]:
    """The class of a configuration.

    Raises:
        ValueError: If the family is unknown, a field is misspelt, or code of the Hub would compute the attention.
    """
    family = fields.get("model_type")
    if not isinstance(family, str) or family not in CONFIG_MAPPING:
        if fields.get("auto_map"):
            raise ValueError(needs_own_code(name, path, "model_type", LGIFormerConfig.model_type))
        if "model_type" not in fields:
            raise ValueError(f"{path} has no field 'model_type'{nearest('model_type', list(fields))}")
        raise ValueError(
            f"{path} has model_type={str(family)[:80]!r}, a family that neither this package nor Transformers "
            f"{transformers.__version__} knows{nearest(str(family), list(CONFIG_MAPPING))}"
        )
    for field in ("attn_implementation", "_attn_implementation", "experts_implementation"):
        if "/" in str(fields.get(field)):
            raise ValueError(
                f"{path} has {field}={str(fields[field])[:80]!r}, which is code on the Hub. It never runs here. "
                "Remove the field."
            )
    config_class = CONFIG_MAPPING[family]
    if config_class in (LGIFormerConfig, VideoMAEConfig):
        check_field_names(fields, known_fields(config_class), path)
    return config_class


def needs_own_code(name: str, path: str, field: str, ours: str) -> str:
    """The sentence about a model that needs its own code. `ours` is the value of `field` in an LGI-Former."""
    return (
        f"{name} needs the Python code beside it, which never runs here. If it is an LGI-Former, write {ours!r} as "
        f"{field} in {path}. Otherwise, give a model of a family that Transformers or this package has."
    )
