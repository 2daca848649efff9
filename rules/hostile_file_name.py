r"""A file name that leads out of the folder, forges output, or does not exist on another system.

## What it finds
Names, of files and of folders, with `..` behind a backslash, a drive of Windows, control characters, line breaks, or
characters that reorder or hide what is read: an error. Names that another system refuses or changes (`aux.py`, a dot
or a space at the end, `<>:"|?*`, more than 255 bytes, bytes that are not UTF-8): a warning. Names in any script, with
spaces, dots or emoji, are as good as others.

## Why it matters
What is a name on Linux is a path on Windows: `folder/..\..\x` was written outside the folder of the download until
2026 (https://github.com/huggingface/huggingface_hub/pull/4540). A line break or an escape sequence in a name forges the
lines of every tool that prints it, and `model<U+202E>nib.py` reads `modelyp.bin` in a file list. A clone with `aux.py`
in it cannot be checked out on Windows.

## How to put it right
Rename the file, and the references to it. Where you did not choose such a name yourself, do not use the repository.
"""

from collections.abc import Iterator

from hfcheck import names
from hfcheck.facts import Facts
from hfcheck.finding import At, Finding, Severity, quote
from hfcheck.rule import Example, Rule


class HostileFileName(Rule):
    id = "REP003"
    name = "hostile-file-name"
    severity = Severity.ERROR
    since = "0.1"
    hint = "Rename it, or do not use the repository where nobody can say why the name is like that."
    bad = (
        Example("a path of Windows that climbs", {"data/..\\..\\evil.bat": "x"}, at=(At("data/..\\..\\evil.bat"),)),
        Example("a drive of Windows", {"C:model.bin": "x"}, at=(At("C:model.bin"),)),
        Example("a line break", {"a\n0 findings": "x"}, at=(At("a\n0 findings"),)),
        Example("an escape sequence of a terminal", {"\x1b[2Kmodel.bin": "x"}, at=(At("\x1b[2Kmodel.bin"),)),
        Example("letters that run backwards", {"model\u202enib.py": "x"}, at=(At("model\u202enib.py"),)),
        Example("a space without width", {"config\u200b.json": {}}, at=(At("config\u200b.json"),)),
        Example(
            "a hostile folder is named once, not with each of its files",
            {"a\rb/one.txt": "x", "a\rb/two.txt": "x"},
            at=(At("a\rb/one.txt"),),
        ),
        Example(
            "names that Windows cannot have",
            {"aux.py": "x", "what?.txt": "x", "end./a.txt": "x"},
            at=(At("aux.py"), At("end./a.txt"), At("what?.txt")),
        ),
        Example("bytes that are not UTF-8", {"caf\udce9.txt": "x"}, at=(At("caf\udce9.txt"),)),
    )
    good = (
        Example("letters of other scripts", {"модель.txt": "x", "模型/配置.json": {}}, near_miss=True),
        Example(
            "dots, spaces, brackets, an emoji of several characters",
            {"a..b/v1.2 (final) [x].txt": "x", "\U0001f469\u200d\U0001f4bb.png": "x", ".hidden": "x"},
            near_miss=True,
        ),
        Example("a word that begins like the name of a device", {"console.py": "x", "com10.txt": "x"}, near_miss=True),
        Example(
            "a mark of direction beside a Hebrew letter", {"\u05e9\u05dc\u05d5\u05dd\u200f 1.txt": "x"}, near_miss=True
        ),
        Example(
            "a joiner that Persian needs", {"\u0645\u06cc\u200c\u062e\u0648\u0627\u0647\u0645.txt": "x"}, near_miss=True
        ),
    )

    def check(self, facts: Facts) -> Iterator[Finding]:
        if facts.folder:  # the whole repository is looked at with its root
            return
        seen = set[str]()
        for entry in facts.entries:
            path = ""
            for name in entry.path.split("/"):
                path = f"{path}/{name}" if path else name
                if path in seen:
                    continue
                seen.add(path)
                if reason := names.hostile(name):
                    yield self.finding(At(entry.path), f"the name {quote(name)} {reason}")
                elif reason := names.not_portable(name):
                    yield self.finding(At(entry.path), f"the name {quote(name)} {reason}", severity=Severity.WARNING)
