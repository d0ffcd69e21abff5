"""The shipped configurations of `accelerate launch`, as its own parser takes them."""

import pytest
from accelerate.commands.config.config_args import load_config_from_file
from accelerate.commands.launch import _validate_launch_command, launch_command_parser
from accelerate.utils import DistributedType, FullyShardedDataParallelPlugin
from accelerate.utils.launch import prepare_multi_gpu_env

from lgi_former import LGIFormerConfig, LGIFormerForPreTraining, LGIFormerForVideoClassification
from lgi_former.training.run.recipes import RECIPES


FOLDER = RECIPES.with_name("accelerate")


@pytest.mark.parametrize(
    ("name", "distributed_type", "machines", "processes"),
    [
        ("one_gpu", DistributedType.NO, 1, 1),
        ("many_gpus", DistributedType.MULTI_GPU, 1, 4),
        ("multi_node", DistributedType.MULTI_GPU, 2, 8),
        ("fsdp2", DistributedType.FSDP, 1, 4),
    ],
)
def test_each_configuration_is_accelerates(name, distributed_type, machines, processes):
    configuration = load_config_from_file(str(FOLDER / f"{name}.yaml"))
    assert configuration.distributed_type == distributed_type
    assert (configuration.num_machines, configuration.num_processes) == (machines, processes)
    assert configuration.mixed_precision is None  # an option of the command


def test_there_is_no_other():
    assert sorted(path.stem for path in FOLDER.iterdir()) == ["fsdp2", "many_gpus", "multi_node", "one_gpu"]


@pytest.mark.parametrize(
    ("model_class", "units"),
    [
        (LGIFormerForPreTraining, ["LGIFormerDecoder", "LGIFormerEmbeddings", "LGIFormerLayer"]),
        (LGIFormerForVideoClassification, ["LGIFormerEmbeddings", "LGIFormerLayer"]),
    ],
)
def test_fsdp2_shards_by_the_models_own_units(model_class, units, monkeypatch):
    options = ["--config_file", str(FOLDER / "fsdp2.yaml"), "--main_process_port", "0", "train.py"]
    arguments, _, _ = _validate_launch_command(launch_command_parser().parse_args(options))
    for name, value in prepare_multi_gpu_env(arguments).items():
        monkeypatch.setenv(name, value)
    plugin = FullyShardedDataParallelPlugin()
    assert (plugin.fsdp_version, plugin.state_dict_type.name) == (2, "FULL_STATE_DICT")
    assert not plugin.cpu_ram_efficient_loading
    plugin.set_auto_wrap_policy(model_class(LGIFormerConfig(num_hidden_layers=1, decoder_num_hidden_layers=1)))
    assert sorted(plugin.transformer_cls_names_to_wrap) == units
