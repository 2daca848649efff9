"""Git LFS pointers lie where the files should be.

## What it finds
Files that are the text `version https://git-lfs.github.com/spec/v1` instead of their content. One finding for all of
them, at the first; the report lists each under the files that were not checked.

## Why it matters
A clone without git-lfs leaves these three lines in place of every large file. Loaders then speak of something else:
`header too large` (https://github.com/microsoft/OmniParser/issues/34), `invalid load key, 'v'`
(https://github.com/hhj1897/face_parsing/issues/3) or `could not parse ModelProto` of a tokenizer
(https://github.com/chatchat-space/Langchain-Chatchat/issues/3103). The repository may be fine: what is behind the
pointers was not checked.

## How to put it right
`git lfs install` and `git lfs pull` in a clone, or `hf download`. In GitHub Actions: `lfs: true` for
`actions/checkout`. If the pointers were copied by hand, or committed as the content itself, put the files in their
place.
"""

from collections.abc import Iterator

from hfcheck.example import Pointer
from hfcheck.facts import Facts
from hfcheck.finding import At, Finding, Severity, quote
from hfcheck.formats.sniff import Content
from hfcheck.rule import Example, Rule

CONFIG = {"model_type": "llama", "architectures": ["LlamaForCausalLM"]}
F16 = ("F16", [2, 3])


class LfsPointer(Rule):
    id = "REP001"
    name = "lfs-pointer"
    severity = Severity.WARNING
    since = "0.1"
    hint = "Fetch the files with `git lfs pull` or `hf download` and run hfcheck again."
    bad = (
        Example(
            "a clone without git-lfs: weights and tokenizer are pointers, one finding says so",
            {"config.json": CONFIG, "model.safetensors": Pointer(4096), "tokenizer.model": Pointer(500_000)},
            at=(At("model.safetensors"),),
        ),
        Example(
            "a JSON file as a pointer",
            {"config.json": CONFIG, "model.safetensors": {"a": F16}, "tokenizer.json": Pointer(17_000_000)},
            at=(At("tokenizer.json"),),
        ),
        Example("a pickle as a pointer", {"weights.pth": Pointer(4096)}, at=(At("weights.pth"),)),
    )
    good = (
        Example("the content itself", {"config.json": CONFIG, "model.safetensors": {"a": F16}}),
        Example(
            "a text about pointers that quotes one",
            {"README.md": "A pointer reads:\n\nversion https://git-lfs.github.com/spec/v1\n"},
            near_miss=True,
        ),
        Example(
            "a .gitattributes that hands files to LFS",
            {".gitattributes": "*.safetensors filter=lfs diff=lfs merge=lfs -text\n", "model.safetensors": {"a": F16}},
            near_miss=True,
        ),
    )

    def check(self, facts: Facts) -> Iterator[Finding]:
        pointers = [reading.path for reading in facts.readings() if reading.content is Content.POINTER]
        if not pointers:
            return
        if len(pointers) == 1:
            message = "this file is a Git LFS pointer, and its content was not fetched"
        else:
            named = ", ".join(quote(path, 60) for path in pointers[1:4])
            more = f" and {len(pointers) - 4} more" if len(pointers) > 4 else ""  # noqa: PLR2004 - as many as are named
            verb = "is" if len(pointers) == 2 else "are"  # noqa: PLR2004 - this file and one more
            message = f"this file is a Git LFS pointer, and so {verb} {named}{more}: their content was not fetched"
        yield self.finding(At(pointers[0]), message)
