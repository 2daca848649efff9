"""A config in the making: what a config class of transformers holds while its constructor runs.

Attributes are set and read the way the strict dataclass does it: a declared field is checked whenever it is set, by its
own name; an alias (`attribute_map`) leads to another attribute, which is then not checked.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from enum import Enum
from typing import Any

from hfcheck.finding import pointer
from hfcheck.loading.expression import ExpressionInvalid, evaluate, parse
from hfcheck.loading.fields import fault, shown
from hfcheck.loading.names import ABSENT, UNKNOWN

FIELD = "StrictDataclassFieldValidationError"
CLASS = "StrictDataclassClassValidationError"

SYNONYMS: Mapping[str, str] = {
    "torch_dtype": "dtype",
    "rope_scaling": "rope_parameters",
    "use_return_dict": "return_dict",
}
"""Properties of the base class that stand for another attribute."""


class About(Enum):
    """What the fault of a refused config lies in; each is the business of one rule."""

    FIELD = "a field"
    TYPE = "a model type"
    DTYPE = "the type of the tensors"
    ROPE = "the rotary parameters"
    LAYERS = "the list of layer types"
    CLASS = "what fields must be to each other"


class ConfigRaises(ValueError):
    """transformers refuses the config.

    `error` is the name of the exception that it raises, `pointer` the JSON pointer of the field, empty where the fault
    is in no single one, `message` a sentence for a finding, `about` the kind of fault. `also` are other fields of the
    same config that are refused: transformers stops at one of them.
    """

    def __init__(self, error: str, pointer: str, message: str, about: About) -> None:
        super().__init__(message)
        self.error = error
        self.pointer = pointer
        self.message = message
        self.about = about
        self.also: tuple[ConfigRaises, ...] = ()


class Unresolvable(ValueError):
    """Our data does not tell what transformers makes of the config; the text is the reason."""


@dataclass(frozen=True, slots=True)
class Resolved:
    """A config as transformers holds it once it is read: a value for each attribute, a `Resolved` for a sub-config.

    `model_type` is that of the class, the key of its entry in the atlas; `class_name` tells apart the classes that no
    type leads to. `given` are the names that stand in the file, `pointer` is where in the file.
    """

    model_type: str
    class_name: str
    values: Mapping[str, Any]
    aliases: Mapping[str, str]
    given: frozenset[str]
    pointer: str = ""

    def get(self, name: str, /) -> Any:  # noqa: ANN401 - a value of a JSON document, or a `Resolved`
        """The value of an attribute, through the aliases; ABSENT where there is none, UNKNOWN where we cannot tell."""
        return _read(self.values, self.aliases.get(name, name))

    def names(self) -> Iterator[str]:
        """Every attribute that there is, aliases not among them."""
        return iter(self.values)


@dataclass(slots=True)
class Draft:
    """The attributes that are set so far, and `pending`, the keys of the file that no field takes.

    `unclaimed` are the same keys as they were at first: the class may look at one after it took it away.
    """

    entry: Mapping[str, Any]
    model_type: str
    pointer: str
    given: frozenset[str]
    values: dict[str, Any] = field(default_factory=dict)
    pending: dict[str, Any] = field(default_factory=dict)
    unclaimed: dict[str, Any] = field(default_factory=dict)

    def get(self, name: str, /) -> Any:  # noqa: ANN401 - a value of a JSON document, or a `Resolved`
        """What an expression sees: attributes first, then the keys that are not yet attributes."""
        if name == "kwargs":
            return self.unclaimed
        value = self.attribute(name)
        if value is None and name == "num_labels" and name not in self.values:
            value = ABSENT  # the property has no value before the labels are made from the key of the same name
        return self.pending[name] if value is ABSENT and name in self.pending else value

    def attribute(self, name: str) -> Any:  # noqa: ANN401 - as above
        """`getattr(config, name, ABSENT)`."""
        name = self.aliases.get(name, name)
        effect = self.entry.get("settable", {}).get(name, {})
        return self.compute(effect["get"]) if "get" in effect else _read(self.values, name)

    @property
    def aliases(self) -> Mapping[str, str]:
        """Names that stand for another attribute: those of the class, and properties that no field of it hides."""
        synonyms = {name: other for name, other in SYNONYMS.items() if name not in self.entry["fields"]}
        own: dict[str, str] = self.entry["aliases"]
        return synonyms | own

    def has(self, name: str) -> bool:
        """`hasattr(config, name)`."""
        return self.attribute(name) is not ABSENT

    def set(self, name: str, value: object) -> None:
        """`config.name = value`; raises ConfigRaises."""
        refused = self.refused(name, value)
        if refused is not None:
            raise refused
        self.values[self.entry["aliases"].get(name, name)] = value

    def compute(self, text: str) -> Any:  # noqa: ANN401 - as above
        """The value of an expression of the entry, UNKNOWN where it cannot be told."""
        try:
            return evaluate(parse(text), self)
        except ExpressionInvalid as error:
            raise Unresolvable(f"the data for {self.label} has an expression that we cannot read: {error}") from error

    def refused(self, name: str, value: object) -> ConfigRaises | None:
        """The error for a declared field that does not take the value; None where it does."""
        declared = self.entry["fields"].get(name)
        if declared is None or isinstance(value, Resolved) or value is UNKNOWN:
            return None
        expected = fault(declared, value)
        if expected is None:
            return None
        message = f"{self.label} expects {expected} for {name}, and here is {shown(value)}"
        return ConfigRaises(FIELD, self.at(name), message, About.FIELD)

    def raises(self, error: str, message: str, name: str = "", about: About = About.CLASS) -> ConfigRaises:
        """An error at a field of this config, or at the config itself."""
        return ConfigRaises(error, self.at(name) if name else self.pointer, message, about)

    def at(self, name: str) -> str:
        return self.pointer + pointer(name)

    @property
    def rope_key(self) -> str:
        """The key of the file that the rotary parameters come from."""
        return next((key for key in ("rope_parameters", "rope_scaling") if key in self.given), "")

    @property
    def label(self) -> str:
        """The name of the class: what a user looks up in the documentation of transformers."""
        return str(self.entry["class"])


def _read(values: Mapping[str, Any], name: str) -> Any:  # noqa: ANN401 - a value of a JSON document, or a `Resolved`
    if name != "num_labels" or name in values:
        return values.get(name, ABSENT)
    labels = values.get("id2label")
    return labels if labels is UNKNOWN or labels is None else len(labels)
