"""The templates of a model class under a config: every name that there is, with its shape.

An expression is evaluated once for all indices that it does not use. No list is built before its length is known: the
counts are a stranger's.
"""

from collections.abc import Iterator, Mapping, Sequence
from functools import lru_cache
from itertools import compress
from operator import itemgetter
from typing import NamedTuple

from hfcheck.loading.classes import ModelClass, Tensor, Variant
from hfcheck.loading.expression import ExpressionInvalid, Node, Scope, Value, indices, parse
from hfcheck.loading.functions import NoValue, truth
from hfcheck.loading.names import UNKNOWN
from hfcheck.loading.spec import Shape

MAX_NAMES = 1_000_000
"""Tensors of a model: the largest that are published have a tenth."""


class NotCertain(ValueError):
    """The atlas does not determine what the class expects under this config.

    `template` is the place in the model, `expression` what has no value there, `reason` a phrase of our own.
    """

    def __init__(self, template: str, expression: str, reason: str) -> None:
        super().__init__(f"{template or 'the model'}: `{expression}`: {reason}" if expression else reason)
        self.template = template
        self.expression = expression
        self.reason = reason


class NegativeSize(NotCertain):
    """A dimension is below zero: the constructor raises RuntimeError."""


class TooMany(ValueError):
    """The config asks for more tensors than any model has: `number` of them, or of modules, at `template`.

    `expression` is the count that is to blame, empty where it is the sum.
    """

    def __init__(self, template: str, expression: str, number: int) -> None:
        super().__init__(f"{template or 'the model'} would have {number} or more parts")
        self.template = template
        self.expression = expression
        self.number = number


class Rows(NamedTuple):
    """Instances of a stack of modules: their indices, and what their names begin with."""

    indices: Sequence[tuple[int, ...]]
    stems: Sequence[str]


class Formula(NamedTuple):
    """An expression with the indices that it uses."""

    node: Node
    indices: tuple[int, ...]


_NONE = Rows((), ())


@lru_cache(maxsize=8192)
def _formula(text: str) -> Formula:
    node = parse(text)
    return Formula(node, indices(node))


def split(template: str) -> tuple[str | None, str]:
    """A template as the stack that it is in, up to its last index, and the rest; None where it has no index."""
    head, found, tail = template.rpartition("{}")
    return (head, tail) if found else (None, template)


