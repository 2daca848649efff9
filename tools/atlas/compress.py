"""Classes of one entry as a backbone and what differs from it, and back: heads share nearly everything.

What a class inherits, and how, is the business of `hfcheck/loading/classes.py`; here stands the same for the text of an
entry, with the keys that concern placement. All paths are those of the class that inherits, with `at`:

- tables by name (`TABLES`): its own entries stand instead of inherited ones of the same name; `null` takes one away;
- places (`PLACES`), by `at`: its own stand before the rest, and instead of inherited ones at the same place. Without
  own `submodels` there is one, the class itself;
- lists that a model collects from its parts (`UNIONS`): both together;
- `checks`: both, those of the backbone first;
- `base_prefix`: its own or, where that is empty, that of the backbone;
- `pp` and `kv` (`LISTS`): its own where the key is there, an empty list too, else those of the backbone;
- all other keys (`certified`, ...) are its own only.

`drop` takes inherited names away, of whatever kind: one name, or all below a prefix that ends in a dot.
"""

import json
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any

Class = Mapping[str, Any]
Classes = Mapping[str, Class]

MODULES = ("order", "present", "parameters", "no_split", "tp", "ep")
TABLES = ("counts", "tensors", "buffers", *MODULES)
PLACES = ("submodels", "mounts", "tied")
UNIONS = ("ignore_missing", "ignore_unexpected", "keep_fp32", "keep_fp32_strict", "skip_keys")
LISTS = ("pp", "kv")
INHERITED = (*TABLES, *PLACES, *UNIONS, *LISTS, "checks", "base_prefix")


def normal(name: str, cls: Class, model_type: str) -> dict[str, Any]:
    """A class as `expand` gives it: what is a set sorted, the class itself among its submodels, nothing empty."""
    found = {**cls, **{key: sorted(set(cls.get(key, ()))) for key in UNIONS}}
    found["submodels"] = list(cls.get("submodels", ())) or [_root(name, model_type)]
    return _stripped(found)


def compress(classes: Classes, model_type: str) -> dict[str, dict[str, Any]]:
    """The classes, whole or as the difference from one that is whole, whichever is shorter.

    Backbones are chosen one after the other, each time the one that saves most; a backbone has none itself.
    """
    whole = {name: normal(name, cls, model_type) for name, cls in sorted(classes.items())}
    deltas: dict[str, dict[str, dict[str, Any]]] = {
        base: {name: delta for name in whole if (delta := _delta(whole, name, base, model_type)) is not None}
        for base in whole
    }
    gain = {
        base: {name: _size(whole[name]) - _size(delta) for name, delta in found.items()}
        for base, found in deltas.items()
    }
    chosen: dict[str, str] = {}  # class to its backbone
    while True:
        saved = {base: _saving(base, gain, chosen) for base in whole}
        base = max(saved, key=lambda one: saved[one], default="")
        if saved.get(base, 0) <= 0:
            break
        chosen.pop(base, None)
        chosen |= {name: base for name in gain[base] if _improves(name, base, gain, chosen)}
    return {name: deltas[chosen[name]][name] if name in chosen else cls for name, cls in whole.items()}


def expand(classes: Classes, model_type: str) -> dict[str, dict[str, Any]]:
    """Every class whole again; raises KeyError where a backbone is not there or has one itself."""
    found = {}
    for name, cls in classes.items():
        if "backbone" not in cls:
            found[name] = dict(cls)
            continue
        base = classes[cls["backbone"]]
        if "backbone" in base:
            raise KeyError(f"the backbone of {name} has a backbone")
        found[name] = _joined(name, cls, _below(base, cls["at"], cls.get("drop", ())), model_type)
    return found


def _improves(name: str, base: str, gain: Mapping[str, Mapping[str, int]], chosen: Mapping[str, str]) -> bool:
    """Whether `base` is a better backbone for a class than what it has; one that is a backbone stays whole."""
    if name == base or name in chosen.values():
        return False
    return gain[base].get(name, 0) > (gain[chosen[name]][name] if name in chosen else 0)


def _saving(base: str, gain: Mapping[str, Mapping[str, int]], chosen: Mapping[str, str]) -> int:
    lost = gain[chosen[base]][base] if base in chosen else 0
    won = (name for name in gain[base] if _improves(name, base, gain, chosen))
    return sum(gain[base][name] - (gain[chosen[name]][name] if name in chosen else 0) for name in won) - lost


def _delta(whole: Classes, name: str, base: str, model_type: str) -> dict[str, Any] | None:
    """The shortest way to say a class in terms of another: in the same place, or where it has such a model.

    Or below its base prefix: `WhisperForCausalLM` has `model.decoder`, but no `WhisperModel` at `model`.
    """
    if name == base:
        return None
    inside = {one["at"] for one in whole[name].get("submodels", ()) if one["class"] == base and "{}" not in one["at"]}
    found = []
    for at in sorted({"", whole[name].get("base_prefix", ""), *inside}):
        delta = _difference(whole, name, base, at, model_type)
        if delta is not None:
            found.append(delta)
    return min(found, key=_size, default=None)


