"""An entry of a weight index leads out of the repository.

## What it finds
Values of any `weight_map`, opened or not, that are absolute, climb with `..`, name a drive, an address or a home
folder, or hold a backslash or a NUL character: under the rules of POSIX and of Windows. One finding for each such
value, at the first tensor mapped to it. A plain subfolder is legal.

## Why it matters
For a local folder transformers 5.23.0 joins the value to the folder and opens what comes out, without a check: a
checkpoint whose second shard was moved away and mapped as `../outside/model-00002-of-00002.safetensors`, or by its
absolute path, loads with nothing missing and no warning. So a repository chooses which file of the machine is read,
and what can be read from its weights can be sent on: https://github.com/huggingface/transformers/issues/47176 .
diffusers 0.42.1 refuses any value that is not a plain file name.

## How to put it right
Do not load it. If the repository is your own, put the shard beside the index and map its plain name.
"""

from collections.abc import Iterator

from hfcheck.facts import Facts
from hfcheck.finding import At, Finding, Severity, pointer, quote
from hfcheck.paths import escape
from hfcheck.rule import Example, Rule

INDEX = "model.safetensors.index.json"
ONE, TWO = "model-00001-of-00002.safetensors", "model-00002-of-00002.safetensors"
F16 = ("F16", [2, 3])


class ShardPathEscapes(Rule):
    id = "SEC001"
    name = "shard-path-escapes"
    severity = Severity.ERROR
    since = "0.1"
    confidence = "high"
    hint = "Do not load this repository; if it is your own, put the shard beside the index and map its plain name."
    bad = (
        Example(
            "the second shard is read from beside the repository: two tensors, one finding",
            {
                INDEX: {"metadata": {}, "weight_map": {"a": ONE, "b": f"../other/{TWO}", "c": f"../other/{TWO}"}},
                ONE: {"a": F16},
            },
            at=(At(INDEX, "/weight_map/b"),),
        ),
        Example(
            "absolute paths, in an index that no loader opens",
            {
                "model.safetensors": {"a": F16},
                INDEX: {"metadata": {}, "weight_map": {"a": "/etc/a.safetensors", "b": "C:\\a.safetensors"}},
            },
            at=(At(INDEX, "/weight_map/a"), At(INDEX, "/weight_map/b")),
        ),
        Example(
            "a backslash, an address, a home folder and a NUL character",
            {
                INDEX: {
                    "metadata": {},
                    "weight_map": {
                        "a": "part\\a.safetensors",
                        "b": "https://example.com/b.safetensors",
                        "c": "~/c.safetensors",
                        "d": "d\x00.safetensors",
                    },
                }
            },
            at=tuple(At(INDEX, f"/weight_map/{tensor}") for tensor in "abcd"),
        ),
        Example(
            "a detour that stays inside on paper: with a link on the way it does not",
            {INDEX: {"metadata": {}, "weight_map": {"a": f"part/../{ONE}"}}, ONE: {"a": F16}},
            at=(At(INDEX, "/weight_map/a"),),
        ),
    )
    good = (
        Example("plain names", {INDEX: {"metadata": {}, "weight_map": {"a": ONE}}, ONE: {"a": F16}}),
        Example(
            "a subfolder",
            {INDEX: {"metadata": {}, "weight_map": {"a": f"part/{ONE}"}}, f"part/{ONE}": {"a": F16}},
            near_miss=True,
        ),
        Example(
            "dots that do not climb",
            {
                INDEX: {"metadata": {}, "weight_map": {"a": "./a..b.safetensors", "b": "...safetensors"}},
                "a..b.safetensors": {"a": F16},
                "...safetensors": {"b": F16},
            },
            near_miss=True,
        ),
    )

    def check(self, facts: Facts) -> Iterator[Finding]:
        for index in facts.indexes:
            for entry, tensors in index.by_entry.items():
                reason = escape(entry)
                if reason is not None:
                    at = At(index.path, pointer("weight_map", tensors[0]))
                    yield self.finding(at, f"the shard {quote(entry)} may lie outside the repository: it {reason}")
