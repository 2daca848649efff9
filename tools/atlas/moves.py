"""The moves of a class: for each field of its config that a constructor or a derivation reads, the values to try."""

import ast
import json
import re
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, fields
from typing import Any, Final

from transformers import PreTrainedConfig

from tools.atlas import classes
from tools.atlas.reality import SECONDS, built, refused, resolved_config, time_limit
from tools.atlas.tiny import COMMON, Value, default, small_int, tiny
from tools.atlas.vocabulary import Vocabulary, vocabulary

Path = tuple[str, ...]

# Read by every constructor or by none in a way that changes a name or a shape; the strings are paths, ids or code.
IGNORED: Final = re.compile(
    r".*(dropout|_prob|_eps|epsilon|initializer.*|init_std|_loss|_cost|coefficient|momentum|_coef|layerdrop|drop_path.*)"
    r"|(?!pad).*token_ids?|.*token_index|output_(attentions|hidden_states|router_logits)|use_cache|return_dict|_.*"
    r"|attn_implementation|experts_implementation|name_or_path|torch_dtype|dtype|transformers_version|architectures"
    r"|auto_map|quantization_config|model_type|label2id|generation_config|rope_(parameters|scaling|theta)"
)
ACTIVATIONS: Final = ("relu", "gelu", "silu")
HEADS: Final = re.compile(r".*(heads?|n_head|head_dim|d_kv|d_head|_groups)")
STAGES: Final = {
    "out_features": (["stage1"], ["stage1", "stage2"], ["stage2", "stage3"]),
    "out_indices": ([1], [1, 2], [2, 3]),
}
TOWERS: Final = {
    "text": ("llama", "qwen2", "gemma2", "phi3"),
    "vision": ("clip_vision_model", "siglip_vision_model", "dinov2", "pixtral"),
    "backbone": ("resnet", "swin", "dinov2", "convnext"),
    "audio": ("whisper", "wav2vec2", "qwen2_audio_encoder"),
}


@dataclass(frozen=True, slots=True)
class Move:
    """One change of a config: the values that go to some paths (`None` is JSON's null)."""

    field: str
    changes: tuple[tuple[Path, Any], ...]

    def __str__(self) -> str:
        path, value = self.changes[0]
        return f"{'.'.join(path)}={json.dumps(value)[:60]}"


@dataclass(frozen=True, slots=True)
class Moves:
    """What can be moved from a config: `towers` exchange a sub-config, `read` are fields that the constructor reads."""

    fields: tuple[Move, ...]
    towers: tuple[Move, ...]
    read: frozenset[str]


def moves(model_type: str, class_name: str, base: Mapping[str, Any]) -> Moves:
    """All moves of the class from this config. Raises `Refused` or `TooLong` if it does not build."""
    cls = classes.model_class(model_type, class_name)
    try:
        resolved = resolved_config(cls, base, model_type)
    except Exception as error:
        raise refused("config", error) from error
    with time_limit(SECONDS), _reads() as seen:
        try:
            built(cls, resolved)
        except Exception as error:
            raise refused("constructor", error) from error
    place = _place(base, resolved)
    found: list[Move] = []
    read: set[str] = set()
    for at, node, given in _nodes(place, resolved, base):
        told = vocabulary(type(node))
        touched = {name for owner, name in seen if owner == type(node).__name__}
        for name in sorted(_candidates(node, told, touched, given)):
            label = ".".join((*at, name))
            options = tuple(_moves(at, name, node, given, told))
            found += [Move(label, option) for option in options]
            if options and name in touched:
                read.add(label)
    return Moves(tuple(found), tuple(_tower_moves(place, resolved, base)), frozenset(read))


def _place(base: Mapping[str, Any], resolved: PreTrainedConfig) -> Path:
    """Where in the file the config of the class stands: a class of a part has its own."""
    key = type(resolved).base_config_key
    return (key,) if key and isinstance(base.get(key), dict) else ()


