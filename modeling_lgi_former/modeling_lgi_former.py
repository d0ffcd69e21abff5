"""LGI-Former models: encoder, masked autoencoder, classifier (MAE-DFER, https://arxiv.org/abs/2307.02227)."""

import math
from dataclasses import dataclass

import torch
from torch import nn
from torch.utils.checkpoint import checkpoint
from transformers import PreTrainedModel
from transformers import initialization as init
from transformers.activations import ACT2FN
from transformers.modeling_outputs import BaseModelOutput, ImageClassifierOutput
from transformers.processing_utils import Unpack
from transformers.utils import ModelOutput, TransformersKwargs
from transformers.utils.generic import can_return_tuple
from transformers.utils.output_capturing import capture_outputs

from ..configuration import LGIFormerConfig
from ..saving import ModelSavedWithCode
from .activation_checkpointing import with_named_context
from .adapters import LoadsAdapters
from .attention import LGIFormerAttention
from .classification_loss import classification_loss, problem_type_of
from .clip_size import AdaptsToClipSize
from .decoded_tokens import decoded_index
from .decoder import LGIFormerDecoder
from .embeddings import LGIFormerEmbeddings
from .encoder import LGIFormerEncoder, LGIFormerLayer
from .hidden_states import selected_states
from .pooling import LGIFormerPooler
from .reconstruction import reconstruction_loss, reconstruction_targets
from .regions import take_tokens, visible_first


@dataclass
class LGIFormerModelOutput(ModelOutput):
    """
    Output of `LGIFormerModel`.

    last_hidden_state (`torch.Tensor` of shape `(batch, local tokens, width)`):
        Local tokens after the final norm, in the order time, row, column. With a mask, only the visible tokens. `None`
        if only pooled output was requested and the local tokens were not computed.
    representative_hidden_state (`torch.Tensor` of shape `(batch, regions, width)`):
        Representative tokens of the last layer, not normalised.
    pooler_output (`torch.Tensor` of shape `(batch, width)`, or `(batch, frames, width)` with `config.frame_level`):
        Input of the classifier: the normalised mean of the tokens that `config.pooling` names.
    hidden_states (`tuple`, with `output_hidden_states`):
        Local tokens after the embedding and after each layer, each `(batch, local tokens, width)`, not normalised.
        With a list of indices, such as `output_hidden_states=[0, -1]`, the other entries are `None`.
    representative_hidden_states (`tuple`, with `output_hidden_states`):
        The same for representative tokens, each `(batch, regions, width)`.
    attentions (`tuple`, with `output_attentions=True`):
        Attention probabilities of all layers in order. Each layer adds those of the attentions that it has:

        - S1 `(batch x regions, heads, queries, keys)` over the tokens of a region, representative token first. With
          `intra_region_attention="cross"`, the representative token is the only query and not a key.
        - S2 `(batch, heads, regions, regions)`.
        - S3 `(batch, heads, local tokens in region order, regions)`. With `"self"`, the shape of S1.
    """

    last_hidden_state: torch.Tensor | None = None
    representative_hidden_state: torch.Tensor | None = None
    pooler_output: torch.Tensor | None = None
    hidden_states: tuple[torch.Tensor, ...] | None = None
    representative_hidden_states: tuple[torch.Tensor, ...] | None = None
    attentions: tuple[torch.Tensor, ...] | None = None


@dataclass
class LGIFormerForPreTrainingOutput(ModelOutput):
    """
    Output of `LGIFormerForPreTraining`.

    loss (`torch.Tensor` of shape `()`):
        Reconstruction loss of the predicted tubelets.
    logits (`torch.Tensor` of shape `(batch, predicted tokens, pixels of a tubelet)`):
        Predicted targets in raster order, of the tubelets in `bool_decoded_pos`, or without it of all masked tubelets.
        Pixels are in the order frame, row, column, channel.
    hidden_states, attentions (`tuple`, on request):
        Outputs of the encoder, see `LGIFormerModelOutput`.
    """

    loss: torch.Tensor | None = None
    logits: torch.Tensor | None = None
    hidden_states: tuple[torch.Tensor, ...] | None = None
    attentions: tuple[torch.Tensor, ...] | None = None


