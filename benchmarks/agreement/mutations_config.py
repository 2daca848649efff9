"""Damage to config.json of a saved model: sizes, flags, types of values, sub-configs, names of types and classes."""

from collections.abc import Callable
from pathlib import Path
from random import Random
from typing import Any

from transformers import CONFIG_MAPPING

from benchmarks.agreement.checkpoint import CONFIG, Config, Mutate, on_config

VOCABULARY = ("vocab_size", "n_vocab", "num_embeddings", "bit_vocab_size")
HIDDEN = ("hidden_size", "n_embd", "d_model", "dim", "embed_dim", "hidden_dim")
MIDDLE = ("intermediate_size", "d_ff", "encoder_ffn_dim", "n_inner", "ffn_dim", "moe_intermediate_size", "mlp_dim")
LAYERS = ("num_hidden_layers", "n_layer", "num_layers", "encoder_layers", "decoder_layers", "n_layers", "depth")
HEADS = ("num_attention_heads", "n_head", "num_heads", "encoder_attention_heads", "n_heads")
PAIRS = ("num_key_value_heads", "num_kv_heads", "n_kv_heads")
HEAD_SIZE = ("head_dim", "d_kv", "kv_channels", "attention_head_dim")
EXPERTS = ("num_experts", "num_local_experts", "n_routed_experts", "moe_num_experts")
PATCH = ("patch_size", "vision_patch_size")
POSITIONS = ("max_position_embeddings", "n_positions", "max_source_positions", "image_size")
ACTIVATIONS = ("hidden_act", "hidden_activation", "activation_function", "feed_forward_proj", "act_fn")
NOT_A_FIELD = frozenset({"architectures", "model_type", "transformers_version", "auto_map", "_name_or_path"})

Edit = Callable[[Config, Random], str | None]
Test = Callable[[Any], bool]


def _parts(config: Config, at: str = "") -> list[tuple[str, Config]]:
    """The config and all configs inside it, with their paths."""
    found = [(at, config)]
    for key, value in config.items():
        if isinstance(value, dict) and "model_type" in value:
            found += _parts(value, f"{at}{key}.")
    return found


def _fields(config: Config, test: Test) -> list[tuple[str, Config, str]]:
    return sorted(
        (
            (at, part, key)
            for at, part in _parts(config)
            for key, value in part.items()
            if key not in NOT_A_FIELD and test(value)
        ),
        key=lambda field: field[0] + field[2],
    )


def _put(part: Config, at: str, key: str, value: object) -> str:
    before = part.get(key, "absent")
    part[key] = value
    return f"{at}{key}: {before!s:.40} is {value!s:.40}"


