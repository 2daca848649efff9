"""A part of a split GGUF file is missing.

## What it finds
Files `name-00001-of-00003.gguf` of which not all three are in the folder. One finding for each set, at its first
file. Each quantisation is a set of its own, whether it has its own folder or not.

## Why it matters
llama.cpp opens the first part, learns from it how many there are, and stops at the first that it does not find:
`llama_model_loader: failed to load GGUF split from ...-00002-of-00013.gguf`,
https://github.com/ggml-org/llama.cpp/issues/15164 . Whoever fetches the parts one by one loads elsewhere what does
not load here.

## How to put it right
Upload or fetch the missing parts, or remove the others.
"""

from collections.abc import Iterator
from posixpath import dirname

from hfcheck.example import Pointer
from hfcheck.facts import Facts
from hfcheck.finding import At, Finding, Severity, quote
from hfcheck.layout import ShardName, shard_name
from hfcheck.repository import Form
from hfcheck.rule import Example, Rule

GGUF = b"GGUF"


class GgufSplitIncomplete(Rule):
    id = "IDX015"
    name = "gguf-split-incomplete"
    severity = Severity.WARNING
    since = "0.1"
    hint = "Upload the missing parts, or remove the others."
    bad = (
        Example(
            "the second of three parts",
            {"llama-Q4_K_M-00001-of-00003.gguf": Pointer(4096), "llama-Q4_K_M-00003-of-00003.gguf": Pointer(4096)},
            at=(At("llama-Q4_K_M-00001-of-00003.gguf"),),
        ),
        Example(
            "one quantisation of two, each in its folder",
            {
                "Q4/llama-00001-of-00002.gguf": Pointer(4096),
                "Q4/llama-00002-of-00002.gguf": Pointer(4096),
                "Q8/llama-00002-of-00002.gguf": Pointer(4096),
            },
            at=(At("Q8/llama-00002-of-00002.gguf"),),
        ),
    )
    good = (
        Example(
            "two whole sets beside each other",
            {
                "llama-Q4_K_M-00001-of-00001.gguf": Pointer(4096),
                "llama-Q8_0-00001-of-00002.gguf": Pointer(4096),
                "llama-Q8_0-00002-of-00002.gguf": Pointer(4096),
            },
            near_miss=True,
        ),
        Example(
            "numbers that count no parts",
            {"llama-3-of-a-kind.gguf": Pointer(4096), "llama-7b-00002.gguf": Pointer(4096)},
            near_miss=True,
        ),
        Example(
            "numbers from zero",
            {"llama-00000-of-00002.gguf": Pointer(4096), "llama-00001-of-00002.gguf": Pointer(4096)},
            near_miss=True,
        ),
    )

    def check(self, facts: Facts) -> Iterator[Finding]:
        sets: dict[tuple[str, str, int], list[tuple[str, ShardName]]] = {}
        for entry in facts.files:
            part = shard_name(entry.path)
            if part is not None and part.suffix.lower() == ".gguf" and entry.form is Form.FILE:
                sets.setdefault((dirname(entry.path), part.stem, part.total), []).append((entry.path, part))
        for (_, stem, total), parts in sets.items():
            numbers = {part.number for _, part in parts}
            lost = total - len(numbers)
            if lost > 0:
                first = next(number for number in range(min(numbers | {1}), total + 1) if number not in numbers)
                missing = quote(f"{stem}-{first:05}-of-{total:05}.gguf")
                verb = "is missing" if lost == 1 else f"and {lost - 1} more of this set are missing"
                yield self.finding(At(parts[0][0]), f"the part {missing} {verb}")
