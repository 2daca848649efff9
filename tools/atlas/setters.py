"""Properties of config classes that a key of the file sets: what becomes of the value.

Read in the sources of 5.23 by hand, since there are so few: each by the class that defines it and its name.
"""

from collections.abc import Mapping
from typing import Any

from transformers import PreTrainedConfig

_REFUSED: Mapping[str, Any] = {"raises": "NotImplementedError"}
_IGNORED: Mapping[str, Any] = {"ignored": True}
_UNTOLD: Mapping[str, Any] = {}

SETTERS: Mapping[str, Mapping[str, Any]] = {
    "BackboneConfigMixin.out_features": _UNTOLD,
    "BackboneConfigMixin.out_indices": _UNTOLD,
    "FunnelConfig.num_blocks": {**_REFUSED, "get": "len(block_sizes)"},
    "FunnelConfig.num_hidden_layers": {**_REFUSED, "get": "sum(block_sizes)"},
    "Gemma4UnifiedAudioConfig.audio_samples_per_token": {"to": "audio_embed_dim", "value": "value"},
    "Gemma4UnifiedAudioConfig.hidden_size": {"to": "audio_embed_dim", "value": "value"},
    "Gemma4UnifiedAudioConfig.output_proj_dims": {"to": "audio_embed_dim", "value": "value"},
    "Gemma4UnifiedVisionConfig.model_patch_size": {
        "raises": "ValueError",
        "unless": "value == patch_size * pooling_kernel_size",
    },
    "HrmTextConfig._attn_implementation": _IGNORED,
    "Idefics3Config.pad_token_id": {"to": "_pad_token_id", "value": "value"},
    "LongcatFlashConfig.num_hidden_layers": {"to": "num_layers", "value": "value // 2", "get": "2 * num_layers"},
    "MimiDecoderConfig.decoder_config": _IGNORED,
    "MimiDecoderConfig.encoder_config": _IGNORED,
    "MimiEncoderConfig.decoder_config": _IGNORED,
    "MimiEncoderConfig.encoder_config": _IGNORED,
    "ModernBertConfig.sliding_window": {"to": "local_attention", "value": "value * 2", "get": "local_attention // 2"},
    "NemotronHConfig.num_hidden_layers": _IGNORED,
    "PocketTTSAudioTokenizerDecoderConfig.decoder_config": _IGNORED,
    "PocketTTSAudioTokenizerDecoderConfig.encoder_config": _IGNORED,
    "PocketTTSAudioTokenizerEncoderConfig.decoder_config": _IGNORED,
    "PocketTTSAudioTokenizerEncoderConfig.encoder_config": _IGNORED,
    "ProphetNetConfig.num_hidden_layers": {**_REFUSED, "get": "num_encoder_layers"},
    "SmolVLMConfig.pad_token_id": {"to": "_pad_token_id", "value": "value"},
    "XLNetConfig.max_position_embeddings": {**_REFUSED, "get": "-1"},
}
"""`to` and `value`: the attribute that is set, and to what; `raises`: always, or `unless` it is true; `ignored`: it
has no effect; `get`: what the property reads. Of those that are not here nobody can tell."""


def setter(config_class: type[PreTrainedConfig], name: str) -> dict[str, Any]:
    """What setting the property does; empty where nobody can tell."""
    owner = next(base for base in config_class.__mro__ if name in base.__dict__)
    return dict(SETTERS.get(f"{owner.__name__}.{name}", _UNTOLD))