class Expansion:
    """One class under one config. What has been evaluated is kept: many templates share their conditions."""

    def __init__(self, model: ModelClass, scope: Scope, prefix: str = "", limit: int = MAX_NAMES) -> None:
        self.model = model
        self.prefix = prefix
        self.scope = scope
        self.limit = limit
        self._values: dict[tuple[str, tuple[int, ...]], Value] = {}
        self._stacks: dict[str | None, Rows] = {None: Rows([()], [prefix])}
        self._chosen: dict[tuple[str | None, str], Rows] = {}

    def value(self, text: str, template: str = "", at: Sequence[int] = ()) -> Value:
        """The value of an expression at these indices; raises NotCertain."""
        try:
            formula = _formula(text)
            used = tuple([at[index] for index in formula.indices])
            found = self._values.get((text, used), UNKNOWN)
            if found is UNKNOWN:
                found = self._values[text, used] = self.scope.value(formula.node, at)
        except ExpressionInvalid as error:
            raise self._uncertain(template, text, "the atlas has no expression there") from error
        except IndexError as error:
            raise self._uncertain(template, text, "there are fewer indices") from error
        except NoValue as error:
            raise self._uncertain(template, text, str(error)) from error
        return found

    def holds(self, condition: str | None, template: str = "", at: Sequence[int] = ()) -> bool:
        return condition is None or truth(self.value(condition, template, at))

    def number(self, head: str, at: Sequence[int]) -> int:
        """How many modules there are behind a prefix, at the indices that it has itself."""
        template, count = f"{head}{{}}", self.model.counts.get(head)
        if count is None:
            raise self._uncertain(template, "", f"the atlas does not count {template}")
        number = self.value(count, template, at)
        if not isinstance(number, int):
            raise self._uncertain(template, count, "the number of modules is no integer")
        return max(0, number)  # what range() makes of it

    def rows(self, template: str, condition: str | None = None) -> Rows:
        """The instances of what a template is in for which a condition holds."""
        head, _ = split(template)
        rows = self._stack(head)
        if condition is None or not rows.stems:
            return rows
        found = self._chosen.get((head, condition))
        if found is None:
            found = self._chosen[head, condition] = self._choose(rows, condition, template)
        return found

    def modules(self, template: str, condition: str | None = None) -> list[tuple[tuple[int, ...], str]]:
        """The paths of the modules of a template for which a condition holds, each with its indices."""
        _, tail = split(template)
        rows = self.rows(template, condition)
        # The path of the model itself is its prefix without the dot.
        return [(at, (stem + tail).removesuffix(".")) for at, stem in zip(rows.indices, rows.stems, strict=True)]

    def tensors(self) -> Iterator[tuple[Variant, Mapping[str, Shape]]]:
        """Every tensor of the class; raises NotCertain and TooMany."""
        number = 0
        for tensor in self.model.tensors.values():
            for variant, rows in self.instances(tensor):
                number += len(rows.stems)
                if number > self.limit:
                    raise TooMany(self.prefix + tensor.template, "", number)
                yield variant, self.shaped(tensor, variant, rows)

    def instances(self, tensor: Tensor) -> Iterator[tuple[Variant, Rows]]:
        """The instances of a tensor in each of its forms, as many as there are of any."""
        taken: set[str] = set()
        for variant in tensor.variants:
            rows = self.rows(tensor.template, variant.condition)
            if taken:
                free = [stem not in taken for stem in rows.stems]
                rows = Rows(list(compress(rows.indices, free)), list(compress(rows.stems, free)))
            if not rows.stems:
                continue
            yield variant, rows
            if len(tensor.variants) > 1:
                taken.update(rows.stems)

    def shape(self, variant: Variant, template: str, at: Sequence[int]) -> Shape:
        """The shape of a tensor at these indices."""
        return tuple([self._size(text, template, at) for text in variant.shape])

    def _stack(self, head: str | None) -> Rows:
        """All instances of a stack."""
        found = self._stacks.get(head)
        if found is None:
            found = self._stacks[head] = self._instances(head or "")
        return found

    def _instances(self, head: str) -> Rows:
        """Those of the stack around it, each with its number of indices."""
        outer = self.rows(head)
        _, between = split(head)
        numbers = [self.number(head, at) for at in outer.indices]
        if sum(numbers) > self.limit:
            raise TooMany(f"{self.prefix}{head}{{}}", self.model.counts[head], sum(numbers))
        rows = list(zip(outer.indices, outer.stems, numbers, strict=True))
        return Rows(
            [(*at, index) for at, _, number in rows for index in range(number)],
            [f"{stem}{between}{index}" for _, stem, number in rows for index in range(number)],
        )

    def _choose(self, rows: Rows, condition: str, template: str) -> Rows:
        try:
            used = _formula(condition).indices
            if not used:
                return rows if self.holds(condition, template) else _NONE
            keys = list(map(itemgetter(*used), rows.indices))
        except ExpressionInvalid as error:
            raise self._uncertain(template, condition, "the atlas has no expression there") from error
        except IndexError as error:
            raise self._uncertain(template, condition, "there are fewer indices") from error
        verdicts = {
            key: self.holds(condition, template, at) for key, at in dict(zip(keys, rows.indices, strict=True)).items()
        }
        kept = [verdicts[key] for key in keys]
        return Rows(list(compress(rows.indices, kept)), list(compress(rows.stems, kept)))

    def shaped(self, tensor: Tensor, variant: Variant, rows: Rows) -> Mapping[str, Shape]:
        """The shapes of these instances of a tensor, by name."""
        _, tail = split(tensor.template)
        names = [stem + tail for stem in rows.stems]
        first = self.shape(variant, tensor.template, rows.indices[0])
        used = sorted({index for text in variant.shape for index in _formula(text).indices})
        if not used:
            return dict.fromkeys(names, first)
        keys = list(map(itemgetter(*used), rows.indices))
        shapes = {
            key: self.shape(variant, tensor.template, at)
            for key, at in dict(zip(keys, rows.indices, strict=True)).items()
        }
        return {name: shapes[key] for name, key in zip(names, keys, strict=True)}

    def _size(self, text: str, template: str, at: Sequence[int]) -> int:
        size = self.value(text, template, at)
        if not isinstance(size, int) or isinstance(size, bool):
            raise self._uncertain(template, text, "the size is no integer")
        if size < 0:
            raise NegativeSize(self.prefix + template, text, "the size is negative")
        return size

    def _uncertain(self, template: str, expression: str, reason: str) -> NotCertain:
        return NotCertain(self.prefix + template, expression, reason)
