"""The functions of the expression language, with Python's meaning and with bounds: every value is a stranger's.

A function takes the budget of the evaluation and its arguments. It raises NoValue, or what Python would raise.
"""

import math
from collections.abc import Callable, Mapping, Sequence
from typing import TypeAlias, TypeGuard

from hfcheck.loading.grammar import MAX_INTEGER
from hfcheck.loading.names import ABSENT, UNKNOWN, Names

MAX_LENGTH = 100_000
"""Items of a list, in a config or in a result."""

MAX_STRING = 10_000
MAX_EXPONENT = 64
_MAX_DIGITS = 40
"""Characters of a string that `int` and `float` read."""

Number: TypeAlias = int | float


class NoValue(Exception):
    """There is no value, and why: the reason may name fields of the atlas, never a value of the config."""


class Budget:
    """Steps that are left. One budget may serve many evaluations."""

    __slots__ = ("steps",)

    def __init__(self, steps: int) -> None:
        self.steps = steps

    def charge(self, steps: int) -> None:
        self.steps -= steps
        if self.steps < 0:
            raise NoValue("the evaluation takes too many steps")


def admit(value: object) -> object:
    """A value from outside or a result, if it is within the bounds; raises NoValue."""
    if isinstance(value, int):
        if not -MAX_INTEGER < value < MAX_INTEGER:
            raise NoValue("an integer has more than 63 bits")
    elif isinstance(value, str):
        if len(value) > MAX_STRING:
            raise NoValue("a string is too long")
    elif isinstance(value, (list, tuple, dict)):
        if len(value) > MAX_LENGTH:
            raise NoValue("a list is too long")
    elif value is ABSENT or value is UNKNOWN:
        raise NoValue("a value is missing")
    elif isinstance(value, complex):
        raise NoValue("the result is no real number")
    return value


def truth(value: object) -> bool:
    """Python's; a config is an object and true."""
    return bool(value) if value is None or isinstance(value, (int, float, str, list, tuple, dict)) else True


def is_number(value: object) -> TypeGuard[Number]:
    """Bools are numbers in Python's arithmetic."""
    return isinstance(value, (int, float))


def number(value: object) -> Number:
    if not is_number(value):
        raise NoValue("a number was expected")
    admit(value)
    return value


def integer(value: object) -> int:
    if not isinstance(value, int):
        raise NoValue("an integer was expected")
    admit(value)
    return value


def text(value: object) -> str:
    if not isinstance(value, str):
        raise NoValue("a string was expected")
    admit(value)
    return value


def items(budget: Budget, value: object) -> Sequence[object]:
    """A list, paid for."""
    if not isinstance(value, (list, tuple)):
        raise NoValue("a list was expected")
    admit(value)
    budget.charge(len(value))
    return value


def member(value: object, name: str) -> object:
    """What a config or a dict has under a name, or ABSENT; raises NoValue for what has no names."""
    if isinstance(value, dict):
        return value.get(name, ABSENT)
    if isinstance(value, (int, float, str, list, tuple)) or value is None or not isinstance(value, Names):
        raise NoValue("a config was expected")
    return value.get(name)


def item(value: object, key: object) -> object:
    """`value[key]` of a list, a string or a dict."""
    if isinstance(value, dict) and isinstance(key, (str, int)):
        return admit(value.get(key, ABSENT))
    if not isinstance(value, (list, tuple, str)) or isinstance(key, bool):
        raise NoValue("a list was expected")
    position = integer(key)
    if not -len(value) <= position < len(value):
        raise NoValue("the index is out of range")
    return admit(value[position])


def equal(budget: Budget, left: object, right: object, depth: int = 8) -> bool:
    """Python's `==`, at a bounded depth."""
    budget.charge(1)
    if isinstance(left, (list, tuple)) and isinstance(right, (list, tuple)):
        if not depth:
            raise NoValue("lists are nested too deeply to be compared")
        return len(left) == len(right) and all(
            equal(budget, one, other, depth - 1) for one, other in zip(left, right, strict=True)
        )
    if isinstance(left, dict) and isinstance(right, dict):
        if not depth:
            raise NoValue("objects are nested too deeply to be compared")
        budget.charge(len(left))
        return left.keys() == right.keys() and all(
            equal(budget, value, right[key], depth - 1) for key, value in left.items()
        )
    return left == right