def _nodes(
    at: Path, node: PreTrainedConfig, base: Mapping[str, Any]
) -> Iterator[tuple[Path, PreTrainedConfig, dict[str, Any]]]:
    given: Any = base
    for key in at:
        given = given.get(key, {}) if isinstance(given, dict) else {}
    yield at, node, given if isinstance(given, dict) else {}
    for key in type(node).sub_configs_defaults:
        inner = getattr(node, key, None)
        if isinstance(inner, PreTrainedConfig):
            yield from _nodes((*at, key), inner, base)


def _candidates(node: PreTrainedConfig, told: Vocabulary, touched: set[str], given: Mapping[str, Any]) -> set[str]:
    declared = {each.name for each in fields(type(node))} - COMMON
    derived = told.derived & (declared | set(told.fallbacks))
    read = {name for name in touched if name in declared or name in told.fallbacks or name in given}
    extra = {"id2label"} if "num_labels" in touched or "id2label" in touched else set()
    wanted = derived | read | extra | {"tie_word_embeddings"} | ({"is_encoder_decoder"} & touched)
    slots = type(node).sub_configs_defaults
    return {name for name in wanted if name not in slots and not IGNORED.fullmatch(name)}


def _moves(
    at: Path, name: str, node: PreTrainedConfig, given: Mapping[str, Any], told: Vocabulary
) -> Iterator[tuple[tuple[Path, Any], ...]]:
    if name == "id2label":
        yield (((*at, name), {str(label): f"label {label}" for label in range(5)}),)
        return
    if name == "add_cross_attention":
        yield (((*at, name), True), ((*at, "is_decoder"), True))
        return
    annotation = next((str(each.type) for each in fields(type(node)) if each.name == name), "")
    value = vars(node).get(name, given.get(name, told.fallbacks.get(name)))  # as set: a read may raise (per layer)
    if isinstance(value, (PreTrainedConfig, dict)):
        return
    strings = told.strings.get(name, frozenset()) | _literals(annotation)
    for option in _options(name, value, strings):
        yield (((*at, name), option), *_with_it(at, name, value, option, given))
    if "None" in annotation and given.get(name, _default(type(node), name)) is not None:
        yield (((*at, name), None),)
    if value is None:
        yield from ((((*at, name), option),) for option in _instead_of_none(name, annotation, strings))


def _options(name: str, value: Value, strings: frozenset[str]) -> list[Any]:
    if isinstance(value, bool):
        return [not value]
    if isinstance(value, int):
        return _heads(value) if HEADS.fullmatch(name) else _integers(value)
    if isinstance(value, float):
        return [round(value * 2, 6), round(value / 2, 6)] if value else [0.5]
    if isinstance(value, str):
        others = set(strings) | (set(ACTIVATIONS) if re.search("(^|_)act|_fn$", name) else set())
        return sorted(others - {value})
    if name in STAGES:
        return [option for option in STAGES[name] if option != value]
    if isinstance(value, (list, tuple)) and value:
        return _lists(list(value), strings)
    return []