class LGIFormerPreTrainedModel(ModelSavedWithCode, LoadsAdapters, AdaptsToClipSize, PreTrainedModel):
    """Base class of all LGI-Former models: initialisation, loading, and features of Transformers that they support."""

    config_class = LGIFormerConfig
    base_model_prefix = "lgi_former"
    main_input_name = "pixel_values"
    input_modalities = ("video",)
    supports_gradient_checkpointing = True
    # The loss is a mean over clips, so `Trainer` must average it over accumulated batches.
    accepts_loss_kwargs = False
    # Not the projection inside the embeddings: Accelerate shards this module and those of `_no_split_modules`.
    _input_embed_layer = "embeddings"
    _no_split_modules = ["LGIFormerEmbeddings", "LGIFormerLayer"]
    _supports_sdpa = True
    _supports_flash_attn = True
    _supports_attention_backend = True
    _can_record_outputs = {"hidden_states": LGIFormerLayer, "attentions": LGIFormerAttention}

    def __init__(self, config: LGIFormerConfig, *args, **kwargs):
        config.validate_architecture()  # fields may have changed since the configuration was made
        super().__init__(config, *args, **kwargs)

    def _set_gradient_checkpointing(self, enable: bool = True, gradient_checkpointing_func=checkpoint, **kwargs):
        """Set activation checkpointing. `context_fn` can also be a name in `activation_checkpointing.CONTEXTS`."""
        super()._set_gradient_checkpointing(enable, with_named_context(gradient_checkpointing_func), **kwargs)

    @torch.no_grad()
    def _init_weights(self, module: nn.Module):
        std = self.config.initializer_range
        if isinstance(module, nn.Linear):
            if isinstance(self.base_model, LGIFormerModel) and self.base_model.pooler is None:  # pre-training
                init.xavier_uniform_(module.weight)
            else:
                init.trunc_normal_(module.weight, std=std)
            if module.bias is not None:
                init.zeros_(module.bias)
        elif isinstance(module, nn.LayerNorm):
            init.ones_(module.weight)
            init.zeros_(module.bias)
        elif isinstance(module, LGIFormerEmbeddings):
            init.trunc_normal_(module.representative_tokens, std=std)
            init.copy_(module.position_embeddings, module.position_table())
            # The published code uses the defaults of a convolution in torch.
            bound = 1 / math.sqrt(module.projection.in_features)
            init.uniform_(module.projection.weight, -bound, bound)
            init.uniform_(module.projection.bias, -bound, bound)
        elif isinstance(module, LGIFormerDecoder):
            init.trunc_normal_(module.mask_token, std=std)
            init.copy_(module.position_embeddings, module.position_table())


