"""A loader that is told to trust the repository runs Python code.

## What it finds
`auto_map` in any JSON file, at any depth, and `custom_pipelines`. One note for each file, at the first of them, that
lists what is selected for what. It says nothing about what the code does.

## Why it matters
With `trust_remote_code=True` transformers 5.23.0 copies the module, and those it imports, out of the repository and
imports it, with the rights of whoever loads the model. Some libraries set the flag by themselves
(https://github.com/mzau/mlx-knife/issues/71), and vLLM has followed an `auto_map` below the top level without being
asked (CVE-2025-66448, CVE-2026-22807). Without the flag such a model often does not load at all: `Tokenizer class
XgenTokenizer does not exist` (https://github.com/salesforce/xgen/issues/15).

## How to put it right
Read the code before you trust it, and pin the commit you read: `revision=` with 40 digits. Where transformers has the
architecture by now, remove `auto_map` and the Python files.
"""

from collections.abc import Iterator

from hfcheck.facts import Facts
from hfcheck.finding import At, Finding, Severity, quote
from hfcheck.remote_code import Site
from hfcheck.rule import Example, Rule

LISTED = 4


class RemoteCode(Rule):
    id = "RMC001"
    name = "remote-code"
    severity = Severity.NOTE
    since = "0.1"
    confidence = "high"
    hint = "Read this code before you load the model with trust_remote_code=True, and pin the revision you read."
    bad = (
        Example(
            "a model with its own classes",
            {"config.json": {"auto_map": {"AutoConfig": "c.C", "AutoModel": "m.M"}}, "c.py": "", "m.py": ""},
            at=(At("config.json", "/auto_map"),),
        ),
        Example(
            "the legacy list of a tokenizer, and another file",
            {
                "tokenizer_config.json": {"auto_map": ["t.Slow", None]},
                "preprocessor_config.json": {"auto_map": {"AutoImageProcessor": "p.P"}},
            },
            at=(At("preprocessor_config.json", "/auto_map"), At("tokenizer_config.json", "/auto_map")),
        ),
        Example(
            "below the top level, where other engines look",
            {"config.json": {"vision_config": {"auto_map": {"AutoModel": "o/r--m.M"}}}},
            at=(At("config.json", "/vision_config/auto_map"),),
        ),
        Example(
            "a pipeline",
            {"config.json": {"custom_pipelines": {"pair": {"impl": "p.Pair", "pt": ["AutoModel"]}}}},
            at=(At("config.json", "/custom_pipelines"),),
        ),
        Example(
            "a key in disguise",
            {"config.json": '{"auto\\u005fmap": {"AutoModel": "m.M"}}'},
            at=(At("config.json", "/auto_map"),),
        ),
    )
    good = (
        Example("no code", {"config.json": {"model_type": "llama"}}),
        Example("an empty map, nulls", {"config.json": {"auto_map": {}, "b": {"auto_map": None}}}, near_miss=True),
        Example(
            "the words in a value", {"config.json": {"comment": "auto_map", "auto_maps": {"A": "b.C"}}}, near_miss=True
        ),
        Example("a token of this name", {"vocab.json": {"auto_map": 5}}, near_miss=True),
    )

    def check(self, facts: Facts) -> Iterator[Finding]:
        for path, places in facts.code_sites.items():
            selecting = [site for site in places if site.reference is not None]
            if not selecting:
                continue
            listed = ", ".join(map(_described, selecting[:LISTED]))
            more = f" and {len(selecting) - LISTED} more" if len(selecting) > LISTED else ""
            yield self.finding(At(path, selecting[0].home), f"with trust_remote_code=True a loader runs {listed}{more}")


def _described(site: Site) -> str:
    return f"{quote(site.value, 60)} for {quote(site.key, 30)}"
