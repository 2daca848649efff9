"""The `__metadata__` of a safetensors file does not map strings to strings.

## What it finds
Numbers, lists, objects or null as values of `__metadata__`, a `__metadata__` that is no object, and one that comes
twice.

## Why it matters
The format has strings there and nothing else. safetensors 0.8.0 refuses the whole file for one number: `invalid JSON in
header: invalid type: integer 0, expected a string`. Writers of their own, in other languages, make such files:
https://github.com/safetensors/safetensors/issues/278 .

## How to put it right
Write the values as strings, a document as its JSON text: `{"step": "0", "config": "{...}"}`.
"""

from collections.abc import Iterator

from hfcheck.example import Header
from hfcheck.facts import Facts
from hfcheck.finding import At, Finding, Severity, pointer
from hfcheck.formats.safetensors import Fault
from hfcheck.refusals import refused_safetensors
from hfcheck.rule import Example, Rule

F16 = ("F16", [2, 3])


class SafetensorsMetadataInvalid(Rule):
    id = "FMT008"
    name = "safetensors-metadata-invalid"
    severity = Severity.ERROR
    since = "0.1"
    hint = "Write the metadata as strings, a document as its JSON text."
    bad = (
        Example(
            "a number",
            {"model.safetensors": Header('{"__metadata__": {"step": 0}}')},
            at=(At("model.safetensors", pointer("__metadata__")),),
        ),
        Example(
            "a list instead of an object",
            {"model.safetensors": Header('{"__metadata__": []}')},
            at=(At("model.safetensors", pointer("__metadata__")),),
        ),
        Example(
            "twice",
            {"model.safetensors": Header('{"__metadata__": {"format": "pt"}, "__metadata__": {}}')},
            at=(At("model.safetensors", pointer("__metadata__")),),
        ),
    )
    good = (
        Example("strings", {"model.safetensors": {"__metadata__": {"format": "pt", "step": "0"}, "a": F16}}),
        Example("none at all", {"model.safetensors": {"__metadata__": None, "a": F16}}, near_miss=True),
        Example("an empty one", {"model.safetensors": {"__metadata__": {}, "a": F16}}, near_miss=True),
        Example(
            "JSON as the text of a value",
            {"model.safetensors": {"__metadata__": {"config": '{"rank": 8}'}, "a": F16}},
            near_miss=True,
        ),
    )

    def check(self, facts: Facts) -> Iterator[Finding]:
        for reading, error in refused_safetensors(facts, Fault.METADATA):
            at = At(reading.path, pointer("__metadata__"), offset=error.offset)
            yield self.finding(at, f"the metadata is refused: expected {error.expected}")