class LGIFormerModel(LGIFormerPreTrainedModel):
    """The bare LGI-Former encoder.

    Args:
        config: The configuration of the model.
        add_pooling_layer: Whether to compute `pooler_output`. Without a pooler, the model is initialised for
            pre-training.
        add_final_norm: Whether `last_hidden_state` is the output of a layer norm, as in pre-training. Classifiers have
            no such norm. An encoder that is loaded from a classifier normalises without learnt scale and shift.
    """

    # Pre-trained checkpoints have no pooler and classifiers no final norm. Both norms start without scale and shift.
    _keys_to_ignore_on_load_missing = [r"^layernorm\.", r"^pooler\."]

    def __init__(self, config: LGIFormerConfig, add_pooling_layer: bool = True, add_final_norm: bool = True):
        super().__init__(config)
        self.embeddings = LGIFormerEmbeddings(config)
        self.encoder = LGIFormerEncoder(config)
        self.layernorm = nn.LayerNorm(config.hidden_size, eps=config.layer_norm_eps) if add_final_norm else None
        self.pooler = LGIFormerPooler(config) if add_pooling_layer else None
        self.post_init()

    @can_return_tuple
    def forward(
        self,
        pixel_values: torch.Tensor,
        bool_masked_pos: torch.Tensor | None = None,
        pooled_only: bool = False,
        **kwargs: Unpack[TransformersKwargs],
    ) -> LGIFormerModelOutput:
        """
        Args:
            pixel_values: float (batch, frames, channels, height, width), as `LGIFormerVideoProcessor` returns them.
            bool_masked_pos: bool (batch, local tokens) in the order time, row, column. True removes a token. All
                regions must have the same number of visible tokens, as with `RegionTubeMasking`.
            pooled_only: Whether `last_hidden_state` is not needed. With `config.pooling="representative"`, the last
                layer then computes only the representative tokens. The result is the same, with 5 % less work in the
                base model. It has no effect if hidden states or attentions are requested.
            kwargs: `output_hidden_states` (a flag, or a list of indices), `output_attentions`, `return_dict`.

        Raises:
            ValueError: If clips or mask do not fit the configuration, if a mask is combined with frame-level pooling,
                or if `output_hidden_states` is neither a flag nor indices.

        Example:

        ```python
        >>> import torch
        >>> from lgi_former import LGIFormerConfig, LGIFormerModel

        >>> model = LGIFormerModel(LGIFormerConfig(num_hidden_layers=2)).eval()
        >>> with torch.no_grad():
        ...     outputs = model(torch.rand(1, 16, 3, 160, 160))
        >>> outputs.last_hidden_state.shape, outputs.representative_hidden_state.shape, outputs.pooler_output.shape
        (torch.Size([1, 800, 512]), torch.Size([1, 8, 512]), torch.Size([1, 512]))

        ```
        """
        output_attentions, output_hidden_states = (
            kwargs[name] if kwargs.get(name) is not None else getattr(self.config, name)
            for name in ("output_attentions", "output_hidden_states")
        )
        wanted_states = selected_states(output_hidden_states, num_states=self.config.num_hidden_layers + 1)
        visible = None
        if bool_masked_pos is not None:
            visible = self.embeddings.regions.visible_in_region(bool_masked_pos, self.training)
        representative_only = (
            pooled_only
            and self.pooler is not None
            and self.pooler.tokens == "representative"
            and not output_attentions
            and wanted_states is None
        )
        encoded = self._encode(
            self.embeddings(pixel_values, visible),
            representative_only,
            output_attentions=output_attentions,
            output_hidden_states=wanted_states is not None,
            return_dict=True,
        )
        representative, local = self._part(encoded.last_hidden_state, visible)
        hidden_states = representative_hidden_states = None
        if encoded.hidden_states is not None:
            parts = [
                self._part(states, visible) if index in wanted_states else (None, None)
                for index, states in enumerate(encoded.hidden_states)
            ]
            representative_hidden_states, hidden_states = zip(*parts, strict=True)
        return LGIFormerModelOutput(
            last_hidden_state=local if self.layernorm is None or local is None else self.layernorm(local),
            representative_hidden_state=representative,
            pooler_output=None if self.pooler is None else self.pooler(representative, local),
            hidden_states=hidden_states,
            representative_hidden_states=representative_hidden_states,
            attentions=encoded.attentions,
        )

    @capture_outputs(tie_last_hidden_states=False)
    def _encode(self, hidden_states, representative_only, output_attentions, **kwargs) -> BaseModelOutput:
        """Run the encoder and capture hidden states, (batch, regions, 1 + local tokens of a region, width)."""
        return BaseModelOutput(self.encoder(hidden_states, representative_only, output_attentions))

    def _part(self, hidden_states, visible):
        """Representative tokens, and local tokens in raster order or None."""
        representative, local = hidden_states[:, :, 0], hidden_states[:, :, 1:]
        if local.shape[2] == 0:
            return representative, None
        if visible is None:
            return representative, self.embeddings.regions.merge(local)
        order = self.embeddings.regions.to_raster_index(visible).flatten(1).argsort(dim=1)
        return representative, take_tokens(local.flatten(1, 2), order.to(local.device))


