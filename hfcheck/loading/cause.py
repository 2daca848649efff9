"""Why a load does not come to what the author meant: one cause, however many tensors it touches."""

from collections.abc import Iterable
from dataclasses import dataclass
from enum import Enum

from hfcheck.loading.spec import Outcome


class Kind(Enum):
    """What kind of mistake a cause is; the value says it in words. A rule takes one of them, or a few that are akin."""

    LEFTOVER = "a tensor that is legal and not needed"
    ELSEWHERE = "tensors of which the index or another file speaks"
    UNNAMED = "a class that the config does not name, beside one that fits"
    EMPTY = "no tensor at all"
    NOTHING = "no tensor of the model in the files"
    WRAPPER = "the name of a wrapper before the names"
    REPEATED = "the name of a tower twice in a row"
    PREFIX = "another module before the names"
    OTHER_CLASS = "the tensors of another class of the same type"
    OTHER_TYPE = "the tensors of another type"
    HEAD = "the base of the model without its head"
    POOLER = "the base of the model without its pooler"
    UNTIED = "no head, and a config that does not tie one"
    QUANTISED = "quantised tensors that are loaded as weights"
    LAYERS = "another number of layers"
    LAYERS_UNUSED = "more layers than the config has"
    GAP = "a gap in the layers"
    EXPERTS = "another number of experts"
    EXPERT_PART = "a part of an expert that is missing"
    CONVERSION = "tensors that cannot be converted"
    LABELS = "another number of labels"
    VOCABULARY = "another number of rows in the vocabulary"
    FIELD = "a number in the config that does not fit"
    SWITCH = "a switch in the config that does not fit"
    PLACEHOLDER = "tensors that were not gathered before saving"
    TRANSPOSED = "a transposed matrix"
    DIMENSIONS = "the same numbers in other dimensions"
    SHAPE = "a tensor of another shape"
    RENAMED = "a name that was changed"
    MISSING = "parameters that no tensor gives"
    UNUSED_HEAD = "a head that the class does not have"
    UNUSED = "tensors that the class does not have"
    SHADOWED = "two names for one parameter"
    STORED_TWICE = "tied tensors that are both stored"
    INTEGERS = "integers where floating point is expected"
    DOUBLE = "tensors in double precision"
    WIDER = "tensors in twice the precision of the config"


@dataclass(frozen=True, slots=True)
class Cause:
    """One cause, and every name that it accounts for, as the outcome of the load has them.

    `message` and `hint` are sentences with their quotes set. The place is a field of the config (`pointer`) or a
    tensor: `stored` is in the files, `absent` is a parameter that they should give. Without any of them it is the
    config as a whole.
    """

    kind: Kind
    message: str
    hint: str | None = None
    pointer: str | None = None
    stored: str | None = None
    absent: str | None = None
    missing: tuple[str, ...] = ()
    unexpected: tuple[str, ...] = ()
    mismatched: tuple[str, ...] = ()
    failed: tuple[str, ...] = ()
    shadowed: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Remaining:
    """The names of an outcome that no cause accounts for yet, in its order; sets would cost the order."""

    missing: dict[str, None]
    unexpected: dict[str, None]
    mismatched: dict[str, None]
    failed: dict[str, None]
    shadowed: dict[str, None]

    @classmethod
    def of(cls, outcome: Outcome) -> "Remaining":
        return cls(
            dict.fromkeys(outcome.missing),
            dict.fromkeys(outcome.unexpected),
            dict.fromkeys(mismatch.name for mismatch in outcome.mismatched),
            dict.fromkeys(failure.target for failure in outcome.failed),
            dict.fromkeys(outcome.shadowed),
        )

    def without(self, causes: Iterable[Cause]) -> "Remaining":
        """What is left when these causes have taken their names."""
        causes = tuple(causes)
        return Remaining(
            _less(self.missing, (cause.missing for cause in causes)),
            _less(self.unexpected, (cause.unexpected for cause in causes)),
            _less(self.mismatched, (cause.mismatched for cause in causes)),
            _less(self.failed, (cause.failed for cause in causes)),
            _less(self.shadowed, (cause.shadowed for cause in causes)),
        )

    def __bool__(self) -> bool:
        return bool(self.missing or self.unexpected or self.mismatched or self.failed or self.shadowed)


def _less(names: dict[str, None], taken: Iterable[tuple[str, ...]]) -> dict[str, None]:
    gone = {name for group in taken for name in group}
    return {name: None for name in names if name not in gone} if gone else names
