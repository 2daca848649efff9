"""The code that a loader runs comes from another repository.

## What it finds
References of the form `org/repo--module.Class` in any `auto_map` or custom pipeline. One finding for each file and
repository. A copy or a quantised version of a model often has them, and works.

## Why it matters
The `revision` that you pin belongs to this repository. The code is taken from the default branch of the other one, as
it is on that day, unless `code_revision` is given too. Whoever can write there, or registers the name after it was
given up, decides what runs. transformers 5.23.0 does not always name the other repository when it asks for consent:
AutoConfig and AutoTokenizer pass it on as another argument. https://huggingface.co/docs/transformers/custom_models

## How to put it right
Copy the Python files into this repository and drop everything up to the `--`, or load with
`code_revision=` and the 40 digits of a commit that you have read.
"""

from collections.abc import Iterator

from hfcheck.facts import Facts
from hfcheck.finding import At, Finding, Severity, quote
from hfcheck.remote_code import Site
from hfcheck.rule import Example, Rule


class RemoteCodeElsewhere(Rule):
    id = "RMC002"
    name = "remote-code-elsewhere"
    severity = Severity.WARNING
    since = "0.1"
    confidence = "high"
    hint = "Copy the code into this repository, or load with code_revision= and a commit that you have read."
    bad = (
        Example(
            "two classes of one other repository are one finding",
            {"config.json": {"auto_map": {"AutoConfig": "o/r--c.C", "AutoModel": "o/r--m.M"}}},
            at=(At("config.json", "/auto_map/AutoConfig"),),
        ),
        Example(
            "two repositories, one of them for a tokenizer",
            {"tokenizer_config.json": {"auto_map": {"AutoTokenizer": ["o/r--t.T", "o/s--t.F"]}}},
            at=(
                At("tokenizer_config.json", "/auto_map/AutoTokenizer/0"),
                At("tokenizer_config.json", "/auto_map/AutoTokenizer/1"),
            ),
        ),
        Example(
            "below the top level",
            {"config.json": {"vision_config": {"auto_map": {"AutoModel": "o/r--m.M"}}}},
            at=(At("config.json", "/vision_config/auto_map/AutoModel"),),
        ),
    )
    good = (
        Example("code of this repository", {"config.json": {"auto_map": {"AutoModel": "m.M"}}, "m.py": "M = 1\n"}),
        Example("one dash", {"config.json": {"auto_map": {"AutoModel": "my-code/m-1.M"}}}, near_miss=True),
        Example("another key", {"config.json": {"_name_or_path": "o/r--m.M"}}, near_miss=True),
    )

    def check(self, facts: Facts) -> Iterator[Finding]:
        for path, places in facts.code_sites.items():
            by_repository: dict[str, list[Site]] = {}
            for site in places:
                if site.reference is not None and site.reference.repository is not None:
                    by_repository.setdefault(site.reference.repository, []).append(site)
            for repository, found in by_repository.items():
                others = f", here and in {len(found) - 1} more places" if len(found) > 1 else ""
                message = f"the code comes from the default branch of another repository, {quote(repository)}{others}"
                yield self.finding(At(path, found[0].pointer), message)
