"""A file that a loader opens is empty.

## What it finds
Files of zero bytes in formats that begin with something: weights (`.safetensors`, `.gguf`, `.onnx`, `.pt`, ...),
pickles, arrays, the models of tokenizers, and the JSON files that loaders look for.

## Why it matters
Measured on empty files: safetensors 0.8.0 `header too small`; torch 2.13 and `pickle` `EOFError`; numpy `No data left
in file`; transformers 5.23.0 `It looks like the config file at ... is not a valid JSON file` and, for
`tokenizer.json`, `Expecting value: line 1 column 1`. A `generation_config.json` that cannot be read is skipped
without a word: the model generates with other settings. Disks that were full, and uploads that broke off, leave such
files.

## How to put it right
Upload the file again, or delete it if nothing should be there.
"""

from collections.abc import Iterator
from posixpath import basename

from hfcheck.facts import Facts
from hfcheck.finding import At, Finding, Severity
from hfcheck.formats.sniff import Content
from hfcheck.promises import is_for_torch_load
from hfcheck.rule import Example, Rule

NEVER_EMPTY = (
    ".safetensors", ".gguf", ".onnx", ".pt", ".pth", ".ckpt", ".h5", ".keras", ".msgpack", ".npy", ".npz", ".pkl",
    ".pickle", ".joblib", ".tflite",
)  # fmt: skip
"""Formats that begin with something. `.bin` is left out: OpenVINO writes empty ones for models without constants."""

TOKENIZER_MODELS = frozenset({"tokenizer.model", "spiece.model", "sentencepiece.bpe.model", "source.spm", "target.spm"})


class EmptyFile(Rule):
    id = "FMT013"
    name = "empty-file"
    severity = Severity.ERROR
    since = "0.1"
    hint = "Upload the file again, or delete it if nothing should be there."
    bad = (
        Example(
            "weights, config and tokenizer of an upload that broke off",
            {"config.json": "", "model.safetensors": "", "tokenizer.json": "", "tokenizer.model": ""},
            at=(At("config.json"), At("model.safetensors"), At("tokenizer.json"), At("tokenizer.model")),
        ),
        Example(
            "a shard of pickled weights, and a checkpoint",
            {"pytorch_model-00001-of-00002.bin": "", "original/weights.pth": ""},
            at=(At("original/weights.pth"), At("pytorch_model-00001-of-00002.bin")),
        ),
    )
    good = (
        Example("files with content", {"config.json": {}, "model.safetensors": {"a": ("F16", [2])}}),
        Example(
            "markers of tools, which are empty by design",
            {"py.typed": "", ".gitkeep": "", "src/__init__.py": "", "config.json": {}},
            near_miss=True,
        ),
        Example(
            "empty lists",
            {"added.txt": "", "data/special.jsonl": "", "labels.json": "", "merges.txt": ""},
            near_miss=True,
        ),
        Example(
            "a file of the tests, without any model beside it",
            {"config.json": {}, "tests/empty/tokenizer.json": ""},
            near_miss=True,
        ),
        Example("an OpenVINO model without constants", {"openvino_tokenizer.bin": ""}, near_miss=True),
    )

    def check(self, facts: Facts) -> Iterator[Finding]:
        for reading in facts.readings():
            if reading.content is Content.EMPTY and _cannot_be_empty(facts, reading.path):
                yield self.finding(At(reading.path), "the file is empty, and a loader that opens it fails")


def _cannot_be_empty(facts: Facts, path: str) -> bool:
    """Whether a loader goes by this name and fails on a file without a byte."""
    if path.lower().endswith(NEVER_EMPTY) or basename(path) in TOKENIZER_MODELS:
        return True
    return is_for_torch_load(path) or facts.is_opened_by_name(path)
