"""What the class GenerationConfig of transformers 5.23 does with a generation_config.json, without the class.

`schemas/generation.json`, which tools/atlas/generation_schema.py writes, has its fields and the modes they belong to;
the rest follows `generation/configuration_utils.py:GenerationConfig.validate` line by line.
"""

import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import Any

from hfcheck.finding import quote

WATERMARK: Mapping[str, Any] = {
    "greenlist_ratio": 0.25, "bias": 2.0, "hashing_key": 15485863, "seeding_scheme": "lefthash", "context_width": 1,
}  # fmt: skip
"""The arguments of WatermarkingConfig, with their defaults."""

LEFT_OUT = ("transformers_version", "_commit_hash", "_original_object_hash", "_mask_length")
"""What the class replaces, or drops, before it writes anything."""

SHOWN = 60


class Refused(Exception):
    """The class raises: at which key, and a sentence on why."""

    def __init__(self, key: str, why: str) -> None:
        super().__init__(why)
        self.key = key
        self.why = why


@dataclass(frozen=True, slots=True)
class Unused:
    """A setting that no call makes use of; `mode` is the setting without which that is so."""

    key: str
    mode: str


@dataclass(frozen=True, slots=True)
class Verdict:
    """`refused` is why the class is not made, nor the model. `unused` are settings for which it is not saved."""

    refused: Refused | None = None
    unused: tuple[Unused, ...] = ()


def verdict(values: Mapping[str, Any]) -> Verdict | None:
    """What becomes of these settings; None where that is not known, as they take the place of a method."""
    table = _table()
    if any(key in table["attributes"] for key in values) and not values.get("_from_model_config"):
        return None
    try:
        _made(values)
        _checked(values, table)
    except Refused as refused:
        return Verdict(refused)
    return Verdict(None, tuple(_unused(values, table)))


@cache
def _table() -> Any:  # noqa: ANN401 - JSON
    return json.loads(files("hfcheck_schemas").joinpath("generation.json").read_bytes())


def shown(value: object) -> str:
    """A value as JSON, for a message."""
    if isinstance(value, str):
        return quote(value, SHOWN)
    return quote(json.dumps(value), SHOWN) if isinstance(value, list | dict) else json.dumps(value)[:SHOWN]


def _made(values: Mapping[str, Any]) -> None:
    if "self" in values:
        raise Refused("self", "the class cannot be made with a setting of this name")
    watermark = values.get("watermarking_config")
    if isinstance(watermark, dict):
        unknown = sorted(watermark.keys() - WATERMARK.keys())
        if unknown:
            raise Refused("watermarking_config", f"a watermark has no {quote(unknown[0])}")
    pending: list[tuple[str, Any]] = [(key, value) for key, value in values.items() if _is_kept(key, values)]
    top = True
    while pending:
        key, value = pending.pop()
        if key == "dtype" and value is not None and not isinstance(value, str) and "." not in str(value):
            raise Refused("dtype" if top else key, "a dtype is a word")
        if isinstance(value, dict):
            pending += value.items() if key != "watermarking_config" else ()


def _is_kept(key: str, values: Mapping[str, Any]) -> bool:
    if key in LEFT_OUT:
        return False
    return key in _table()["fields"] or not values.get("_from_model_config")


def _checked(values: Mapping[str, Any], table: Mapping[str, Any]) -> None:
    """Raise where the class does, strict or not."""
    get = values.get
    _unless(
        "early_stopping", get, lambda value: value in {None, True, False, "never"}, 'neither true, false nor "never"'
    )
    _unless("max_new_tokens", get, lambda value: value is None or not value <= 0, "not above 0")
    _unless("assistant_ensemble_weight", get, lambda value: value is None or 0.0 < value < 1.0, "not between 0 and 1")
    _unless("pad_token_id", get, lambda value: value is None or _is_ordered(value), "no id")
    known = table["cache_implementations"]
    _unless("cache_implementation", get, lambda value: value is None or value in known, "no kind of cache")
    _unless("compile_config", get, lambda value: value is None, "not what it is made from: only code can give it")
    _watermark(get("watermarking_config"))
    _sequences(values)
    _suppressed(values)
    for name in table["arguments"]:
        if name in values and not get("_from_model_config"):
            raise Refused(name, "this is an argument of generate, and no setting")


def _unless(key: str, get: Callable[[str], Any], holds: Callable[[Any], bool], why: str) -> None:
    value = get(key)
    try:
        if holds(value):
            return
    except TypeError:
        why = "of the wrong type"
    raise Refused(key, f"{key} is {shown(value)}, which is {why}")


def _is_ordered(value: Any) -> bool:  # noqa: ANN401 - it raises for what has no order
    return (value < 0) in (True, False)


def _watermark(value: object) -> None:
    if value is None:
        return
    if not isinstance(value, dict):
        raise Refused("watermarking_config", "a watermark is an object")
    whole = {**WATERMARK, **value}
    try:
        holds = (
            whole["seeding_scheme"] in ["selfhash", "lefthash"]
            and 0.0 <= whole["greenlist_ratio"] <= 1.0
            and whole["context_width"] >= 1
        )
    except TypeError:
        holds = False
    if not holds:
        raise Refused("watermarking_config", "a value of the watermark is none that it may have")


def _sequences(values: Mapping[str, Any]) -> None:
    key = "num_return_sequences"
    wanted, beams = values.get(key), values.get("num_beams")
    try:
        if wanted is None or not wanted > 1:
            return
        if beams is None or beams == 1:
            if not values.get("do_sample"):
                raise Refused(key, f"{key} is {shown(wanted)}, without sampling and without beams")
        elif wanted > beams:
            raise Refused(key, f"{key} is {shown(wanted)}, more than the {shown(beams)} of num_beams")
    except TypeError:
        raise Refused(key, f"{key} is {shown(wanted)}, which is of the wrong type") from None


def _suppressed(values: Mapping[str, Any]) -> None:
    if values.get("suppress_tokens") is None:
        return
    key = "suppress_tokens"
    try:
        suppressed = set(values[key])
        for key in ("forced_bos_token_id", "forced_eos_token_id"):
            forced = values.get(key)
            if forced is not None:
                tokens = {forced} if isinstance(forced, int) else set(forced)
                if tokens and tokens <= suppressed:
                    raise Refused(key, f"{key} is {shown(forced)}, and suppress_tokens has the same: no token is left")
    except TypeError:
        raise Refused(key, f"{key} is {shown(values[key])}, which is no list of ids") from None


def _unused(values: Mapping[str, Any], table: Mapping[str, Any]) -> Iterator[Unused]:
    """The settings that strict validation refuses, in the order of the file."""
    belongs = table["belongs"]
    off = {
        "do_sample": values.get("do_sample") is not True,
        "num_beams": values.get("num_beams") is None or values["num_beams"] == 1,
        "use_cache": values.get("use_cache") is False,
        "return_dict_in_generate": values.get("return_dict_in_generate") is not True,
    }
    for key, value in values.items():
        if key == "pad_token_id" and value is not None and value < 0:
            yield Unused(key, "")
        for mode, fields in belongs.items():
            if off[mode] and key in fields and value is not None and _fails(value, fields[key]):
                yield Unused(key, mode)


def _fails(value: object, listed: Mapping[str, list[Any]]) -> bool:
    """Whether a value is one that does not pass: 1 and true are the same to Python, and not to the class."""
    if "passes" in listed:
        return not any(type(one) is type(value) and one == value for one in listed["passes"])
    return any(type(one) is type(value) and one == value for one in listed["fails"])