def contains(budget: Budget, container: object, value: object) -> bool:
    """`value in container`."""
    if isinstance(container, str):
        return text(value) in text(container)
    if isinstance(container, dict):
        return isinstance(value, (str, int)) and value in container
    return any(equal(budget, one, value) for one in items(budget, container))


def add(budget: Budget, left: object, right: object) -> object:
    """`+` of what is not two numbers: lists and strings are joined."""
    if isinstance(left, str) and isinstance(right, str):
        return admit(left + right)
    return _concat(budget, left, right)


def power(base: object, exponent: object) -> object:
    """`**`, with a bounded exponent: the result is computed before it can be looked at."""
    base, exponent = number(base), number(exponent)
    if not abs(exponent) <= MAX_EXPONENT:
        raise NoValue("the exponent is too large")
    return admit(base**exponent)


def _int(_: Budget, value: object) -> object:
    if isinstance(value, str) and len(value) <= _MAX_DIGITS:
        return admit(int(value))
    return admit(int(number(value)))


def _float(_: Budget, value: object) -> object:
    return float(value) if isinstance(value, str) and len(value) <= _MAX_DIGITS else float(number(value))


def _str(_: Budget, value: object) -> object:
    if value is None or isinstance(value, (bool, float)):
        return str(value)
    return text(value) if isinstance(value, str) else str(integer(value))


def _round(_: Budget, value: object, digits: object = None) -> object:
    if digits is None:
        return admit(round(number(value)))
    places = integer(digits)
    if abs(places) > MAX_EXPONENT:
        raise NoValue("the number of digits is too large")
    return admit(round(number(value), places))


def _log(_: Budget, value: object, base: object = None) -> object:
    return math.log(number(value)) if base is None else math.log(number(value), number(base))


def _gcd(_: Budget, *values: object) -> object:
    return math.gcd(*(integer(value) for value in values))


def _extreme(choose: Callable[[list[Number]], Number]) -> Callable[..., object]:
    def apply(budget: Budget, *values: object) -> object:
        found = items(budget, values[0]) if len(values) == 1 else values
        return choose([number(value) for value in found])

    return apply


def _sum(budget: Budget, values: object) -> object:
    return admit(sum(number(value) for value in items(budget, values)))


def _prod(budget: Budget, values: object) -> object:
    result: object = 1
    for value in items(budget, values):
        result = admit(number(result) * number(value))
    return result


def _len(_: Budget, value: object) -> object:
    if not isinstance(value, (list, tuple, str, dict)):
        raise NoValue("a list was expected")
    return len(value)


def _repeat(budget: Budget, value: object, times: object) -> object:
    length = max(0, integer(times))
    if length > MAX_LENGTH:
        raise NoValue("a list is too long")
    budget.charge(length)
    return [value] * length


def _concat(budget: Budget, *lists: object) -> object:
    joined: list[object] = []
    for one in lists:
        joined.extend(items(budget, one))
        admit(joined)
    return joined


def _flatten(budget: Budget, lists: object) -> object:
    return _concat(budget, *items(budget, lists))


def _unique(budget: Budget, values: object) -> object:
    """The items, each once, in the order of their first places; only numbers and strings."""
    found = items(budget, values)
    if not all(isinstance(value, (str, int, float)) for value in found):
        raise NoValue("numbers or strings were expected")
    return list(dict.fromkeys(found))


def _slice(budget: Budget, value: object, start: object, stop: object) -> object:
    part = slice(*(None if bound is None else integer(bound) for bound in (start, stop)))
    return text(value)[part] if isinstance(value, str) else list(items(budget, value)[part])


def _range(budget: Budget, *bounds: object) -> object:
    numbers = range(*(integer(bound) for bound in bounds))
    if len(numbers) > MAX_LENGTH:
        raise NoValue("a list is too long")
    budget.charge(len(numbers))
    return list(numbers)


def _sort(budget: Budget, values: object) -> object:
    found = items(budget, values)
    if found and isinstance(found[0], str):
        return sorted(text(value) for value in found)
    return sorted(number(value) for value in found)


def _index(budget: Budget, values: object, wanted: object) -> object:
    for position, value in enumerate(items(budget, values)):
        if equal(budget, value, wanted):
            return position
    raise NoValue("the list has no such item")


