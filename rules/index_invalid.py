"""The weight index is JSON, and not the object that a loader can follow.

## What it finds
In the index that the loader opens: no `weight_map` or an empty one, no `metadata`, either of another type than an
object, and entries that name no file. `"metadata": {}` is enough.

## Why it matters
transformers 5.23.0 checks nothing here and stops with whatever Python makes of it: `KeyError: 'weight_map'`,
`KeyError: 'metadata'`, `TypeError: 'NoneType' object does not support item assignment` for `"metadata": null`,
`IndexError: list index out of range` for an empty map, `TypeError: '<' not supported between instances of 'NoneType'
and 'str'` for an entry that is null, `IsADirectoryError` for an empty one. None of them names the file. Indexes with
less in `metadata` than one expects are legal: https://github.com/exo-explore/exo/pull/1956 .

## How to put it right
Write the index as `save_pretrained` does: `{"metadata": {"total_size": 123}, "weight_map": {"tensor": "file"}}`.
"""

from collections.abc import Iterator
from typing import Any

from hfcheck import layout
from hfcheck.facts import Facts
from hfcheck.finding import At, Finding, Severity, pointer, quote
from hfcheck.formats.json_ import type_of
from hfcheck.rule import Example, Rule
from hfcheck.weights import Index, names_a_file

INDEX = "model.safetensors.index.json"
ONE = "model-00001-of-00001.safetensors"
F16 = ("F16", [2, 3])
SHARD = {ONE: {"a": F16}}


class IndexInvalid(Rule):
    id = "IDX010"
    name = "index-invalid"
    severity = Severity.ERROR
    since = "0.1"
    hint = (
        "Write the index as `save_pretrained` does, with an object `metadata` and a `weight_map` from tensors to files."
    )
    bad = (
        Example("an array", {INDEX: [], **SHARD}, at=(At(INDEX),)),
        Example("no weight_map", {INDEX: {"metadata": {}}, **SHARD}, at=(At(INDEX),)),
        Example(
            "a weight_map that is null", {INDEX: {"metadata": {}, "weight_map": None}}, at=(At(INDEX, "/weight_map"),)
        ),
        Example("an empty map", {INDEX: {"metadata": {}, "weight_map": {}}, **SHARD}, at=(At(INDEX, "/weight_map"),)),
        Example(
            "entries that name no file: one finding",
            {INDEX: {"metadata": {}, "weight_map": {"a": ONE, "b": None, "c": 1, "d": ""}}, **SHARD},
            at=(At(INDEX, "/weight_map/b"),),
        ),
        Example("no metadata", {INDEX: {"weight_map": {"a": ONE}}, **SHARD}, at=(At(INDEX),)),
        Example(
            "metadata that is null",
            {INDEX: {"metadata": None, "weight_map": {"a": ONE}}, **SHARD},
            at=(At(INDEX, "/metadata"),),
        ),
    )
    good = (
        Example(
            "metadata without total_size",
            {INDEX: {"metadata": {"mergekit_version": "0.0.4"}, "weight_map": {"a": ONE}}, **SHARD},
            near_miss=True,
        ),
        Example("empty metadata", {INDEX: {"metadata": {}, "weight_map": {"a": ONE}}, **SHARD}, near_miss=True),
        Example(
            "an index that no loader opens",
            {INDEX: {"weight_map": {}}, "model.safetensors": {"a": F16}},
            near_miss=True,
        ),
        Example("a key of one's own", {INDEX: {"metadata": {}, "weight_map": {"a": ONE}, "note": 1}, **SHARD}),
    )

    def check(self, facts: Facts) -> Iterator[Finding]:
        if facts.opened is None or layout.index_name(facts.opened) is None:
            return
        document = facts.json(facts.opened)
        if document is None:  # no JSON, a pointer or over a limit: other rules speak of that
            return
        if type(document.value) is not dict:
            yield self.finding(At(facts.opened), f"the index is {type_of(document.value)} and no object")
            return
        faults = (*_weight_map(document.value), *_entries(facts.index), *_metadata(document.value))
        for place, message in faults:
            yield self.finding(At(facts.opened, place), message)


def _weight_map(index: dict[str, Any]) -> Iterator[tuple[str | None, str]]:
    if "weight_map" not in index:
        yield None, "the index has no `weight_map`"
    elif type(index["weight_map"]) is not dict:
        yield "/weight_map", f"the `weight_map` is {type_of(index['weight_map'])} and no object"
    elif not index["weight_map"]:
        yield "/weight_map", "the `weight_map` is empty, and there is no shard to open"


def _entries(index: Index | None) -> Iterator[tuple[str, str]]:
    if index is None:
        return
    empty = [tensors[0] for entry, tensors in index.by_entry.items() if not names_a_file(entry)]
    wrong = (*index.facts.not_strings, *empty)
    if wrong:
        found = "no string" if wrong[0] in index.facts.not_strings else quote(index.facts.weight_map[wrong[0]])
        first = "" if len(wrong) == 1 else f", the first of {len(wrong)},"
        yield pointer("weight_map", wrong[0]), f"this entry{first} names no file, it is {found}"


def _metadata(index: dict[str, Any]) -> Iterator[tuple[str | None, str]]:
    if "metadata" not in index:
        yield None, "the index has no `metadata`, which may be empty and must be there"
    elif type(index["metadata"]) is not dict:
        yield "/metadata", f"the `metadata` is {type_of(index['metadata'])} and no object"