def _integers(value: int) -> list[int]:
    if value >= 16:  # noqa: PLR2004 - a size
        return [value * 2, value + 8, value // 2]
    if value >= 5:  # noqa: PLR2004 - a count or a small size
        return [value * 2, value + 1, value // 2]
    if value >= 2:  # noqa: PLR2004 - a count
        return [value + 1, value * 2, value - 1]
    return {1: [2, 0, 3], 0: [1, 2]}.get(value, [value - 1])


def _heads(value: int) -> list[int]:
    """Mostly what still divides the sizes around it; rotary halves want even dimensions."""
    return [value * 2, value // 2, value + 1] if value > 1 else [2, 4]


def _lists(values: list[Any], strings: frozenset[str]) -> list[Any]:
    options: list[Any] = []
    if all(isinstance(value, str) for value in values):
        kinds = sorted(set(values) | {text for text in strings if text})
        options = [[kind] * len(values) for kind in kinds] + [values[::-1], (kinds * len(values))[: len(values)]]
    elif all(isinstance(value, bool) for value in values):
        options = [[not value for value in values]]
    elif all(isinstance(value, int) for value in values):
        options = [[_integers(value)[0] for value in values], values[::-1], [value + 1 for value in values]]
    options.append(values[:-1])
    options.append([*values, values[-1]])
    return [option for at, option in enumerate(options) if option != values and option not in options[:at]]


def _with_it(
    at: Path, name: str, value: Value, option: Value, given: Mapping[str, Value]
) -> Iterator[tuple[Path, Any]]:
    """What must change with it: lists in the file as long as the number that moves, or as the list that does."""
    before = len(value) if isinstance(value, (list, tuple)) else value
    after = len(option) if isinstance(option, list) else option
    if type(before) is not int or type(after) is not int or before == after or not before or not 0 < after < 100:  # noqa: PLR2004
        return
    if not isinstance(value, (list, tuple)) and not re.search("layer|depth|stage|block", name):
        return
    for other, values in given.items():
        if other != name and isinstance(values, list) and len(values) == before and before > 1:
            yield (*at, other), (values * after)[:after] if after > before else values[:after]
        elif isinstance(value, (list, tuple)) and values == before and "layer" in other:
            yield (*at, other), after


def _instead_of_none(name: str, annotation: str, strings: frozenset[str]) -> list[Any]:
    if strings:
        return sorted(strings)
    if "bool" in annotation:
        return [True, False]
    if "int" in annotation and "list[int]" not in annotation:
        size = min(small_int(name, 1 << 20), 64)
        return [size, size * 2]
    return [0.5, 2.0] if "float" in annotation else []


def _tower_moves(at: Path, node: PreTrainedConfig, base: Mapping[str, Any]) -> Iterator[Move]:
    """Another type in each open slot, and null in each optional one."""
    for path, owner, _ in _nodes(at, node, base):
        for key, slot in type(owner).sub_configs_defaults.items():
            where = (*path, key)
            if slot.optional:
                yield Move(".".join(where), ((where, None if getattr(owner, key) is not None else {}),))
            if issubclass(slot.config_class, PreTrainedConfig) or getattr(owner, key) is None:
                continue
            kind = _kind(key, slot.model_type)
            for other in TOWERS.get(kind, ()):
                if other != slot.model_type:
                    given = {"out_features": ["stage1", "stage2"]} if kind == "backbone" else {}
                    yield Move(".".join(where), ((where, {**tiny(other), **given}),))


def _kind(key: str, model_type: str) -> str:
    if "backbone" in key:
        return "backbone"
    for kind in ("vision", "audio", "text"):
        if key.startswith(kind):
            return kind
    return "text" if "AutoModelForCausalLM" in classes.auto(model_type) else ""


def _literals(annotation: str) -> frozenset[str]:
    """The strings of `Literal[...]` in an annotation."""
    found: set[str] = set()
    for inside in re.findall(r"Literal\[([^\]]*)\]", annotation):
        values = ast.literal_eval(f"[{inside}]")
        found |= {value for value in values if isinstance(value, str)}
    return frozenset(found)


def _default(config_class: type[PreTrainedConfig], name: str) -> Value:
    return next((default(each) for each in fields(config_class) if each.name == name), None)


@contextmanager
def _reads() -> Iterator[set[tuple[str, str]]]:
    """Every field of every config that is read in the block, as name of the config class and name of the field."""
    seen: set[tuple[str, str]] = set()
    original: Callable[[PreTrainedConfig, str], Any] = PreTrainedConfig.__getattribute__

    def spy(self: PreTrainedConfig, key: str) -> Any:  # noqa: ANN401 - any attribute
        cls = type(self)
        seen.add((cls.__name__, cls.attribute_map.get(key, key)))
        return original(self, key)

    PreTrainedConfig.__getattribute__ = spy  # type: ignore[method-assign]
    try:
        yield seen
    finally:
        PreTrainedConfig.__getattribute__ = original  # type: ignore[method-assign]
