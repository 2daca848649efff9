"""A file that is too large for Git is handed to Git all the same.

## What it finds
A weight file, or another file of a model, of more than 10 MiB that no line of a `.gitattributes` gives a filter such as
`filter=lfs`. One finding for the repository, at the first of them. Nothing is said where no `.gitattributes` hands
anything to LFS: such a folder is no clone of a repository that uses it.

## Why it matters
The Hub refuses a push with such a file: `Your push was rejected because it contains files larger than 10 MiB. Please
use https://git-lfs.github.com/ to store large files.` By then it is in the history, and a later `git lfs track` does
not take it out. A model: https://github.com/huggingface/transformers/issues/8504 , the tokenizer of one:
https://github.com/huggingface/huggingface_hub/issues/138

## How to put it right
`git lfs track` the name or its suffix and commit the `.gitattributes` together with the file. For a file that was
committed before, `git lfs migrate import --include=...` rewrites the commits that were not pushed yet. `hf upload` does
all of this by itself.
"""

from collections.abc import Iterator
from posixpath import basename, dirname, join

from hfcheck.example import Sparse
from hfcheck.facts import Facts
from hfcheck.finding import At, Finding, Severity
from hfcheck.formats.gitattributes import matches
from hfcheck.layout import marks_a_repository
from hfcheck.repository import Form
from hfcheck.rule import Example, Rule

ATTRIBUTES = ".gitattributes"
LIMIT = 10 * 2**20
LFS = "filter=lfs diff=lfs merge=lfs -text\n"
LARGE = Sparse(LIMIT + 1)
F16 = ("F16", [2, 3])

MAX_STEPS = 20_000_000
"""Of a comparison, at worst: 700 files of a large repository with 40 lines of attributes."""


class WeightsOutsideLfs(Rule):
    id = "REP002"
    name = "weights-outside-lfs"
    severity = Severity.WARNING
    since = "0.1"
    hint = "Run `git lfs track` for it and commit the .gitattributes together with the file."
    bad = (
        Example(
            "the attributes know one suffix, the weights have another",
            {ATTRIBUTES: f"*.bin {LFS}", "a.onnx": LARGE, "model.gguf": LARGE},
            at=(At("a.onnx"),),
        ),
        Example(
            "a large tokenizer is no text for Git either",
            {ATTRIBUTES: f"*.safetensors {LFS}", "model.safetensors": {"a": F16}, "tokenizer.json": LARGE},
            at=(At("tokenizer.json"),),
        ),
        Example(
            "a later line takes the filter away",
            {ATTRIBUTES: f"*.onnx {LFS}onnx/** -filter\n", "onnx/model.onnx": LARGE},
            at=(At("onnx/model.onnx"),),
        ),
    )
    good = (
        Example("the weights are tracked", {ATTRIBUTES: f"*.onnx {LFS}", "model.onnx": LARGE}),
        Example("no attributes: a folder that nobody pushes", {"model.onnx": LARGE}, near_miss=True),
        Example(
            "attributes for line ends alone, as in a repository of source code",
            {ATTRIBUTES: "*.py text eol=lf\n", "model.onnx": LARGE},
            near_miss=True,
        ),
        Example(
            "exactly 10 MiB, and a large file that is no part of a model",
            {ATTRIBUTES: f"*.bin {LFS}", "model.onnx": Sparse(LIMIT), "demo.mp4": LARGE},
            near_miss=True,
        ),
        Example(
            "attributes of the folder itself",
            {ATTRIBUTES: "*.md text\n", "onnx/.gitattributes": f"model.onnx {LFS}", "onnx/model.onnx": LARGE},
            near_miss=True,
        ),
    )

    def check(self, facts: Facts) -> Iterator[Finding]:
        if facts.folder or not _uses_filters(facts):  # the whole repository is looked at with its root
            return
        large = [entry.path for entry in facts.entries if entry.form is Form.FILE and entry.size > LIMIT]
        weights = [path for path in large if marks_a_repository(basename(path))]
        outside = [path for path in weights[: _affordable(facts, weights)] if not _has_filter(facts, path)]
        if not outside:
            return
        size = (facts.shelf.by_path[outside[0]].size + 2**19) // 2**20
        others = f", nor {len(outside) - 1} more" if len(outside) > 1 else ""
        message = f"no line of .gitattributes hands this file of {size} MiB to Git LFS{others}"
        yield self.finding(At(outside[0]), f"{message}; the Hub refuses a `git push` of it")


def _uses_filters(facts: Facts) -> bool:
    """Whether any line of the repository hands files to LFS, as every repository of the Hub does from its first day."""
    places = (entry.path for entry in facts.entries if basename(entry.path) == ATTRIBUTES)
    return any(line.filter for attributes in filter(None, map(facts.attributes, places)) for line in attributes.lines)


def _affordable(facts: Facts, paths: list[str]) -> int:
    """How many files can be held against the lines: stars in both make each pair take their product in steps."""
    places = [entry.path for entry in facts.entries if basename(entry.path) == ATTRIBUTES]
    found = filter(None, map(facts.attributes, places))
    characters = sum(len(line.pattern) for attributes in found for line in attributes.lines)
    return max(MAX_STEPS // (1 + characters * max(map(len, paths), default=0)), 1)


def _has_filter(facts: Facts, path: str) -> bool:
    """Whether a filter applies: the attributes nearest to the file decide, if a line of theirs speaks of it."""
    folder = dirname(path)
    while True:
        place, inside = join(folder, ATTRIBUTES), path[len(folder) + 1 if folder else 0 :]
        found = facts.attributes(place)
        if found is None and facts.has_file(place):
            return True  # it cannot be read, so nothing is known
        if found is not None and any(matches(line.pattern, inside) for line in found.lines):
            return found.filter_of(inside) is not None
        if not folder:
            return False
        folder = dirname(folder)
