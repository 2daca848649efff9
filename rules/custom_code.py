"""The repository of a model brings Python files.

## What it finds
All files with the suffix `.py` of a model, listed in one note, those first that an `auto_map` or a custom pipeline
selects. Libraries without a model are not meant.

## Why it matters
Files that are selected run when the model is loaded with `trust_remote_code=True`, together with whatever they import.
Others run when somebody starts them, or because a service looks for their name: `handler.py` on inference endpoints,
`pipeline.py`, `custom_generate/generate.py`. https://huggingface.co/docs/inference-endpoints/guides/custom_handler

## How to put it right
Nothing is wrong with code as such. Read it, and remove what is left over from training or conversion.
"""

from collections.abc import Iterator
from posixpath import dirname, join, normpath

from hfcheck.facts import Facts, Kind
from hfcheck.finding import At, Finding, Severity, quote
from hfcheck.repository import Form
from hfcheck.rule import Example, Rule

CONFIG = {"model_type": "llama"}
LISTED = 4
NOT_MODELS = frozenset({Kind.DATASET, Kind.SPACE, Kind.UNKNOWN})


class CustomCode(Rule):
    id = "RMC005"
    name = "custom-code"
    severity = Severity.NOTE
    since = "0.1"
    confidence = "high"
    hint = "Read these files before you run anything of this repository."
    bad = (
        Example(
            "one that is selected, two that are not: one note, at the one that is",
            {
                "config.json": CONFIG | {"auto_map": {"AutoModel": "modeling.M"}},
                "convert.py": "x = 1\n",
                "modeling.py": "class M: ...\n",
                "scripts/train.py": "x = 1\n",
            },
            at=(At("modeling.py"),),
        ),
        Example("none that is selected", {"config.json": CONFIG, "handler.py": "x = 1\n"}, at=(At("handler.py"),)),
    )
    good = (
        Example("no code", {"config.json": CONFIG, "tokenizer.json": {}}),
        Example("a package without a model", {"setup.py": "x = 1\n", "data.json": {}}, near_miss=True),
        Example("code in a text", {"config.json": CONFIG, "README.md": "```py\nimport os\n```\n"}, near_miss=True),
        Example("names that begin alike", {"config.json": CONFIG, "a.pyc": "x", "b.python": "x"}, near_miss=True),
    )

    def check(self, facts: Facts) -> Iterator[Finding]:
        if facts.kind in NOT_MODELS and facts.opened is None:
            return
        files = [entry.path for entry in facts.files if entry.form is Form.FILE and entry.path.endswith(".py")]
        if not files:
            return
        selected = set(files) & _selected(facts)
        ordered = sorted(files, key=lambda path: (path not in selected, path))
        listed = ", ".join(quote(path, 60) + " (selected)" * (path in selected) for path in ordered[:LISTED])
        more = f" and {len(ordered) - LISTED} more" if len(ordered) > LISTED else ""
        yield self.finding(At(ordered[0]), f"the repository brings Python: {listed}{more}")


def _selected(facts: Facts) -> set[str]:
    """The files that the references of the unit name, beside the JSON file or at the root."""
    modules = {
        (dirname(path), f"{site.reference.module}.py")
        for path, places in facts.code_sites.items()
        for site in places
        if site.reference is not None and site.reference.repository is None
    }
    return {normpath(join(folder, file)) for place, file in modules for folder in (place, "")}
