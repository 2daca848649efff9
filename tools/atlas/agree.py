"""Whether our resolver makes of a config what transformers makes of it: refused or not, and equal in every attribute.

    python -m tools.atlas.agree --count 5 --seed 0 llama bert

Each type is tried with its defaults, with what it saves, with fields set to values of every kind, and with rotary
parameters, types, labels and kinds of layers in forms right and wrong.
"""

import argparse
import json
import math
import random
from collections import Counter
from collections.abc import Iterator, Mapping
from copy import deepcopy
from dataclasses import fields
from typing import Any

import torch
from transformers import PreTrainedConfig, logging
from transformers.models.auto.configuration_auto import CONFIG_MAPPING

from hfcheck.loading import atlas
from hfcheck.loading.draft import ConfigRaises, Resolved, Unresolvable
from hfcheck.loading.names import ABSENT, UNKNOWN
from hfcheck.loading.resolve import resolve

PRIVATE = frozenset({
    "_attn_implementation", "_attn_implementation_internal", "_commit_hash", "_experts_implementation_internal",
    "_name_or_path", "_output_attentions", "_post_init_done", "ignore_keys_at_rope_validation", "model_type",
    "output_attentions", "transformers_version",
})  # fmt: skip
"""Attributes of which no model depends."""

VALUES: tuple[Any, ...] = (
    True, False, 1, 0, -1, 7, 4096, 1.0, 0.5, -0.5, "x", "gelu", "", None, [], {}, [1, 2], [1.0], ["a"], [[1]],
    {"a": 1},
)  # fmt: skip
SILENT = 60
LAYERS = ["full_attention"] * 3
EDITS: tuple[Mapping[str, Any], ...] = (
    {"rope_scaling": {"type": "linear", "factor": 2.0}},
    {"rope_scaling": {"rope_type": "linear"}},
    {"rope_scaling": {"type": "yarn", "factor": 4.0}, "rope_theta": 1e6},
    {"rope_scaling": {"type": "mrope", "mrope_section": [1, 2]}},
    {"rope_scaling": {"type": "longrope", "short_factor": [1.0]}},
    {"rope_scaling": None, "rope_theta": None},
    {"rope_parameters": {"rope_type": "llama3", "factor": 8.0}},
    {"rope_parameters": {"rope_type": "nope"}},
    {"rope_parameters": {"type": "dynamic", "factor": 2}},
    {"rope_theta": 5}, {"partial_rotary_factor": 0.5}, {"head_dim": 7},
    {"torch_dtype": "float16"}, {"dtype": "bf16"}, {"dtype": "int8"}, {"dtype": "float32", "torch_dtype": "nope"},
    {"num_labels": 5}, {"num_labels": None}, {"id2label": {"0": "a", "1": "b", "2": "c"}}, {"id2label": ["a"]},
    {"id2label": {"0": "a"}, "problem_type": "single_label_classification"}, {"id2label": {"0": "a"}, "num_labels": 4},
    {"layer_types": LAYERS, "num_hidden_layers": 3}, {"layer_types": LAYERS, "num_hidden_layers": 2},
    {"layer_types": ["mamba", "attention"], "num_hidden_layers": 2}, {"layer_types": ["x"], "num_hidden_layers": 1},
    {"output_attentions": True, "attn_implementation": "sdpa"}, {"use_return_dict": True}, {"use_cache": 5},
    {"text_config": {}}, {"text_config": {"model_type": "nope"}}, {"text_config": {"hidden_size": "x"}},
    {"vision_config": {}}, {"vision_config": {"hidden_size": "x"}}, {"unknown_key": {"a": [1]}},
)  # fmt: skip


def cases(model_type: str, chance: random.Random, count: int) -> Iterator[dict[str, Any]]:
    """Configs of one type: two that are right, and `count` each of changed fields and of `EDITS`."""
    given = {"model_type": model_type}
    yield given
    built, _ = theirs(given)
    if built is not None:
        yield json.loads(built.to_json_string(use_diff=False))
    names = [field.name for field in fields(CONFIG_MAPPING[model_type])]
    for _ in range(count):
        yield given | {chance.choice(names): deepcopy(chance.choice(VALUES))}
    for edit in chance.sample(EDITS, min(count, len(EDITS))):
        yield given | deepcopy(dict(edit))