def _difference(whole: Classes, name: str, base: str, at: str, model_type: str) -> dict[str, Any] | None:
    """What a class says beyond its backbone; None where it lacks something that it would inherit."""
    cls = whole[name]
    drop = _dropped(cls, _below(whole[base], at, ()))
    inherited = _below(whole[base], at, drop)
    own: dict[str, Any] = {"backbone": base, "at": at}
    if drop:
        own["drop"] = drop
    own |= {key: value for key, value in cls.items() if key not in INHERITED}
    for key in TABLES:
        had, wanted = inherited.get(key, {}), cls.get(key, {})
        own[key] = {one: wanted[one] for one in wanted if had.get(one) != wanted[one]}
        if key in MODULES:
            own[key] |= {one: None for one in had if one not in wanted}
    for key in PLACES:
        own[key] = _own_places(key, cls, inherited, name, model_type)
    for key in UNIONS:
        own[key] = [one for one in cls.get(key, ()) if one not in inherited.get(key, ())]
    own["checks"] = [one for one in cls.get("checks", ()) if one not in inherited.get("checks", ())]
    if cls.get("base_prefix") != inherited.get("base_prefix"):
        own["base_prefix"] = cls.get("base_prefix")
    own = _stripped(own) | {key: cls.get(key, []) for key in LISTS if cls.get(key) != inherited.get(key)}
    return own if _joined(name, own, inherited, model_type) == cls else None


def _own_places(key: str, cls: Class, inherited: Class, name: str, model_type: str) -> list[Any]:
    """The places that a class has to say itself: as few as will do, all of them where that gives another order."""
    wanted = list(cls.get(key, ()))
    before = _by_place(inherited.get(key, ()))
    few = [one for group, ones in _by_place(wanted).items() if before.get(group) != ones for one in ones]
    if key == "submodels" and few == [_root(name, model_type)]:
        few = []
    return few if _places(key, few, inherited, name, model_type) == wanted else wanted


def _dropped(cls: Class, moved: Class) -> list[str]:
    """The shortest prefixes and names that take away what a class has not and leave what it has."""
    kept, gone = set(), set()
    for key, one, value in _named(moved):
        mine = cls.get(key, {}) if key in TABLES else _by_place(cls.get(key, ()))
        place = one.removesuffix(".") if key in PLACES or key in MODULES else one
        if mine.get(place) == value:
            kept.add(one)
        elif place not in mine:
            gone.add(one)
    drop: set[str] = set()
    for one in sorted(gone):
        prefixes = [one[: at + 1] for at, char in enumerate(one) if char == "."]
        ways = [prefix for prefix in prefixes if not any(other.startswith(prefix) for other in kept)]
        if ways:
            drop.add(ways[0])
        elif not one.endswith("."):
            drop.add(one)
    return sorted(drop)


def _named(cls: Class) -> Iterator[tuple[str, str, Any]]:
    """What a class has, with the name by which `drop` knows it: of a module, its path and a dot."""
    for key in TABLES:
        for one, value in cls.get(key, {}).items():
            yield key, f"{one}." if key in MODULES else one, value
    for key in PLACES:
        for at, ones in _by_place(cls.get(key, ())).items():
            yield key, f"{at}.", ones


def _below(cls: Class, at: str, drop: Sequence[str]) -> dict[str, Any]:
    """A class as another inherits it: at another place, less what that one does not have."""
    prefix = f"{at}." if at else ""
    prefixes = tuple(one for one in drop if one.endswith("."))

    def kept(name: str) -> bool:
        return name not in drop and not name.startswith(prefixes)

    def path(one: str) -> str:
        return prefix + one if one else at

    found: dict[str, Any] = {key: cls[key] for key in (*UNIONS, "checks", "base_prefix") if key in cls}
    for key in TABLES:
        place: Callable[[str], str] = path if key in MODULES else prefix.__add__
        dot = "." if key in MODULES else ""
        found[key] = {moved: value for one, value in cls.get(key, {}).items() if kept((moved := place(one)) + dot)}
    for key in PLACES:
        places = [{**one, "at": path(one["at"])} for one in cls.get(key, ())]
        found[key] = [one for one in places if kept(f"{one['at']}.")]
    if "pp" in cls:
        found["pp"] = [prefix + one for one in cls["pp"]]
    if "kv" in cls:
        found["kv"] = [{**one, "layers": prefix + one["layers"]} if "layers" in one else one for one in cls["kv"]]
    return _stripped(found)


def _joined(name: str, own: Class, inherited: Class, model_type: str) -> dict[str, Any]:
    """What a class says itself, over what it inherits."""
    found = {key: value for key, value in own.items() if key not in (*INHERITED, "backbone", "at", "drop")}
    for key in TABLES:
        table = {**inherited.get(key, {}), **own.get(key, {})}
        found[key] = {one: value for one, value in table.items() if value is not None}
    for key in PLACES:
        found[key] = _places(key, own.get(key, ()), inherited, name, model_type)
    for key in UNIONS:
        found[key] = sorted({*own.get(key, ()), *inherited.get(key, ())})
    checks = (*inherited.get("checks", ()), *own.get("checks", ()))
    found["checks"] = [one for number, one in enumerate(checks) if one not in checks[:number]]
    for key in LISTS:
        found[key] = own.get(key, inherited.get(key))
    found["base_prefix"] = own.get("base_prefix") or inherited.get("base_prefix")
    return _stripped(found)


def _places(key: str, own: Iterable[Class], inherited: Class, name: str, model_type: str) -> list[Any]:
    mine = list(own)
    if key == "submodels" and not mine:
        mine = [_root(name, model_type)]
    taken = {one["at"] for one in mine}
    return [*mine, *(one for one in inherited.get(key, ()) if one["at"] not in taken)]


def _root(name: str, model_type: str) -> dict[str, str]:
    return {"at": "", "class": name, "type": model_type, "config": ""}


def _by_place(places: Iterable[Class]) -> dict[str, list[Class]]:
    found: dict[str, list[Class]] = {}
    for one in places:
        found.setdefault(one["at"], []).append(one)
    return found


def _stripped(cls: Class) -> dict[str, Any]:
    return {key: value for key, value in cls.items() if value or key not in INHERITED}


def _size(cls: Class) -> int:
    return len(json.dumps(cls))
