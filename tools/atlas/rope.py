"""How a config class brings its rotary parameters into one form: what it does otherwise than the base class.

27 classes of 5.23 have a `convert_rope_params_to_dict` of their own, in a few forms. Each is told here once, by the
module that defines it; one that is not known is `unknown`, and what follows from it is not decided.
"""

import inspect
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from transformers import PreTrainedConfig

DEFAULTS: Mapping[str, Any] = {"theta": 10000.0, "type": "default", "ignore": []}

_KEEP: Mapping[str, Any] = {"kind": "keep"}
_GEMMA: Mapping[str, Any] = {
    "kind": "split",
    "theta": {"full_attention": ["rope_theta", 1_000_000.0], "sliding_attention": ["rope_local_base_freq", 10_000.0]},
    "scaled": ["full_attention"],
}
_MODERNBERT: Mapping[str, Any] = {
    "kind": "split",
    "theta": {
        "full_attention": ["global_rope_theta", 160_000.0],
        "sliding_attention": ["local_rope_theta", 10_000.0],
    },
    "scaled": ["full_attention", "sliding_attention"],
}
_OLMO3: Mapping[str, Any] = {
    "kind": "split",
    "theta": {"full_attention": ["rope_theta", 500_000.0], "sliding_attention": ["rope_theta", 500_000.0]},
    "scaled": ["full_attention"],
}
_PHI3: Mapping[str, Any] = {
    "kind": "flat",
    "theta": ["rope_theta", 10_000.0],
    "partial": {"key": "partial_rotary_factor", "default": 1.0, "stays": True},
    "after": {"su": "longrope", "yarn": "longrope"},
}

FORMS: Mapping[str, Mapping[str, Any]] = {
    "beam": _KEEP, "diffusion_gemma": _KEEP, "embedding_gemma2": _KEEP, "gemma4": _KEEP, "gemma4_unified": _KEEP,
    "laguna": _KEEP, "mellum": _KEEP, "mimo_v2_flash": _KEEP,
    "gemma3": _GEMMA, "gemma3n": _GEMMA, "t5gemma2": _GEMMA,
    "modernbert": _MODERNBERT, "modernbert_decoder": _MODERNBERT, "olmo3": _OLMO3,
    "phi3": _PHI3, "phi4_multimodal": _PHI3,
    "minimax_m2": {"kind": "base", "share": ["rotary_dim", "head_dim"]},
    "gpt_neox": {
        "kind": "flat",
        "theta": ["rotary_emb_base", 10_000.0],
        "partial": {"key": "rotary_pct", "default": 0.25, "stays": False},
    },
    "gpt_neox_japanese": {
        "kind": "flat",
        "theta": ["rotary_emb_base", 10_000.0],
        "partial": {"key": "rotary_pct", "default": 1.0, "stays": False},
    },
    "qwen2_vl": {"kind": "flat", "theta": ["rope_theta", 1_000_000.0], "before": {"mrope": "default"}},
    "qwen2_5_vl": {"kind": "flat", "theta": ["rope_theta", 1_000_000.0], "before": {"mrope": "default"}},
}  # fmt: skip


def rope(config_class: type[PreTrainedConfig]) -> dict[str, Any]:
    """Where the rotary parameters of the class are treated otherwise than by the base class; empty where they are not.

    `theta`, `type` and `ignore` are the defaults of the class where they differ, `convert` the form of its conversion,
    `functions` says that the model looks its function up by the type, so that an unknown one stops the load.
    """
    found = {
        "theta": config_class.default_theta,
        "type": config_class.default_rope_type,
        "ignore": sorted(config_class.ignore_keys_at_rope_validation or ()),
    }
    entry = {key: value for key, value in found.items() if value != DEFAULTS[key]}
    if "type" not in entry and _asks_for_functions(config_class):
        entry["functions"] = True
    own = config_class.convert_rope_params_to_dict
    if own is not PreTrainedConfig.convert_rope_params_to_dict:
        module = own.__module__.rsplit(".configuration_", 1)[-1]
        entry["convert"] = dict(FORMS.get(module, {"kind": "unknown"}))
    return entry


def _asks_for_functions(config_class: type[PreTrainedConfig]) -> bool:
    if not hasattr(config_class, "rope_parameters"):
        return False
    folder, name = Path(inspect.getfile(config_class)).parent, config_class.__module__.rsplit(".configuration_", 1)[-1]
    modeling = folder / f"modeling_{name}.py"
    return modeling.exists() and "ROPE_INIT_FUNCTIONS[" in modeling.read_text(encoding="utf-8")
