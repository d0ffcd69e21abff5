"""LGI-Former configuration."""

import inspect
import math
import typing
import unicodedata
from typing import Literal

from transformers import PreTrainedConfig
from transformers.activations import ACT2FN

from ..saving import ConfigSavedWithCode


_PROBLEM_TYPES = (None, "single_label_classification", "multi_label_classification", "regression")
ROUNDING = 0.01
"""Difference to a whole number of tokens that comes from the rounding of a share."""


class LGIFormerConfig(ConfigSavedWithCode, PreTrainedConfig):
    r"""
    Configuration of every LGI-Former model. The defaults give the published base model of MAE-DFER
    (https://arxiv.org/abs/2307.02227): clips of 16 frames of 160 x 160 pixels, 8 x 10 x 10 local tokens in
    4 x 2 x 1 regions, 85 M parameters.

    Clip and tokens:

    Args:
        image_size (`int`, defaults to 160):
            Height and width of a frame in pixels. A multiple of `patch_size`.
        patch_size (`int`, defaults to 16):
            Height and width of a tubelet in pixels.
        num_channels (`int`, defaults to 3):
            Channels of a frame.
        num_frames (`int`, defaults to 16):
            Frames of a clip. A multiple of `tubelet_size`.
        tubelet_size (`int`, defaults to 2):
            Frames of a tubelet, the unit that becomes one local token.
        region_size (`tuple[int, int, int]`, defaults to `(2, 5, 10)`):
            Local tokens of a region along time, height and width. Each must divide the token grid
            `(num_frames / tubelet_size, image_size / patch_size, image_size / patch_size)`.

    Encoder:

    Args:
        hidden_size (`int`, defaults to 512):
            Width of local and representative tokens. A multiple of `num_attention_heads`.
        num_hidden_layers (`int`, defaults to 16):
            Number of LGI-Former layers.
        num_attention_heads (`int`, defaults to 8):
            Heads of each of the three attentions of a layer.
        intermediate_size (`int`, defaults to 2048):
            Width of the feed-forward network.
        hidden_act (`str`, defaults to `"gelu"`):
            Activation of the feed-forward network, a name of `transformers.activations.ACT2FN`.
        hidden_dropout_prob (`float`, defaults to 0.0):
            Dropout on the output of each attention and feed-forward network.
        attention_probs_dropout_prob (`float`, defaults to 0.0):
            Dropout on attention probabilities.
        drop_path_rate (`float`, defaults to 0.0):
            Stochastic depth of the last encoder layer. It grows linearly from 0 at the first layer.
        initializer_range (`float`, defaults to 0.02):
            Standard deviation of the truncated normal for representative tokens and the mask token. Encoders and
            classifiers use it for linear weights, too.
        layer_norm_eps (`float`, defaults to 1e-6):
            Epsilon of every layer norm.
        qkv_bias (`bool`, defaults to `True`):
            Whether queries and values have a bias. Keys have none, because it does not change the softmax.
        intra_region_attention (`"self"` or `"cross"`, defaults to `"self"`):
            S1. `"self"`: all tokens of a region attend to one another. `"cross"`: only the representative token
            attends to the local tokens of its region.
        inter_region_attention (`bool`, defaults to `True`):
            S2: whether representative tokens attend to one another.
        local_global_interaction (`"cross"`, `"self"` or `None`, defaults to `"cross"`):
            S3. `"cross"`: local tokens query all representative tokens. `"self"`: a second attention inside each
            region. `None`: no S3.
        attention_sharing (`"none"`, `"intra_and_interaction"` or `"all"`, defaults to `"none"`):
            Which attentions of a layer share weights: none, S1 with S3, or all three.

    Classification:

    Args:
        pooling (`"representative"`, `"local"` or `"all"`, defaults to `"representative"`):
            Tokens whose normalised mean is the feature of a clip. With `frame_level` the local tokens are used.
        frame_level (`bool`, defaults to `False`):
            Whether features and logits are per frame. Local tokens are averaged over space, then upsampled from
            tubelets to frames.
        head_activation (`None`, `"sigmoid"`, `"relu"` or `"tanh"`, defaults to `None`):
            Activation of the logits, for regression targets of a known range.
        label_units (`list[str]`, *optional*):
            Unit of each label in the order of `id2label`, for regression. An empty string means no unit.
        classifier_init_scale (`float`, defaults to 0.001):
            Factor of the initial weights of the classification head.

    Pre-training:

    Args:
        mask_ratio (`float`, defaults to 0.9):
            Share of local tokens that is masked: `int(mask_ratio * h * w)` tokens of each window of `region_size`.
        decoder_mask_ratio (`float`, defaults to 0.0):
            Share of the masked tokens of each region that the decoder leaves out in training, as VideoMAE V2 does
            (https://arxiv.org/abs/2303.16727). It must leave out a whole number of them. 0 reconstructs all.
        decoder_hidden_size (`int`, defaults to 384):
            Width of the decoder. A multiple of `decoder_num_attention_heads`.
        decoder_num_hidden_layers (`int`, defaults to 4):
            Number of decoder layers.
        decoder_num_attention_heads (`int`, defaults to 6):
            Heads of the decoder's attention.
        decoder_intermediate_size (`int`, defaults to 1536):
            Width of the decoder's feed-forward network.
        decoder_position_order (`"raster"` or `"region"`, defaults to `"raster"`):
            How visible tokens get their positions in the decoder. `"raster"`: each token gets its own position.
            `"region"`: tokens in region order get positions in raster order, as in the published code. Released
            pre-training checkpoints were trained like this, and conversion sets it.
        norm_pix_loss (`bool`, defaults to `True`):
            Whether targets are normalised per tubelet and channel.
        motion_target (`bool`, defaults to `True`):
            Whether each frame of a group except the first is reconstructed as its difference to the first.
        motion_group_size (`int`, defaults to 2):
            Frames of such a group.
        motion_loss_weight (`float`, *optional*):
            Weight w of motion frames in the loss, (1 - w) x appearance + w x motion. It needs groups of 2. Without it,
            all pixels have the same weight.

    Raises:
        ValueError: If fields clash, for example a region that does not divide the token grid. The message says which
            numbers clash and what would fit.

    Example:

    ```python
    >>> from lgi_former import LGIFormerConfig, LGIFormerModel

    >>> config = LGIFormerConfig(num_hidden_layers=2)
    >>> config.token_grid, config.region_grid
    ((8, 10, 10), (4, 2, 1))
    >>> model = LGIFormerModel(config)

    ```
    """

    model_type = "lgi_former"
    keys_to_ignore_at_inference = ["hidden_states", "attentions"]  # `Trainer.predict` returns logits only

    image_size: int = 160
    patch_size: int = 16
    num_channels: int = 3
    num_frames: int = 16
    tubelet_size: int = 2
    region_size: tuple[int, int, int] | list[int] = (2, 5, 10)
    hidden_size: int = 512
    num_hidden_layers: int = 16
    num_attention_heads: int = 8
    intermediate_size: int = 2048
    hidden_act: str = "gelu"
    hidden_dropout_prob: float = 0.0
    attention_probs_dropout_prob: float = 0.0
    drop_path_rate: float = 0.0
    initializer_range: float = 0.02
    layer_norm_eps: float = 1e-6
    qkv_bias: bool = True
    intra_region_attention: Literal["self", "cross"] = "self"
    inter_region_attention: bool = True
    local_global_interaction: Literal["cross", "self", None] = "cross"
    attention_sharing: Literal["none", "intra_and_interaction", "all"] = "none"
    pooling: Literal["representative", "local", "all"] = "representative"
    frame_level: bool = False
    head_activation: Literal[None, "sigmoid", "relu", "tanh"] = None
    label_units: list[str] | None = None
    classifier_init_scale: float = 0.001
    mask_ratio: float = 0.9
    decoder_mask_ratio: float = 0.0
    decoder_hidden_size: int = 384
    decoder_num_hidden_layers: int = 4
    decoder_num_attention_heads: int = 6
    decoder_intermediate_size: int = 1536
    decoder_position_order: Literal["raster", "region"] = "raster"
    norm_pix_loss: bool = True
    motion_target: bool = True
    motion_group_size: int = 2
    motion_loss_weight: float | None = None

    def __post_init__(self, **kwargs):
        super().__post_init__(**kwargs)
        self.validate_architecture()

    @property
    def token_grid(self) -> tuple[int, int, int]:
        """Local tokens of a clip along time, height and width."""
        side = self.image_size // self.patch_size
        return self.num_frames // self.tubelet_size, side, side

    @property
    def region_grid(self) -> tuple[int, int, int]:
        """Regions of a clip along time, height and width."""
        time, height, width = (tokens // size for tokens, size in zip(self.token_grid, self.region_size, strict=True))
        return time, height, width

    @property
    def num_tokens(self) -> int:
        """Local tokens of a clip."""
        return math.prod(self.token_grid)

    @property
    def num_regions(self) -> int:
        """Regions of a clip. Each has one representative token."""
        return math.prod(self.region_grid)

    @property
    def num_masked_of_region(self) -> int:
        """Masked tokens of a region: equally many in its window at each time."""
        time, height, width = self.region_size
        window = height * width  # 0.94 * 50 is 47, but 0.94 * 5 * 10 is less
        return time * int(self.mask_ratio * window)

    @property
    def num_decoded_of_region(self) -> int:
        """Masked tokens of a region that the decoder reconstructs in training."""
        return self.num_masked_of_region - round(self.decoder_mask_ratio * self.num_masked_of_region)

    @property
    def tubelet_pixels(self) -> int:
        """Pixel values of a tubelet in all its channels and frames."""
        return self.tubelet_size * self.patch_size**2 * self.num_channels

    def validate_architecture(self):
        """Check that the fields describe a possible model.

        Raises:
            ValueError: If fields clash.
        """
        if isinstance(self.region_size, list):  # as JSON and YAML store it
            self.region_size = tuple(self.region_size)
        self._check_values()
        self._check_grid()
        self._check_decoder_masking()
        self._check_attention()
        self._check_heads_and_targets()

    # Not `strict` of huggingface_hub: its errors are not a `ValueError`, and their first line gives no reason.
    def _check_values(self):
        for name, annotation in inspect.get_annotations(LGIFormerConfig).items():
            value = getattr(self, name)
            choices = (True, False) if annotation is bool else typing.get_args(annotation)
            if (annotation is bool or typing.get_origin(annotation) is Literal) and value not in choices:
                raise ValueError(f"{name}={value!r} is not one of {', '.join(map(repr, choices))}.")
            if annotation is int and not _is_count(value):
                raise ValueError(f"{name}={value!r} must be a positive whole number.")
        for name in (
            "hidden_dropout_prob",
            "attention_probs_dropout_prob",
            "drop_path_rate",
            "mask_ratio",
            "decoder_mask_ratio",
        ):
            value = getattr(self, name)
            if not _is_number(value) or not 0 <= value < 1:
                raise ValueError(f"{name}={value!r} must be a number of at least 0 and less than 1.")
        for name in ("initializer_range", "layer_norm_eps", "classifier_init_scale"):
            value = getattr(self, name)
            can_be_zero = name == "classifier_init_scale"
            if not _is_number(value) or not (value > 0 or (can_be_zero and value == 0)):
                raise ValueError(f"{name}={value!r} must be a positive number{' or 0' if can_be_zero else ''}.")
        if self.hidden_act not in ACT2FN:
            raise ValueError(f"hidden_act={self.hidden_act!r} is unknown; known are {', '.join(sorted(ACT2FN))}.")

    def _check_grid(self):
        for whole, part in (("image_size", "patch_size"), ("num_frames", "tubelet_size")):
            self._check_divides(part, whole)
        region_size = self.region_size
        if not isinstance(region_size, tuple) or len(region_size) != 3 or not all(_is_count(n) for n in region_size):
            raise ValueError(
                f"region_size={region_size!r} must be three positive whole numbers: local tokens along time, height "
                "and width."
            )
        for axis, tokens, size in zip(("time", "height", "width"), self.token_grid, region_size, strict=True):
            if tokens % size:
                raise ValueError(
                    f"region_size={region_size} does not divide the token grid {self.token_grid}: along {axis}, "
                    f"{size} does not divide {tokens}. Use {_one_of(_divisors(tokens))} there."
                )

    def _check_decoder_masking(self):
        if self.decoder_mask_ratio == 0:
            return
        masked = self.num_masked_of_region
        if masked < 2:
            raise ValueError(
                f"decoder_mask_ratio={self.decoder_mask_ratio} needs at least two masked tokens in a region, but "
                f"mask_ratio={self.mask_ratio} masks {masked} of region_size={self.region_size}. Use "
                "decoder_mask_ratio=0, or a larger mask_ratio."
            )
        left_out = self.decoder_mask_ratio * masked
        if not 0 < round(left_out) < masked or abs(left_out - round(left_out)) > ROUNDING:
            fitting = {min(max(number, 1), masked - 1) / masked for number in (int(left_out), int(left_out) + 1)}
            raise ValueError(
                f"decoder_mask_ratio={self.decoder_mask_ratio} leaves out {left_out:.6g} of the {masked} masked "
                f"tokens of a region, which must be a whole number from 1 to {masked - 1}. Use "
                f"{' or '.join(f'{ratio:.6g}' for ratio in sorted(fitting))}, or 0."
            )

    def _check_attention(self):
        self._check_divides("num_attention_heads", "hidden_size")
        self._check_divides("decoder_num_attention_heads", "decoder_hidden_size")
        if self.attention_sharing != "none" and self.local_global_interaction is None:
            raise ValueError(
                f"attention_sharing={self.attention_sharing!r} shares weights with the local-global interaction, but "
                "local_global_interaction=None removes it. Use attention_sharing='none'."
            )
        if self.attention_sharing == "all" and not self.inter_region_attention:
            raise ValueError(
                "attention_sharing='all' shares weights with the inter-region attention, but "
                "inter_region_attention=False removes it. Use attention_sharing='intra_and_interaction'."
            )

    def _check_heads_and_targets(self):
        if self.head_activation is not None and self.problem_type == "multi_label_classification":
            raise ValueError(
                f"head_activation={self.head_activation!r} clashes with problem_type='multi_label_classification', "
                "whose loss applies the sigmoid itself. Use head_activation=None."
            )
        if self.problem_type not in _PROBLEM_TYPES:
            known = ", ".join(map(repr, _PROBLEM_TYPES))
            raise ValueError(f"problem_type={self.problem_type!r} is not one of {known}.")
        if self.problem_type == "single_label_classification" and self.num_labels == 1:
            raise ValueError(
                "problem_type='single_label_classification' needs at least two labels, because the score of one label "
                "is always 1. Use problem_type='regression' to predict a number."
            )
        if self.label_units is not None:
            self._check_label_units()
        self._check_names()
        if self.motion_target:
            self._check_divides("motion_group_size", "num_frames")
        if self.motion_loss_weight is None:
            return
        if not self.motion_target or self.motion_group_size != 2 or self.tubelet_size % 2:
            raise ValueError(
                f"motion_loss_weight={self.motion_loss_weight} needs motion_target=True, motion_group_size=2 and an "
                f"even tubelet_size, but they are {self.motion_target}, {self.motion_group_size} and "
                f"{self.tubelet_size}."
            )
        if not _is_number(self.motion_loss_weight) or not 0 <= self.motion_loss_weight <= 1:
            raise ValueError(f"motion_loss_weight={self.motion_loss_weight!r} must be a number from 0 to 1.")

    def _check_names(self):
        for name in (*(self.id2label or {}).values(), *(self.label_units or ())):
            if any(unicodedata.category(letter) in ("Cc", "Zl", "Zp") for letter in str(name)):
                raise ValueError(
                    f"The name {name!r} in id2label or label_units has a line break or control character. Remove it."
                )

    def _check_label_units(self):
        units = self.label_units
        if not isinstance(units, (list, tuple)) or not all(isinstance(unit, str) for unit in units):
            raise ValueError(f"label_units={units!r} must be a list of strings, one for each label, or None.")
        if len(units) != self.num_labels:
            raise ValueError(
                f"label_units={units!r} has the length {len(units)}, but there are {self.num_labels} labels. Give "
                "one unit for each label, '' for none, or label_units=None."
            )

    def _check_divides(self, part: str, whole: str):
        part_value, whole_value = getattr(self, part), getattr(self, whole)
        if whole_value % part_value:
            raise ValueError(
                f"{part}={part_value} does not divide {whole}={whole_value}. Use {_one_of(_divisors(whole_value))}."
            )


def _is_count(value) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value >= 1


def _is_number(value) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool)


def _divisors(number: int) -> list[int]:
    return [candidate for candidate in range(1, number + 1) if number % candidate == 0]


def _one_of(numbers: list[int]) -> str:
    return f"one of {', '.join(map(str, numbers))}" if len(numbers) > 1 else str(numbers[0])