def _get(_: Budget, source: object, key: object, default: object = None) -> object:
    found = source.get(key, ABSENT) if isinstance(source, dict) and isinstance(key, int) else member(source, text(key))
    return default if found is ABSENT else admit(found)


def _split(_: Budget, value: object, separator: object) -> object:
    return list(text(value).split(text(separator)))


def _dict(_: Budget, *parts: object) -> object:
    return dict(zip(map(text, parts[::2]), parts[1::2], strict=True))


def _mapping(budget: Budget, value: object) -> dict[object, object]:
    if not isinstance(value, dict):
        raise NoValue("an object was expected")
    admit(value)
    budget.charge(len(value))
    return value


def _merge(budget: Budget, *parts: object) -> object:
    merged: dict[object, object] = {}
    for part in parts:
        merged |= _mapping(budget, part)
    return admit(merged)


def _pairs(budget: Budget, value: object) -> object:
    return [[key, one] for key, one in _mapping(budget, value).items()]


def _from_pairs(budget: Budget, values: object) -> object:
    made: dict[object, object] = {}
    for pair in items(budget, values):
        key, value = items(budget, pair)
        if not isinstance(key, (str, int)):
            raise NoValue("a name was expected")
        made[key] = value
    return made


def _put(budget: Budget, source: object, key: object, value: object) -> object:
    """A copy of an object or a list with one item set."""
    if isinstance(source, dict) and isinstance(key, (str, int)):
        return admit({**_mapping(budget, source), key: value})
    changed = list(items(budget, source))
    place = integer(key)
    if not -len(changed) <= place < len(changed):
        raise NoValue("the index is out of range")
    changed[place] = value
    return changed


def _is(kind: type | tuple[type, ...], but: type | tuple[type, ...] = ()) -> Callable[..., object]:
    return lambda _, value: isinstance(value, kind) and not isinstance(value, but)


ACTIVATIONS = frozenset({
    "gelu", "gelu_10", "gelu_accurate", "gelu_fast", "gelu_new", "gelu_python", "gelu_python_tanh",
    "gelu_pytorch_tanh", "hardswish", "laplace", "leaky_relu", "linear", "mish", "prelu", "quick_gelu", "relu", "relu2",
    "relu6", "sigmoid", "silu", "sqrtsoftplus", "swish", "tanh", "xielu",
})  # fmt: skip
"""The names that `ACT2FN` of transformers 5.23 knows (`activations.py`); any other is a KeyError."""


FUNCTIONS: Mapping[str, Callable[..., object]] = {
    "get": _get, "int": _int, "float": _float, "str": _str, "bool": lambda _, value: truth(value),
    "ceil": lambda _, value: admit(math.ceil(number(value))),
    "floor": lambda _, value: admit(math.floor(number(value))),
    "round": _round, "abs": lambda _, value: abs(number(value)), "sqrt": lambda _, value: math.sqrt(number(value)),
    "log": _log, "log2": lambda _, value: math.log2(number(value)), "exp": lambda _, value: math.exp(number(value)),
    "gcd": _gcd, "min": _extreme(min), "max": _extreme(max), "sum": _sum, "prod": _prod, "len": _len,
    "any": lambda budget, values: any(truth(value) for value in items(budget, values)),
    "all": lambda budget, values: all(truth(value) for value in items(budget, values)),
    "repeat": _repeat, "list": lambda _, *values: list(values), "concat": _concat, "slice": _slice, "range": _range,
    "reverse": lambda budget, values: list(reversed(items(budget, values))), "sort": _sort, "index": _index,
    "dict": _dict, "merge": _merge, "pairs": _pairs, "from_pairs": _from_pairs, "put": _put,
    "flatten": _flatten, "unique": _unique,
    "lower": lambda _, value: text(value).lower(), "upper": lambda _, value: text(value).upper(),
    "strip": lambda _, value: text(value).strip(),
    "split": _split, "startswith": lambda _, value, prefix: text(value).startswith(text(prefix)),
    "endswith": lambda _, value, suffix: text(value).endswith(text(suffix)), "contains": contains,
    "is_activation": lambda _, value: text(value) in ACTIVATIONS, "is_list": _is((list, tuple)),
    "is_int": _is(int, bool), "is_float": _is(float), "is_str": _is(str),
    "is_bool": _is(bool), "is_dict": _is(dict),
}  # fmt: skip
"""By name; `if`, `coalesce`, `has` and the loops are not here, for they do not evaluate all their arguments."""
