"""Where a parameter comes from: the template, the expressions and the fields of the config that make it what it is.

Each function takes the models within a model as `tuple(atlas.parts(entry, class_name, config))` gives them.
"""

import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache

from hfcheck.loading.atlas import Part
from hfcheck.loading.classes import ModelClass, Tensor, Variant, below
from hfcheck.loading.expand import split
from hfcheck.loading.expression import Scope, fields, parse
from hfcheck.loading.functions import Budget, NoValue, member
from hfcheck.loading.names import ABSENT, Names

_STEPS = 20_000
"""Operations that one search for a value may take: some hundred evaluations of a common expression."""

_LARGEST = 2**40
"""No size of a model is larger."""

_NUMBER = re.compile(r"[0-9]+")


@dataclass(frozen=True, slots=True)
class Origin:
    """A parameter as the atlas gives it; expressions are texts that read the config at `path`.

    `indices` stand for the `{}` of `template`, from left to right, but for those in the path of a mount; `counts` are
    their numbers. `exists` is false where this config has no such parameter: an index is too large, or the condition
    does not hold. `fields` are what all these expressions read, as paths from the outermost config, with their values.
    """

    name: str
    template: str
    indices: tuple[int, ...]
    counts: tuple[str, ...]
    shape: tuple[str, ...]
    condition: str | None
    exists: bool
    path: str
    model_type: str
    class_name: str
    fields: Mapping[str, object]


@dataclass(frozen=True, slots=True)
class _Found:
    """A template that a name fits; `variant` is the form that the tensor has, the first where there is no tensor."""

    part: Part
    tensor: Tensor
    indices: tuple[int, ...]
    variant: Variant
    exists: bool


def origin(whole: Sequence[Part], name: str) -> Origin | None:
    """Where a parameter comes from, also one that this config does not have; None where the class never has it.

    Raises NotCertain and TooMany.
    """
    found = _find(whole, name)
    if found is None:
        return None
    part, variant = found.part, found.variant
    counts = tuple(part.model.counts[head] for head in _heads(found.tensor.template))
    texts = [*counts, *variant.shape, *([variant.condition] if variant.condition else [])]
    return Origin(
        name=name,
        template=part.prefix + found.tensor.template,
        indices=found.indices,
        counts=counts,
        shape=variant.shape,
        condition=variant.condition,
        exists=found.exists,
        path=part.path,
        model_type=part.model_type,
        class_name=part.model.name,
        fields={
            below(part.path, field): _value(part.config, field)
            for field in sorted({field for text in texts for field in fields(parse(text))})
        },
    )


def sizes(whole: Sequence[Part], name: str, dimension: int, wanted: int) -> dict[str, int]:
    """The fields of the config on which a dimension of a parameter depends, with the value that would give `wanted`.

    Only fields for which there is such a value, all others as they are; as paths from the outermost config.
    """
    found = _find(whole, name)
    if found is None or not found.exists or dimension >= len(found.variant.shape):
        return {}
    answers = solve(found.variant.shape[dimension], found.part.config, wanted, found.indices)
    return {below(found.part.path, field): value for field, value in answers}


def switches(whole: Sequence[Part], name: str) -> tuple[str, ...]:
    """The fields of the config that decide whether there is such a parameter, the numbers of modules aside."""
    found = _find(whole, name)
    if found is None:
        return ()
    texts = {variant.condition for variant in found.tensor.variants if variant.condition}
    return _paths(found.part, texts)


def counts(whole: Sequence[Part], stack: str) -> tuple[str, ...]:
    """The fields that the number of modules behind a prefix depends on: behind `model.layers.`, say."""
    for part in _around(whole, stack):
        wanted = _skeleton(stack[len(part.prefix) :])
        texts = {text for head, text in part.model.counts.items() if _skeleton(head) == wanted}
        if texts:
            return _paths(part, texts)
    return ()


def solve(text: str, names: Names, wanted: int, indices: tuple[int, ...] = ()) -> tuple[tuple[str, int], ...]:
    """For each integer field of an expression the value under which it would be `wanted`, all else as it is.

    Fields without such a value are left out. Raises ExpressionInvalid.
    """
    answers = ((field, _solved(text, names, wanted, indices, field)) for field in sorted(fields(parse(text))))
    return tuple((field, value) for field, value in answers if value is not None)