class LGIFormerForPreTraining(LGIFormerPreTrainedModel):
    """The masked autoencoder: the encoder takes visible tokens, a light decoder predicts masked tubelets."""

    _no_split_modules = [*LGIFormerPreTrainedModel._no_split_modules, "LGIFormerDecoder"]

    def __init__(self, config: LGIFormerConfig):
        super().__init__(config)
        if config.num_channels != 3 and not config.norm_pix_loss:
            raise ValueError(
                "norm_pix_loss=False needs the 3 channels of ImageNet's mean and deviation, but num_channels="
                f"{config.num_channels}. Use norm_pix_loss=True."
            )
        self.lgi_former = LGIFormerModel(config, add_pooling_layer=False)
        self.decoder = LGIFormerDecoder(config)
        self.post_init()

    @can_return_tuple
    def forward(
        self,
        pixel_values: torch.Tensor,
        bool_masked_pos: torch.Tensor,
        bool_decoded_pos: torch.Tensor | None = None,
        **kwargs: Unpack[TransformersKwargs],
    ) -> LGIFormerForPreTrainingOutput:
        """
        Args:
            pixel_values: float (batch, frames, channels, height, width), as `LGIFormerVideoProcessor` returns them.
            bool_masked_pos: bool (batch, local tokens), True = masked, as `RegionTubeMasking` returns it.
            bool_decoded_pos: bool (batch, local tokens), True = masked and predicted by the decoder, as
                `RegionTubeMasking.decoded` returns it. All clips must have the same number. The default is all masked
                tokens. In training, `config.decoder_mask_ratio` needs it.
            kwargs: `output_hidden_states`, `output_attentions`, `return_dict`.

        Raises:
            ValueError: If clips or masks do not fit the configuration, or training with a `decoder_mask_ratio` has no
                `bool_decoded_pos`.

        Example:

        ```python
        >>> import torch
        >>> from lgi_former import LGIFormerConfig, LGIFormerForPreTraining, RegionTubeMasking

        >>> config = LGIFormerConfig(num_hidden_layers=2)
        >>> model = LGIFormerForPreTraining(config)
        >>> outputs = model(torch.rand(1, 16, 3, 160, 160), RegionTubeMasking(config)(batch_size=1))
        >>> outputs.loss.shape, outputs.logits.shape
        (torch.Size([]), torch.Size([1, 720, 1536]))

        ```
        """
        if self.training and self.config.decoder_mask_ratio and bool_decoded_pos is None:
            raise ValueError(
                f"Training with decoder_mask_ratio={self.config.decoder_mask_ratio} needs bool_decoded_pos, as "
                "RegionTubeMasking.decoded draws it. To predict all masked tokens, use eval mode or a ratio of 0."
            )
        kwargs["return_dict"] = True
        outputs = self.lgi_former(pixel_values, bool_masked_pos, **kwargs)
        num_visible = outputs.last_hidden_state.shape[1]
        raster_index = visible_first(bool_masked_pos)
        visible_positions, masked_index = raster_index[:, :num_visible], raster_index[:, num_visible:]
        if self.config.decoder_position_order == "region":
            visible_positions = self._positions_by_region(bool_masked_pos, visible_positions)
        if bool_decoded_pos is not None:
            masked_index = decoded_index(bool_decoded_pos, bool_masked_pos, self.config, self.training)
        logits = self.decoder(outputs.last_hidden_state, visible_positions, masked_index)
        with torch.no_grad():
            targets = reconstruction_targets(pixel_values, self.config, masked_index).to(logits.device)
        return LGIFormerForPreTrainingOutput(
            loss=reconstruction_loss(logits, targets, self.config, self.config.motion_loss_weight),
            logits=logits,
            hidden_states=outputs.hidden_states,
            attentions=outputs.attentions,
        )

    def _positions_by_region(self, bool_masked_pos, visible_index):
        """Positions that the published code gives to visible tokens, long (batch, visible tokens) in raster order.

        The published code pairs tokens in region order with positions in raster order.
        """
        regions = self.lgi_former.embeddings.regions
        visible = regions.visible_in_region(bool_masked_pos, self.training)
        rank_in_region_order = regions.to_raster_index(visible).flatten(1).argsort(dim=1)
        return visible_index.gather(1, rank_in_region_order)


