"""A config names the attention or expert code to run, up to code of another repository.

## What it finds
`_attn_implementation_internal` and `_experts_implementation_internal`, at any depth of a JSON config. With a slash in
the value it is a repository or a path, and an error; one of the implementations that transformers itself has is a note.
The public fields (`attn_implementation` and its kin) are legal, and a warning where they name a repository.

## Why it matters
transformers 4.56 to 5.2 took these fields from the file and imported the kernel that they name, compiled code of any
repository of the Hub, without `trust_remote_code` (CVE-2026-4372, GHSA-29pf-2h5f-8g72, fixed in 5.3:
https://nvd.nist.gov/vuln/detail/CVE-2026-4372). No version has ever written them into a file. transformers 5.23.0 still
reads the public fields, loads a kernel of `kernels-community` when `kernels` is installed, and stops when it is not.

## How to put it right
Remove the field. Who loads the model chooses with `attn_implementation=`.
"""

from collections.abc import Iterator

from hfcheck.facts import Facts
from hfcheck.finding import At, Finding, Severity, pointer, quote
from hfcheck.formats.json_ import JsonFacts
from hfcheck.layout import is_read_by_loaders
from hfcheck.remote_code import fields
from hfcheck.rule import Example, Rule

INTERNAL = frozenset({"_attn_implementation_internal", "_experts_implementation_internal"})
PUBLIC = frozenset({"attn_implementation", "_attn_implementation", "experts_implementation", "_experts_implementation"})
BUILT_IN = frozenset({
    "eager", "sdpa", "flash_attention_2", "flash_attention_3", "flash_attention_4", "flex_attention",
    "grouped_mm", "batched_mm",
})  # fmt: skip


class AttentionInternalField(Rule):
    id = "RMC007"
    name = "attention-internal-field"
    severity = Severity.ERROR
    since = "0.1"
    confidence = "high"
    hint = "Remove the field: who loads the model chooses with attn_implementation=."
    bad = (
        Example(
            "a kernel of another repository",
            {"config.json": {"_attn_implementation_internal": "o/kernel"}},
            at=(At("config.json", "/_attn_implementation_internal"),),
        ),
        Example(
            "below, and the one for experts",
            {"config.json": {"text_config": {"_experts_implementation_internal": "o/kernel@v1:fn"}}},
            at=(At("config.json", "/text_config/_experts_implementation_internal"),),
        ),
        Example(
            "an implementation that every transformers has: a note",
            {"config.json": {"_attn_implementation_internal": "sdpa"}},
            at=(At("config.json", "/_attn_implementation_internal"),),
        ),
        Example(
            "the public field with a repository: a warning",
            {"config.json": {"attn_implementation": {"text_config": "o/kernel"}}},
            at=(At("config.json", "/attn_implementation"),),
        ),
    )
    good = (
        Example("the public field", {"config.json": {"_attn_implementation": "flash_attention_2"}}, near_miss=True),
        Example("another field with a slash", {"config.json": {"_name_or_path": "o/kernel"}}, near_miss=True),
        Example("a file no loader opens", {"run.json": {"attn_implementation": "o/kernel"}}, near_miss=True),
    )

    def check(self, facts: Facts) -> Iterator[Finding]:
        for path, document in facts.all_of(JsonFacts):
            if not is_read_by_loaders(path):
                continue
            for place, key, value in fields(document, INTERNAL | PUBLIC):
                text = next((item for item in _strings(value) if "/" in item), None)
                at = At(path, pointer(*place))
                if text is not None:
                    severity = Severity.ERROR if key in INTERNAL else Severity.WARNING
                    yield self.finding(at, f"`{key}` takes code from {quote(text)}", severity=severity)
                elif key in INTERNAL:
                    known = all(item in BUILT_IN for item in _strings(value))
                    severity = Severity.NOTE if known else Severity.WARNING
                    yield self.finding(at, f"`{key}` is no field of a saved config", severity=severity)


def _strings(value: object) -> list[str]:
    """The names in a value: itself, or one for each part of the model."""
    values = value.values() if isinstance(value, dict) else (value,)
    return [item for item in values if isinstance(item, str)]