def theirs(config: Mapping[str, Any]) -> tuple[PreTrainedConfig | None, str]:
    """What transformers makes of a config, or the name of the exception that it raises."""
    try:
        decoded = PreTrainedConfig._decode_special_floats(deepcopy(dict(config)))  # noqa: SLF001 - as for a file
        return CONFIG_MAPPING[config["model_type"]].from_dict(decoded), ""
    except Exception as error:  # noqa: BLE001 - whatever it is, the config is refused
        return None, type(error).__name__


def verdict(config: Mapping[str, Any]) -> str:
    """`equal`, `raises`: they agree; `untold`: we do not tell; else what differs."""
    built, error = theirs(config)
    try:
        resolved = resolve(config, config["model_type"])
    except Unresolvable:
        return "untold"
    except ConfigRaises as refused:
        if built is not None:
            return f"refused: {refused.message}"
        return "raises" if refused.error == error else f"raises {error}, not {refused.error}"
    if built is None:
        return "untold" if UNKNOWN in resolved.values.values() else f"not refused: {error}"
    found = list(differences(built, resolved))
    if not found:
        return "equal"
    return "untold" if all(text.endswith("unknown") for text in found) else f"other values: {found[0]}"


def differences(config: PreTrainedConfig, resolved: Resolved, path: str = "") -> Iterator[str]:
    """Attributes in which the two differ."""
    for name, value in vars(config).items():
        ours = resolved.get(name)
        if name in PRIVATE or name == "_heterogeneity_spec":
            continue
        if ours is UNKNOWN:
            yield f"{path}{name} unknown"
        elif isinstance(value, PreTrainedConfig) and isinstance(ours, Resolved):
            yield from differences(value, ours, f"{path}{name}.")
        elif _plain(value) != _plain(_dtype(ours) if name == "dtype" else ours):
            yield f"{path}{name} is {value!r:.60}, not {ours!r:.60}"
    for name in resolved.names():
        there = config._hasattr_without_heterogeneous_validation(name)  # noqa: SLF001 - hasattr raises where layers differ
        if name not in PRIVATE and not there and resolved.get(name) is not ABSENT:
            yield f"{path}{name} is not there"


def _plain(value: object) -> object:
    """A value with its type, so that 1, 1.0 and true differ; tuples are lists, as in a file."""
    if isinstance(value, (list, tuple)):
        return [_plain(item) for item in value]
    if isinstance(value, dict):
        return {key: _plain(item) for key, item in value.items()}
    if isinstance(value, (set, frozenset)):
        return sorted(map(str, value))
    return type(value).__name__, "nan" if isinstance(value, float) and math.isnan(value) else value


def _dtype(name: object) -> object:
    found = getattr(torch, name, None) if isinstance(name, str) else None
    return found if isinstance(found, torch.dtype) else name


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("types", nargs="*")
    parser.add_argument("--count", type=int, default=5)
    parser.add_argument("--seed", type=int, default=0)
    arguments = parser.parse_args()
    logging.set_verbosity(SILENT)
    chance = random.Random(arguments.seed)  # noqa: S311 - no secret
    total: Counter[str] = Counter()
    for model_type in arguments.types or sorted(CONFIG_MAPPING):
        if atlas.entry(model_type) is None:
            total["without an entry"] += 1
            continue
        for config in cases(model_type, chance, arguments.count):
            found = verdict(config)
            total[found.split(":")[0].split(",")[0]] += 1
            if found not in {"equal", "raises", "untold"}:
                print(
                    f"{model_type}: {found}  {json.dumps({k: v for k, v in config.items() if k != 'model_type'}):.150}"
                )
    print(dict(total.most_common()))


if __name__ == "__main__":
    main()