class LGIFormerForVideoClassification(LGIFormerPreTrainedModel):
    """LGI-Former with a linear head on the pooled tokens, for expressions or any other label of a video.

    A model with one label predicts a number, and a missing `problem_type` is set to `"regression"`. Otherwise, the
    video-classification pipeline of Transformers would compute a softmax over one class, which is always 1. Before
    Transformers 5.23, it always does: pass `function_to_apply="none"` to the pipeline.
    """

    def __init__(self, config: LGIFormerConfig):
        super().__init__(config)
        if problem_type_of(config) == "regression":
            config.problem_type = "regression"
        self.num_labels = config.num_labels
        self.lgi_former = LGIFormerModel(config, add_final_norm=False)
        self.classifier = nn.Linear(config.hidden_size, config.num_labels)
        self.head_activation = nn.Identity() if config.head_activation is None else ACT2FN[config.head_activation]
        self.post_init()

    def get_output_embeddings(self) -> nn.Linear:
        """The head. Transformers does not quantise it, and PEFT adds no layers to it with `"all-linear"`."""
        return self.classifier

    def _init_weights(self, module: nn.Module):
        super()._init_weights(module)
        if module is self.classifier:
            std = self.config.initializer_range * self.config.classifier_init_scale
            init.trunc_normal_(module.weight, std=std) if std else init.zeros_(module.weight)

    @can_return_tuple
    def forward(
        self, pixel_values: torch.Tensor, labels: torch.Tensor | None = None, **kwargs: Unpack[TransformersKwargs]
    ) -> ImageClassifierOutput:
        """
        Args:
            pixel_values: float (batch, frames, channels, height, width), as `LGIFormerVideoProcessor` returns them.
            labels: Class indices, soft labels, several labels or numbers, as `config.problem_type` says. See
                `classification_loss`. One row for each clip, or for each frame with `config.frame_level`.
            kwargs: `output_hidden_states`, `output_attentions`, `return_dict`.

        Returns:
            `loss` if there are labels. `logits` (batch, classes), or (batch, frames, classes) with
            `config.frame_level`. `hidden_states` and `attentions` on request, see `LGIFormerModelOutput`.

        Raises:
            ValueError: If clips do not fit the configuration or labels do not fit the logits.

        Example:

        ```python
        >>> import torch
        >>> from lgi_former import LGIFormerConfig, LGIFormerForVideoClassification

        >>> model = LGIFormerForVideoClassification(LGIFormerConfig(num_hidden_layers=2, num_labels=7)).eval()
        >>> with torch.no_grad():
        ...     logits = model(torch.rand(1, 16, 3, 160, 160)).logits
        >>> logits.shape
        torch.Size([1, 7])

        ```
        """
        kwargs["return_dict"] = True
        outputs = self.lgi_former(pixel_values, pooled_only=True, **kwargs)
        logits = self.head_activation(self.classifier(outputs.pooler_output))
        return ImageClassifierOutput(
            loss=None if labels is None else classification_loss(logits, labels, self.config),
            logits=logits,
            hidden_states=outputs.hidden_states,
            attentions=outputs.attentions,
        )