def _solved(text: str, names: Names, wanted: int, indices: tuple[int, ...], field: str) -> int | None:
    node, budget = parse(text), Budget(_STEPS)
    present = _value(names, field)
    if not isinstance(present, int) or isinstance(present, bool):
        return None

    def at(value: int) -> int | None:
        try:
            result = Scope(names, budget, {field: value}).value(node, indices)
        except NoValue:
            return None
        return int(result) if isinstance(result, (int, float)) and result == result // 1 else None

    now = at(present)
    if now is None or now == wanted:
        return None
    candidates = [*_proportional(present, now, wanted), present + wanted - now]
    exact = next((value for value in candidates if 0 <= value <= _LARGEST and at(value) == wanted), None)
    return _bisected(at, wanted) if exact is None else exact


def _proportional(present: int, now: int, wanted: int) -> Iterator[int]:
    """The value if the result grows with the field, and if it falls with it."""
    if now and present * wanted % now == 0:
        yield present * wanted // now
    if wanted and present * now % wanted == 0:
        yield present * now // wanted


def _bisected(at: Callable[[int], int | None], wanted: int) -> int | None:
    """A value from 1 up, if the result only grows or only falls with it."""
    start = value = at(1)
    if start is None:
        return None
    low = high = 1
    while value is not None and value != wanted and (value > wanted) == (start > wanted):
        if high >= _LARGEST:
            return None
        low, high = high, 2 * high
        value = at(high)
    while value is not None and value != wanted and high - low > 1:
        middle = (low + high) // 2
        value = at(middle)
        if value == wanted:
            return middle
        if value is not None and (value > wanted) == (start > wanted):
            low = middle
        else:
            high = middle
    return high if value == wanted else None


def _find(whole: Sequence[Part], name: str) -> _Found | None:
    for part in _around(whole, name):
        inner = name[len(part.prefix) :]
        for tensor in _by_skeleton(part.model).get(_skeleton(inner), ()):
            match = _pattern(tensor.template).fullmatch(inner)
            if match is not None:
                return _placed(part, tensor, tuple(map(int, match.groups())))
    return None


def _placed(part: Part, tensor: Tensor, indices: tuple[int, ...]) -> _Found:
    for depth, head in enumerate(_heads(tensor.template)):
        if indices[depth] >= part.expansion.number(head, indices[:depth]):
            # Conditions may look into a list of that length.
            return _Found(part, tensor, indices, tensor.variants[0], exists=False)
    for variant in tensor.variants:
        if part.expansion.holds(variant.condition, tensor.template, indices):
            return _Found(part, tensor, indices, variant, exists=True)
    return _Found(part, tensor, indices, tensor.variants[0], exists=False)


def _around(whole: Sequence[Part], name: str) -> list[Part]:
    """The models within the model whose names begin as this one does, the innermost first."""
    found = [part for part in whole if name.startswith(part.prefix)]
    return sorted(found, key=lambda part: len(part.prefix), reverse=True)


def _heads(template: str) -> list[str]:
    """The stacks that a template is in, the outermost first."""
    heads: list[str] = []
    head, _ = split(template)
    while head is not None:
        heads.append(head)
        head, _ = split(head)
    return heads[::-1]


def _skeleton(name: str) -> str:
    return _NUMBER.sub("{}", name)


@lru_cache(maxsize=64)
def _by_skeleton(model: ModelClass) -> Mapping[str, list[Tensor]]:
    found: dict[str, list[Tensor]] = {}
    for template, tensor in model.tensors.items():
        found.setdefault(_skeleton(template), []).append(tensor)
    return found


@lru_cache(maxsize=1024)
def _pattern(template: str) -> re.Pattern[str]:
    return re.compile("([0-9]{1,9})".join(map(re.escape, template.split("{}"))))


def _paths(part: Part, texts: Iterable[str]) -> tuple[str, ...]:
    """What expressions read, as paths from the outermost config."""
    return tuple(sorted({below(part.path, field) for text in texts for field in fields(parse(text))}))


def _value(names: Names, field: str) -> object:
    """What the config has under a dotted name; ABSENT where it has nothing."""
    value: object = names
    try:
        for segment in field.split("."):
            value = member(value, segment)
    except NoValue:
        return ABSENT
    return value
