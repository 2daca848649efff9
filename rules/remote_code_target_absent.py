"""The Python file or the class that a config selects is not in the repository.

## What it finds
References `module.Class` of an `auto_map` or a custom pipeline for which there is no `module.py` beside the JSON file
or above it, or none that defines `Class`. One finding for each module or class that a file misses. A module that
takes names in with `import *` or makes them up in `__getattr__` is not judged, nor is a `config.json` beside weights
of another runtime (GGUF, ONNX, ExLlama) where transformers has none to open. References that transformers does not
follow itself (below the top level, `AutoTokenizer` in `config.json`) are a warning.

## Why it matters
Told to trust the code, transformers 5.23.0 stops: `OSError: ... does not appear to have a file named
modeling_x.py`, or `AttributeError: module ... has no attribute 'X'`. It is what a save or a quantisation leaves that
copies the config and forgets the code. Not told so, it asks for a trust that leads nowhere.

## How to put it right
Upload the Python files that the config names, or remove the `auto_map` where transformers has the architecture itself.
"""

from collections.abc import Iterator
from posixpath import basename, dirname, join, normpath

from hfcheck.example import Gguf
from hfcheck.facts import Facts
from hfcheck.finding import At, Finding, Severity, quote
from hfcheck.layout import CONFIG, is_read_by_loaders
from hfcheck.remote_code import Reference, is_followed
from hfcheck.rule import Example, Rule


class RemoteCodeTargetAbsent(Rule):
    id = "RMC003"
    name = "remote-code-target-absent"
    severity = Severity.ERROR
    since = "0.1"
    confidence = "high"
    hint = "Upload the Python file with this class, or remove the auto_map if transformers has the model itself."
    bad = (
        Example(
            "a tokenizer whose code was not uploaded",
            {"tokenizer_config.json": {"auto_map": {"AutoTokenizer": ["tok.Slow", "tok.Fast"]}}},
            at=(At("tokenizer_config.json", "/auto_map/AutoTokenizer/0"),),
        ),
        Example(
            "the file is there, the class is not",
            {"config.json": {"auto_map": {"AutoModel": "m.Model"}}, "m.py": "class OldModel:\n    pass\n"},
            at=(At("config.json", "/auto_map/AutoModel"),),
        ),
        Example(
            "two modules",
            {"config.json": {"auto_map": {"AutoConfig": "c.C", "AutoModel": "m.M", "AutoModelForCausalLM": "m.L"}}},
            at=(At("config.json", "/auto_map/AutoConfig"), At("config.json", "/auto_map/AutoModel")),
        ),
    )
    good = (
        Example(
            "class, alias and import",
            {
                "config.json": {"auto_map": {"AutoConfig": "m.C", "AutoModel": "m.M", "AutoModelForCausalLM": "m.I"}},
                "m.py": "try:\n    from .i import I\nexcept ImportError:\n    I = None\nclass C: ...\nM = C\n",
            },
            near_miss=True,
        ),
        Example(
            "everything may come in",
            {"config.json": {"auto_map": {"AutoModel": "m.M"}}, "m.py": "from .i import *\n"},
            near_miss=True,
        ),
        Example("in another repository", {"config.json": {"auto_map": {"AutoModel": "o/r--m.M"}}}, near_miss=True),
        Example(
            "the code of a component lies at the root",
            {"unet/config.json": {"auto_map": {"AutoModel": "m.M"}}, "m.py": "class M: ...\n"},
            near_miss=True,
        ),
        Example(
            "a module in a folder",
            {"config.json": {"auto_map": {"AutoModel": "code/m.M"}}, "code/m.py": "class M: ..."},
            near_miss=True,
        ),
        Example(
            "a config that came along with weights of another runtime",
            {"config.json": {"auto_map": {"AutoModel": "m.M"}}, "model.Q4_K_M.gguf": Gguf({"a": [32]})},
            near_miss=True,
        ),
        Example("a file no loader opens", {"backup.json": {"auto_map": {"AutoModel": "m.M"}}}, near_miss=True),
    )

    def check(self, facts: Facts) -> Iterator[Finding]:
        for path, places in facts.code_sites.items():
            if not is_read_by_loaders(path) or (basename(path) == CONFIG and facts.is_for_another_runtime):
                continue
            seen = set[str]()
            for site in places:
                reference = site.reference
                what = _absent(facts, path, reference) if reference is not None else None
                if what is None or what in seen:
                    continue
                seen.add(what)
                severity = Severity.ERROR if is_followed(basename(path), site) else Severity.WARNING
                yield self.finding(At(path, site.pointer), what, severity=severity)


def _absent(facts: Facts, path: str, reference: Reference) -> str | None:
    """What is missing, as a sentence; None where nothing is, or where it cannot be known."""
    if reference.repository is not None:
        return None
    file = normpath(f"{reference.module}.py")
    folder = dirname(path)
    while facts.entry(join(folder, file)) is None:
        if not folder:
            return f"the file {quote(file)}, from which the loader is to take code, is not there"
        folder = dirname(folder)
    code = facts.python(join(folder, file))
    if code is None or code.open_ended or reference.name in code.names:
        return None
    return f"the file {quote(join(folder, file))} defines no {quote(reference.name)}"
