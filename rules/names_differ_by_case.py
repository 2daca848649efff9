"""Two names of one folder are the same to Windows and macOS.

## What it finds
Files or folders of one folder whose names are equal once upper and lower case, and the two ways to write an accent, are
taken as one. One finding for each such name, at its later spelling.

## Why it matters
A checkout on such a system keeps one of the two, and which one depends on the order; Git then reports the other as
changed: `warning: the following paths have collided (e.g. case-sensitive paths on a case-insensitive filesystem)`. If
it is the config or a weight file, another model is loaded there than here.

## How to put it right
Remove the one that nothing refers to, or give it another name.
"""

from collections.abc import Iterator
from posixpath import basename, dirname

from hfcheck.facts import Facts
from hfcheck.finding import At, Finding, Severity, quote
from hfcheck.names import folded
from hfcheck.rule import Example, Rule


class NamesDifferByCase(Rule):
    id = "REP004"
    name = "names-differ-by-case"
    severity = Severity.WARNING
    since = "0.1"
    hint = "Remove or rename one of the two."
    bad = (
        Example("two configs", {"Config.json": {}, "config.json": {"model_type": "llama"}}, at=(At("config.json"),)),
        Example(
            "one accent, written in two ways",
            {"mode\u0301le.txt": "x", "mod\u00e9le.txt": "x"},
            at=(At("mod\u00e9le.txt"),),
        ),
        Example(
            "two folders, one finding however much is in them",
            {"UNet/a.txt": "x", "unet/b.txt": "x", "unet/c.txt": "x"},
            at=(At("unet/b.txt"),),
        ),
    )
    good = (
        Example("the same name in two folders", {"a/config.json": {}, "b/Config.json": {}}, near_miss=True),
        Example("one letter more", {"model.txt": "x", "models.txt": "x", "Model.md": "x"}, near_miss=True),
    )

    def check(self, facts: Facts) -> Iterator[Finding]:
        if facts.folder:  # the whole repository is looked at with its root
            return
        spelling: dict[str, str] = {}
        for entry in facts.entries:
            paths = [entry.path]
            while (folder := dirname(paths[-1])) and spelling.get(folded(folder)) != folder:
                paths.append(folder)
            for path in reversed(paths):  # folders first: below two that collide, files need not
                first = spelling.setdefault(folded(path), path)
                if first != path and dirname(first) == dirname(path):
                    spelling[folded(path)] = path
                    message = f"{quote(basename(path))} and {quote(basename(first))} are one name on Windows and macOS"
                    yield self.finding(At(entry.path), f"the names {message}")