def _int(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


def _size(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value > 0


def _float(value: object) -> bool:
    return isinstance(value, float)


def _bool(value: object) -> bool:
    return isinstance(value, bool)


def _null(value: object) -> bool:
    return value is None


def _string(value: object) -> bool:
    return isinstance(value, str)


def _scalar(value: object) -> bool:
    return value is not None and not isinstance(value, (dict, list))


def _list(value: object) -> bool:
    return isinstance(value, list) and len(value) > 0


def named(names: tuple[str, ...], change: Callable[[int], object]) -> Edit:
    """Changes one of the fields of these names, whichever config it is in."""

    def edit(config: Config, rng: Random) -> str | None:
        found = [field for field in _fields(config, _int) if field[2] in names]
        if not found:
            return None
        at, part, key = rng.choice(found)
        return _put(part, at, key, change(part[key]))

    return edit


def some(test: Test, change: Callable[[Any], object]) -> Edit:
    """Changes any field whose value passes a test."""

    def edit(config: Config, rng: Random) -> str | None:
        found = _fields(config, test)
        if not found:
            return None
        at, part, key = rng.choice(found)
        return _put(part, at, key, change(part[key]))

    return edit


def null_given(config: Config, rng: Random) -> str | None:
    found = _fields(config, _null)
    if not found:
        return None
    at, part, key = rng.choice(found)
    return _put(part, at, key, rng.choice([1, 2, 4, 8, 0.5, True, False, "gelu", [1]]))


def dropped(config: Config, rng: Random) -> str | None:
    at, part, key = rng.choice(_fields(config, lambda _: True))
    del part[key]
    return f"without {at}{key}"


def list_item(config: Config, rng: Random) -> str | None:
    found = [field for field in _fields(config, _list) if _scalar(field[1][field[2]][0])]
    if not found:
        return None
    at, part, key = rng.choice(found)
    values = list(part[key])
    number = rng.randrange(len(values))
    values[number] = values[number] * 2 if not isinstance(values[number], bool) else not values[number]
    return _put(part, at, key, values)


def tie_flipped(config: Config, rng: Random) -> str | None:
    at, part = rng.choice(_parts(config))
    return _put(part, at, "tie_word_embeddings", not part.get("tie_word_embeddings", True))


def token_out_of_range(config: Config, rng: Random) -> str | None:
    found = [(at, part) for at, part in _parts(config) if _size(part.get("vocab_size"))]
    if not found:
        return None
    at, part = rng.choice(found)
    return _put(part, at, "pad_token_id", part["vocab_size"] + rng.choice([0, 1, 1000]))


def token_below_range(config: Config, rng: Random) -> str | None:
    found = [(at, part) for at, part in _parts(config) if _size(part.get("vocab_size"))]
    if not found:
        return None
    at, part = rng.choice(found)
    return _put(part, at, "pad_token_id", -rng.choice([1, part["vocab_size"], part["vocab_size"] + 1]))


def top(key: str, value: object) -> Edit:
    """Sets a field of the outer config; a value that is there already is no change."""

    def edit(config: Config, _: Random) -> str | None:
        return None if config.get(key, edit) == value else _put(config, "", key, value)

    return edit


def without(key: str) -> Edit:
    def edit(config: Config, _: Random) -> str | None:
        return f"without {key}: {config.pop(key)!s:.40}" if key in config else None

    return edit


def another_type(config: Config, _: Random) -> str | None:
    return _put(config, "", "model_type", "mistral" if config["model_type"] != "mistral" else "llama")


def _alias(config: Config, rng: Random) -> tuple[str, Config, str, str] | None:
    """A field that the class knows under a second name."""
    found = []
    for at, part in _parts(config):
        if part["model_type"] in CONFIG_MAPPING:
            names = CONFIG_MAPPING[part["model_type"]].attribute_map.items()
            found += [(at, part, alias, real) for alias, real in names if real in part and alias not in part]
    return rng.choice(found) if found else None


def alias_instead(config: Config, rng: Random) -> str | None:
    found = _alias(config, rng)
    if found is None:
        return None
    at, part, alias, real = found
    part[alias] = part.pop(real)
    return f"{at}{alias} instead of {real}"


def alias_beside(config: Config, rng: Random) -> str | None:
    """Both names, with values that differ."""
    found = _alias(config, rng)
    if found is None or not _size(found[1][found[3]]):
        return None
    at, part, alias, real = found
    part[alias] = part[real] * 2
    return f"{at}{alias}: {part[alias]} beside {real}: {part[real]}"


def _inner(config: Config, rng: Random) -> tuple[str, Config] | None:
    inner = _parts(config)[1:]
    return rng.choice(inner) if inner else None


def inner_type(model_type: str) -> Edit:
    def edit(config: Config, rng: Random) -> str | None:
        found = _inner(config, rng)
        if found is None or found[1]["model_type"] == model_type:
            return None
        return _put(found[1], found[0], "model_type", model_type)

    return edit


def inner_without_type(config: Config, rng: Random) -> str | None:
    found = _inner(config, rng)
    return f"{found[0]}model_type: {found[1].pop('model_type')} is left out" if found else None


def inner_replaced(value: object) -> Edit:
    def edit(config: Config, rng: Random) -> str | None:
        keys = sorted(key for key, inner in config.items() if isinstance(inner, dict) and "model_type" in inner)
        return _put(config, "", rng.choice(keys), value) if keys else None

    return edit


def _with_rope(config: Config, rng: Random) -> tuple[str, Config] | None:
    found = [(at, part) for at, part in _parts(config) if isinstance(part.get("rope_parameters"), dict)]
    return rng.choice(found) if found else None


def legacy_rope(config: Config, rng: Random) -> str | None:
    found = _with_rope(config, rng)
    if found is None:
        return None
    at, part = found
    theta = part.pop("rope_parameters").get("rope_theta", 10000.0)
    part |= {"rope_theta": theta, "rope_scaling": {"type": "linear", "factor": 2.0}}
    return f"{at}rope_theta and rope_scaling"


def rope_replaced(value: object) -> Edit:
    def edit(config: Config, rng: Random) -> str | None:
        found = _with_rope(config, rng)
        return _put(found[1], found[0], "rope_parameters", value) if found else None

    return edit


def labels(config: Config, _: Random) -> str | None:
    config.pop("num_labels", None)
    config["id2label"] = {str(number): f"L{number}" for number in range(5)}
    config["label2id"] = {f"L{number}": number for number in range(5)}
    return "five labels"


def layer_types(change: Callable[[list[Any]], list[Any]]) -> Edit:
    def edit(config: Config, rng: Random) -> str | None:
        found = [field for field in _fields(config, _list) if field[2] in {"layer_types", "mlp_layer_types"}]
        if not found:
            return None
        at, part, key = rng.choice(found)
        return _put(part, at, key, change(part[key]))

    return edit


def whole(text: str) -> Mutate:
    """Writes this as config.json."""

    def mutate(folder: Path, _: Random) -> str:
        (folder / CONFIG).write_text(text)
        return text

    return mutate


def only_type(config: Config, _: Random) -> str:
    """Nothing is left but the type: a model with the sizes of the paper."""
    for key in config.keys() - {"model_type", "architectures"}:
        del config[key]
    return "all fields left out"


def removed(folder: Path, _: Random) -> str:
    (folder / CONFIG).unlink()
    return "no config.json"


EDITS: dict[str, Edit] = {
    "vocabulary + 1": named(VOCABULARY, lambda value: value + 1),
    "vocabulary - 1": named(VOCABULARY, lambda value: value - 1),
    "hidden size doubled": named(HIDDEN, lambda value: value * 2),
    "intermediate size + 8": named(MIDDLE, lambda value: value + 8),
    "layers + 1": named(LAYERS, lambda value: value + 1),
    "layers - 1": named(LAYERS, lambda value: value - 1),
    "no layers": named(LAYERS, lambda _: 0),
    "heads halved": named(HEADS, lambda value: value // 2),
    "heads that do not divide": named(HEADS, lambda value: value + 1),
    "key and value heads doubled": named(PAIRS, lambda value: value * 2),
    "key and value heads: 1": named(PAIRS, lambda _: 1),
    "head size doubled": named(HEAD_SIZE, lambda value: value * 2),
    "experts + 2": named(EXPERTS, lambda value: value + 2),
    "patch size doubled": named(PATCH, lambda value: value * 2),
    "positions + 8": named(POSITIONS, lambda value: value + 8),
    "some integer + 1": some(_size, lambda value: value + 1),
    "some integer doubled": some(_size, lambda value: value * 2),
    "some integer negative": some(_size, lambda value: -value),
    "some integer zero": some(_size, lambda _: 0),
    "integer given as float": some(_int, float),
    "integer given as string": some(_int, str),
    "integer given as bool": some(_int, bool),
    "float given as integer": some(_float, int),
    "float given as string": some(_float, str),
    "bool given as integer": some(_bool, int),
    "bool given as string": some(_bool, lambda value: str(value).lower()),
    "string given as integer": some(_string, lambda _: 1),
    "string of another content": some(_string, lambda _: "nope"),
    "value is null": some(_scalar, lambda _: None),
    "null is a value": null_given,
    "bool flipped": some(_bool, lambda value: not value),
    "field left out": dropped,
    "list shortened": some(_list, lambda values: values[:-1]),
    "list item doubled": list_item,
    "list is an integer": some(_list, len),
    "tie flag flipped": tie_flipped,
    "pad id out of range": token_out_of_range,
    "pad id negative": token_below_range,
    "unknown activation": some(lambda value: value in ("gelu", "silu", "relu", "gelu_new", "swish"), lambda _: "nope"),
    "alias instead of field": alias_instead,
    "alias beside field": alias_beside,
    "five labels": labels,
    "layer types too short": layer_types(lambda types: types[:-1]),
    "unknown layer type": layer_types(lambda types: [*types[:-1], "nope"]),
    "sub-config of another type": inner_type("bert"),
    "sub-config of a vision type": inner_type("siglip_vision_model"),
    "sub-config of unknown type": inner_type("nope"),
    "sub-config without type": inner_without_type,
    "sub-config is null": inner_replaced(None),
    "sub-config is empty": inner_replaced({}),
    "sub-config is a list": inner_replaced([]),
    "rope as in version 4": legacy_rope,
    "rope without type": rope_replaced({"rope_theta": 10000.0}),
    "rope of unknown type": rope_replaced({"rope_type": "nope", "rope_theta": 10000.0}),
    "rope of missing factor": rope_replaced({"rope_type": "linear", "rope_theta": 10000.0}),
    "rope is null": rope_replaced(None),
    "architecture unknown": top("architectures", ["NopeForCausalLM"]),
    "architecture of another family": top("architectures", ["BertModel"]),
    "architectures left out": without("architectures"),
    "architectures empty": top("architectures", []),
    "type of another family": another_type,
    "type unknown": top("model_type", "nope"),
    "type left out": without("model_type"),
    "unknown field": top("nope", 1),
    "dtype unknown": top("dtype", "float99"),
    "dtype integer": top("dtype", "int8"),
    "dtype half": top("dtype", "float16"),
    "dtype left out": without("dtype"),
    "dtype null": top("dtype", None),
    "quantised without method": top("quantization_config", {"bits": 4}),
    "quantised by unknown method": top("quantization_config", {"quant_method": "nope"}),
    "only the type in config": only_type,
    "weights named in config": top("transformers_weights", "model.safetensors"),
    "weights named in config and absent": top("transformers_weights", "other.safetensors"),
    "weights named in config as bin": top("transformers_weights", "pytorch_model.bin"),
    "weights named in config outside": top("transformers_weights", "../model.safetensors"),
}

CONFIGS: dict[str, Mutate] = {name: on_config(edit) for name, edit in EDITS.items()} | {
    "config empty": whole("{}"),
    "config is a list": whole("[]"),
    "config is not JSON": whole('{"model_type": '),
    "no config": removed,
}

BY_TYPE = frozenset(
    {
        "architecture unknown",
        "architecture of another family",
        "architectures left out",
        "architectures empty",
        "type of another family",
        "type unknown",
        "type left out",
        "config empty",
        "config is a list",
        "config is not JSON",
        "no config",
    }
)
"""Where config.json does not name a class of its type: the loader has to be asked through an Auto class."""
