"""Methods of lists, dictionaries, texts and configs, on symbols."""

from collections.abc import Callable
from typing import Any

from transformers import PreTrainedConfig

from tools.atlas.symbolic import terms
from tools.atlas.symbolic.journal import ite
from tools.atlas.symbolic.library import attribute_or, attribute_set, copied
from tools.atlas.symbolic.state import Run
from tools.atlas.symbolic.terms import const
from tools.atlas.symbolic.values import (
    ANY,
    BOOL,
    INT,
    LIST,
    TEXT,
    UNSET,
    Choice,
    Config,
    Dict,
    List,
    Opaque,
    Plain,
    Sym,
    new_list,
    term_of,
)


def list_append(run: Run, owner: List, value: Any) -> None:
    run.journal.write(owner.cell, "items", (*owner.items, Plain(value)))


def _list_extend(run: Run, owner: List, values: Any) -> None:
    run.extend(owner, values)


def _list_insert(run: Run, owner: List, place: Any, value: Any) -> None:
    if isinstance(place, int) and all(isinstance(item, Plain) for item in owner.items[: max(place, 0)]):
        run.journal.write(owner.cell, "items", (*owner.items[:place], Plain(value), *owner.items[place:]))
    else:
        run.journal.write(owner.cell, "items", (Plain(Opaque("insert")),))


def _list_pop(run: Run, owner: List, place: Any = -1) -> Any:
    value = run.get_item(owner, place)
    items = list(owner.items)
    if isinstance(place, int) and items and isinstance(items[place], Plain):
        del items[place]
        run.journal.write(owner.cell, "items", tuple(items))
    return value


def _list_index(run: Run, owner: Any, value: Any) -> Any:
    return run.scalar(terms.call("index", term_of(owner), term_of(value)), INT)


def dict_values(run: Run, owner: Dict) -> List:
    return new_list([Plain(run.journal.resolve(value)) for value in owner.cell.values()])


def dict_items(run: Run, owner: Dict) -> Any:
    return new_list([Plain((key, run.journal.resolve(value))) for key, value in owner.cell.items()])


def _dict_get(run: Run, owner: Any, key: Any, default: Any = None) -> Any:
    if isinstance(owner, Sym):
        if not isinstance(key, str):
            return Opaque("get")
        fallback = term_of(default)
        return Opaque("get") if fallback[0] == "opaque" else run.scalar(
            terms.call("get", owner.term, terms.const(key), fallback), ANY)  # fmt: skip
    if isinstance(key, Sym):
        return run.get_item(owner, key)
    value = owner.cell.get(key, UNSET)
    if isinstance(value, Choice) and UNSET in (value.then, value.other):
        return ite(value.condition, *(default if side is UNSET else side for side in (value.then, value.other)))
    return default if value is UNSET else run.journal.resolve(value)


def dict_update(run: Run, owner: Any, other: Any = None, **kwargs: Any) -> None:
    if isinstance(owner, Dict):
        other = run.journal.resolve(other)
        new = other.cell if isinstance(other, Dict) else other if isinstance(other, dict) else {}
        for key, value in {**new, **kwargs}.items():
            run.journal.write(owner.cell, key, value)


def _dict_pop(run: Run, owner: Dict, key: Any, *default: Any) -> Any:
    value = _dict_get(run, owner, key, default[0] if default else Opaque("pop"))
    run.journal.write(owner.cell, key, UNSET)
    return value


def _dict_setdefault(run: Run, owner: Any, key: Any, default: Any = None) -> Any:
    if not isinstance(owner, Dict):
        return _dict_get(run, owner, key, default)
    if key not in owner.cell:
        run.journal.write(owner.cell, key, default)
    return owner.cell[key]


def _same(run: Run, owner: Any, *_: Any, **__: Any) -> Any:
    del run
    return owner


def _get_text_config(run: Run, owner: Config, decoder: Any = None, encoder: Any = None) -> Any:
    if owner.cls is PreTrainedConfig:
        return owner
    wanted = {"decoder": decoder, "encoder": encoder}
    try:
        real = owner.default.get_text_config(**{k: v for k, v in wanted.items() if v is not None})
    except Exception as error:  # noqa: BLE001 — it is tried on the defaults
        return Opaque(f"get_text_config: {error}")
    if real is owner.default:
        return owner
    for name, value in vars(owner.default).items():
        if value is real:
            return run.get_attribute(owner, name)
    return owner if type(real) is owner.cls else Opaque("get_text_config")


def _config_get(run: Run, owner: Config, name: Any, default: Any = None) -> Any:
    return attribute_or(run, owner, name, default)


def _config_dict(run: Run, owner: Config) -> Any:
    if owner.open:
        return Opaque("the fields of a config that the file chooses")
    return Dict({name: run.get_attribute(owner, name) for name in owner.default.to_dict() if name != "model_type"})


def _parts_of_pairs(run: Run, owner: Sym, part: int) -> Sym:
    bound = run.new_number()
    return Sym(("map", bound, terms.call("pairs", owner.term), ("at", ("i", bound), const(part))), LIST)


METHODS: dict[type, dict[str, Callable[..., Any]]] = {
    List: {"append": list_append, "extend": _list_extend, "insert": _list_insert, "pop": _list_pop,
           "index": _list_index, "copy": copied},
    Dict: {"items": dict_items, "get": _dict_get, "update": dict_update, "pop": _dict_pop, "copy": copied,
           "keys": lambda run, owner: tuple(owner.cell), "setdefault": _dict_setdefault,
           "values": dict_values},
    Sym: {"items": lambda run, owner: Sym(terms.call("pairs", owner.term), LIST),
          "keys": lambda run, owner: _parts_of_pairs(run, owner, 0),
          "values": lambda run, owner: _parts_of_pairs(run, owner, 1),
          "get": _dict_get, "index": _list_index, "setdefault": _dict_setdefault, "copy": _same, "update": dict_update,
          "upper": lambda run, owner: run.scalar(terms.call("upper", owner.term), TEXT),
          "lower": lambda run, owner: run.scalar(terms.call("lower", owner.term), TEXT),
          "strip": lambda run, owner: run.scalar(terms.call("strip", owner.term), TEXT),
          "split": lambda run, owner, by: Sym(terms.call("split", owner.term, term_of(by)), LIST),
          "startswith": lambda run, owner, text: run.scalar(terms.call("startswith", owner.term, term_of(text)), BOOL),
          "endswith": lambda run, owner, text: run.scalar(terms.call("endswith", owner.term, term_of(text)), BOOL)},
    Config: {"get_text_config": _get_text_config, "get": _config_get, "to_dict": _config_dict,
             "__setattr__": attribute_set, "__strict_setattr__": attribute_set},
}  # fmt: skip
