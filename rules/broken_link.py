"""A link leads nowhere, or back to itself.

## What it finds
Symbolic links inside the repository whose target does not exist, or that go round in a circle. It is an error where a
loader opens the name and has no other file to take instead: the config, the tokenizer, the weights and their shards.

## Why it matters
To a loader the file is not there, though `ls` shows it. transformers 5.23.0 says `Error no file named
model.safetensors, or pytorch_model.bin` or `Couldn't instantiate the backend tokenizer`. Without
`tokenizer_config.json` it goes on, with another template and other special tokens, and says nothing. In the download
cache a broken link is what an interrupted download leaves.

## How to put it right
Put the file itself in the place of the link, or fetch the model again with `hf download`.
"""

from collections.abc import Iterator
from posixpath import basename

from hfcheck.example import Link
from hfcheck.facts import Facts
from hfcheck.finding import At, Finding, Severity, quote
from hfcheck.layout import ADAPTER_WEIGHTS, DIFFUSERS_WEIGHTS, SINGLE_WEIGHTS
from hfcheck.repository import Entry, Form
from hfcheck.rule import Example, Rule

CONFIG = {"model_type": "llama", "architectures": ["LlamaForCausalLM"]}
F16 = ("F16", [2, 3])

NEEDED = frozenset({
    "config.json", "adapter_config.json", "model_index.json", "modules.json", "tokenizer.json", "tokenizer_config.json",
    "tokenizer.model", "spiece.model", "sentencepiece.bpe.model", "vocab.json", "vocab.txt", "merges.txt",
    "preprocessor_config.json", "processor_config.json",
})  # fmt: skip
"""Names without which a loader stops, or goes on with another model or tokenizer than was meant."""

WEIGHTS = tuple(
    tuple(name for single in group for name in (single, f"{single}.index.json"))
    for group in (SINGLE_WEIGHTS, DIFFUSERS_WEIGHTS, ADAPTER_WEIGHTS)
)
"""The names of weights by library: it takes the first of its own that is there."""


class BrokenLink(Rule):
    id = "REP006"
    name = "broken-link"
    severity = Severity.WARNING
    since = "0.1"
    hint = "Put the file itself in the place of the link, or fetch the model again."
    bad = (
        Example("the weights", {"config.json": CONFIG, "model.safetensors": Link("x")}, at=(At("model.safetensors"),)),
        Example("a picture of the card", {"a.png": Link("images/a.png")}, at=(At("a.png"),)),
        Example("a circle", {"a": Link("b"), "b": Link("a")}, at=(At("a"), At("b"))),
        Example(
            "a shard that the index names",
            {
                "model.safetensors.index.json": {"metadata": {}, "weight_map": {"a": "a.safetensors"}},
                "a.safetensors": Link("gone"),
            },
            at=(At("a.safetensors"),),
        ),
    )
    good = (
        Example("a link to a file", {"vocab.txt": Link("a.txt"), "a.txt": "x"}, near_miss=True),
        Example("a link to a link to a file", {"a": Link("b"), "b": Link("c"), "c": "x"}, near_miss=True),
        Example("a link to an empty file", {"a.txt": Link("b.txt"), "b.txt": ""}, near_miss=True),
    )

    def check(self, facts: Facts) -> Iterator[Finding]:
        shards = facts.index.tensors_by_shard() if facts.index is not None else {}
        for entry in facts.files:
            if entry.form not in (Form.LINK_BROKEN, Form.LINK_LOOP):
                continue
            needed = entry.path in shards or _is_needed(facts, entry)
            where = "nowhere" if entry.form is Form.LINK_BROKEN else "back to itself"
            lost = ", and a loader opens this name" if needed else ""
            yield self.finding(
                At(entry.path),
                f"this link to {quote(entry.target or '')} leads {where}{lost}",
                severity=Severity.ERROR if needed else Severity.WARNING,
            )


def _is_needed(facts: Facts, entry: Entry) -> bool:
    name = basename(entry.path)
    if name in NEEDED:
        return True
    if entry.path != facts.inside(name):
        return False
    return any(name in group and not any(facts.has_file(facts.inside(other)) for other in group) for group in WEIGHTS)
