"""A link leads out of the repository.

## What it finds
Symbolic links whose target is absolute, or climbs out of the folder that is checked, directly or through other links.
The links of the download cache, each to `../../blobs/` of the same model, are no such thing: they are the files.

## Why it matters
Whoever loads the model reads what lies there on their machine, whether that is a file of the author's that nobody else
has, or a key of theirs that is then uploaded with the next commit; a save through the link writes there. Git keeps such
links, so they come with a clone. hfcheck did not look at the target.

## How to put it right
Put the file in the place of the link: `cp --remove-destination $(readlink LINK) LINK`. If you did not make the link, do
not load the repository.
"""

from collections.abc import Iterator

from hfcheck.example import Link
from hfcheck.facts import Facts
from hfcheck.finding import At, Finding, Severity, quote
from hfcheck.repository import Form
from hfcheck.rule import Example, Rule


class LinkLeavesRepository(Rule):
    id = "REP005"
    name = "link-leaves-repository"
    severity = Severity.ERROR
    since = "0.1"
    hint = "Put the file itself in the place of the link."
    bad = (
        Example("an absolute target", {"vocab.txt": Link("/etc/hostname")}, at=(At("vocab.txt"),)),
        Example("a target that climbs", {"a/vocab.txt": Link("../../x/vocab.txt")}, at=(At("a/vocab.txt"),)),
        Example(
            "a link to a link that climbs",
            {"a.txt": Link("b.txt"), "b.txt": Link("../secret.txt")},
            at=(At("a.txt"), At("b.txt")),
        ),
        Example(
            "blobs that belong to no download cache",
            {"model.safetensors": Link("../../blobs/" + "0" * 64)},
            at=(At("model.safetensors"),),
        ),
    )
    good = (
        Example("a link inside", {"real/vocab.txt": "a\n", "vocab.txt": Link("real/vocab.txt")}, near_miss=True),
        Example(
            "it climbs, and stays inside",
            {"vocab.txt": "a\n", "a/b/vocab.txt": Link("../../vocab.txt")},
            near_miss=True,
        ),
        Example("a link to a folder inside", {"fp16/a.txt": "x", "main": Link("fp16")}, near_miss=True),
        Example("a text that names such a path", {"a.txt": "../../etc/passwd"}, near_miss=True),
    )

    def check(self, facts: Facts) -> Iterator[Finding]:
        for entry in facts.files:
            if entry.form is Form.LINK_OUTSIDE:
                yield self.finding(
                    At(entry.path), f"this link leads out of the repository, to {quote(entry.target or '')}"
                )
