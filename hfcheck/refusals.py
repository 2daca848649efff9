"""The files that a reader refused, told apart so that each fault has one rule."""

from collections.abc import Iterator
from typing import TypeVar

from hfcheck.facts import Facts
from hfcheck.formats.invalid import Invalid
from hfcheck.formats.json_ import JsonInvalid
from hfcheck.formats.safetensors import Fault, SafetensorsInvalid
from hfcheck.formats.sniff import Content
from hfcheck.promises import broken_promise
from hfcheck.shelf import Reading

E = TypeVar("E", bound=Invalid)

_MAY_BE_SAFETENSORS = frozenset({Content.SAFETENSORS, Content.UNKNOWN, Content.ONNX})
"""ONNX has no magic number: the length of a header can look like the first field of a model."""


def refused(facts: Facts, error: type[E]) -> Iterator[tuple[Reading, E]]:
    """The files of a unit that their reader refused with this error; HFC001 has those that hit a limit of hfcheck."""
    for reading in facts.readings():
        if isinstance(reading.invalid, error) and not reading.exceeded:
            yield reading, reading.invalid


def refused_safetensors(facts: Facts, *faults: Fault) -> Iterator[tuple[Reading, SafetensorsInvalid]]:
    """The files named `.safetensors` that have one of these faults.

    One of another known type is FOREIGN, whatever its first eight bytes would mean as the length of a header.
    """
    for reading, error in refused(facts, SafetensorsInvalid):
        if reading.path.lower().endswith(".safetensors"):
            fault = error.fault if reading.content in _MAY_BE_SAFETENSORS else Fault.FOREIGN
            if fault in faults:
                yield reading, error


def refused_json(facts: Facts) -> Iterator[tuple[Reading, JsonInvalid]]:
    """The files named `.json` that hold some text and no JSON; FMT014 has those that hold another kind of file."""
    for reading, error in refused(facts, JsonInvalid):
        if broken_promise(reading.path, reading.content) is None:
            yield reading, error
