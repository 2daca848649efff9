"""An `auto_map` says nothing that a loader could follow, or leads it out of the repository.

## What it finds
References with more than one `--` or one dot, without a module or a class, with an absolute path, a backslash or a
folder of this machine in them; entries of a type or shape that the loader of this file does not take. References that
transformers does not follow itself (below the top level, `AutoTokenizer` in `config.json`) are a warning.

## Why it matters
transformers 5.23.0 splits the text at `--` and at the dot: `ValueError: too many values to unpack (expected 2)`. Other
shapes stop it before it asks for any trust, so that the model does not load at all: `"auto_map": null` is `TypeError:
argument of type 'NoneType' is not iterable`, a list of one for a tokenizer `IndexError: list index out of range`. An
absolute module is joined to the folder and so replaces it: code from somewhere else on the machine runs.
https://huggingface.co/docs/transformers/custom_models

## How to put it right
Write `module.Class`, or `org/repo--module.Class`: one dot, and a module in a folder with a slash. For a tokenizer write
a list of the slow and the fast class, either of them null. Remove an `auto_map` that is null.
"""

from collections.abc import Iterator
from posixpath import basename

from hfcheck.facts import Facts
from hfcheck.finding import At, Finding, Severity, pointer, quote
from hfcheck.formats.json_ import JsonFacts
from hfcheck.layout import is_read_by_loaders
from hfcheck.remote_code import is_followed, misshapen
from hfcheck.rule import Example, Rule

CONFIG, TOKENIZER = "config.json", "tokenizer_config.json"


class AutoMapMalformed(Rule):
    id = "RMC004"
    name = "auto-map-malformed"
    severity = Severity.ERROR
    since = "0.1"
    confidence = "high"
    hint = "Write `module.Class`, with one dot, and for a tokenizer a list of the slow and the fast class."
    bad = (
        Example(
            "two dots, two dashes, no dot",
            {CONFIG: {"auto_map": {"AutoConfig": "a.b.C", "AutoModel": "o--r--m.M", "AutoModelForCausalLM": "M"}}},
            at=(
                At(CONFIG, "/auto_map/AutoConfig"),
                At(CONFIG, "/auto_map/AutoModel"),
                At(CONFIG, "/auto_map/AutoModelForCausalLM"),
            ),
        ),
        Example(
            "paths out of the repository",
            {CONFIG: {"auto_map": {"AutoModel": "/x/m.M", "AutoConfig": "../x--c.C", "AutoProcessor": "a\\b.P"}}},
            at=(
                At(CONFIG, "/auto_map/AutoModel"),
                At(CONFIG, "/auto_map/AutoConfig"),
                At(CONFIG, "/auto_map/AutoProcessor"),
            ),
        ),
        Example("null", {CONFIG: {"model_type": "llama", "auto_map": None}}, at=(At(CONFIG, "/auto_map"),)),
        Example("a number", {CONFIG: {"auto_map": {"AutoConfig": 5}}}, at=(At(CONFIG, "/auto_map/AutoConfig"),)),
        Example(
            "a string where a tokenizer has two",
            {TOKENIZER: {"auto_map": {"AutoTokenizer": "t.T"}}, "t.py": "class T: ..."},
            at=(At(TOKENIZER, "/auto_map/AutoTokenizer"),),
        ),
        Example(
            "a list of one, in the legacy form",
            {TOKENIZER: {"auto_map": ["t.T"]}, "t.py": "class T: ..."},
            at=(At(TOKENIZER, "/auto_map"),),
        ),
    )
    good = (
        Example(
            "every form there is",
            {
                CONFIG: {"auto_map": {"AutoModel": "m.M", "AutoConfig": "o/r--c.C", "AutoTokenizer": ["t.T", None]}},
                TOKENIZER: {"auto_map": {"AutoTokenizer": [None, "t.F"]}},
                "preprocessor_config.json": {"auto_map": {"AutoImageProcessor": ["i.I", None], "AutoProcessor": None}},
            },
        ),
        Example("the legacy list of a tokenizer", {TOKENIZER: {"auto_map": ["t.T", None]}}, near_miss=True),
        Example("a module in a folder", {CONFIG: {"auto_map": {"AutoModel": "code/v-1/m.M"}}}, near_miss=True),
        Example(
            "an empty map, and null below",
            {CONFIG: {"auto_map": {}, "text_config": {"auto_map": None}}},
            near_miss=True,
        ),
        Example("a file no loader opens", {"notes.json": {"auto_map": "see a.b.C"}}, near_miss=True),
    )

    def check(self, facts: Facts) -> Iterator[Finding]:
        for path, document in facts.all_of(JsonFacts):
            if "auto_map" not in document.watched or not is_read_by_loaders(path):
                continue
            name = basename(path)
            wrong = dict(misshapen(name, document.value))
            for place, fault in wrong.items():
                yield self.finding(At(path, place), f"the entry {fault}")
            for site in facts.code_sites.get(path, ()):
                # Of an entry of the wrong shape nothing more is said, whatever is in it.
                around = {site.home, pointer("auto_map", site.key)} if site.home == pointer("auto_map") else set()
                if site.fault is None or not around.isdisjoint(wrong):
                    continue
                severity = Severity.ERROR if is_followed(name, site) else Severity.WARNING
                what = f"reference {quote(site.value)}" if isinstance(site.value, str) else "entry"
                yield self.finding(At(path, site.pointer), f"the {what} {site.fault}", severity=severity)
