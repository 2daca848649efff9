"""A file is of another kind than its name says.

## What it finds
Archives, pickles and other binary files named `.json`; anything known that is named `.gguf` or `.onnx` and is none;
and files named `.pt`, `.pth` or `pytorch_model*.bin` that `torch.load` cannot read: safetensors, GGUF, HDF5 and NumPy
files, 7z and gzip archives, HTML pages, JSON, a `.bin` that is a zip archive of something else. Names like `.bin` and
`.model` promise nothing. Files named `.safetensors` are FMT006.

## Why it matters
Loaders go by the name: transformers 5.23.0 hands a safetensors file called `pytorch_model.bin` to `torch.load`, which
ends in `UnpicklingError: Weights only load failed`; the package `gguf` says `GGUF magic invalid`, `onnx` says `Wire
format was corrupt`, ONNX Runtime `No graph was found in the protobuf`. Scanners go by the name too, which is why
malware is shipped as 7z under `.pt`, and as a pickle under a name that is not looked at
(https://nvd.nist.gov/vuln/detail/CVE-2025-10155).

## How to put it right
Give the file the name of what it is, or convert it. A page or an error message comes from a download that failed:
fetch the file again.
"""

import gzip
from collections.abc import Iterator

from hfcheck.example import Archive
from hfcheck.facts import Facts
from hfcheck.finding import At, Finding, Severity
from hfcheck.formats import torch_zip
from hfcheck.formats.onnx import Fault, OnnxInvalid
from hfcheck.formats.zip_ import ZipFacts
from hfcheck.promises import broken_promise, is_for_torch_load
from hfcheck.refusals import refused
from hfcheck.rule import Example, Rule
from hfcheck.shelf import Reading

PICKLE = b"\x80\x02}q\x00."  # an empty dict
TORCH = Archive({"archive/data.pkl": PICKLE, "archive/version": b"3\n"})
HTML = "<!DOCTYPE html><html><title>404</title></html>"
SEVEN_ZIP = b"7z\xbc\xaf\x27\x1c" + bytes(26)
TAR = bytes(257) + b"ustar\x0000" + bytes(248)


class ContentContradictsName(Rule):
    id = "FMT014"
    name = "content-contradicts-name"
    severity = Severity.ERROR
    since = "0.1"
    hint = "Give the file the name of what it is, or convert it; fetch it again if a download failed."
    bad = (
        Example(
            "archives and pickles under the name of a text",
            {"config.json": TORCH, "extra/data.json": PICKLE, "tokenizer.json": gzip.compress(b"{}", mtime=0)},
            at=(At("config.json"), At("extra/data.json"), At("tokenizer.json")),
        ),
        Example(
            "a page and a zip archive instead of a model",
            {"model.gguf": HTML, "model.onnx": TORCH},
            at=(At("model.gguf"), At("model.onnx")),
        ),
        Example(
            "bytes that are no protocol buffer, and one without a graph",
            {"model.onnx": bytes(64), "other.onnx": b"\x08\x08"},
            at=(At("model.onnx"), At("other.onnx")),
        ),
        Example(
            "what torch.load cannot read",
            {
                "a.pt": SEVEN_ZIP,
                "b.pth": HTML,
                "pytorch_model-00001-of-00002.bin": {"error": "not found"},
                "pytorch_model.bin": b"GGUF" + bytes(20),
                "training_args.bin": Archive({"word/document.xml": b"<w:document/>"}),
            },
            at=(
                At("a.pt"),
                At("b.pth"),
                At("pytorch_model-00001-of-00002.bin"),
                At("pytorch_model.bin"),
                At("training_args.bin"),
            ),
        ),
    )
    good = (
        Example("what the names say", {"config.json": {}, "m.onnx": b"\x08\x08\x3a\x00", "pytorch_model.bin": TORCH}),
        Example(
            "three generations of torch.save",
            {"zip.pt": TORCH, "legacy.pth": PICKLE, "first.pt": TAR, "protocol0.pt": "(dp0\n."},
            near_miss=True,
        ),
        Example(
            "names that promise nothing",
            {
                "crf.bin": b"lCRF" + bytes(60),
                "voices/a.bin": bytes(64),
                "vocab.bin": "a\nb\n",
                "data.bin": gzip.compress(b"", mtime=0),
                "estimator.model": PICKLE,
                "tokenizer.model": "IQ== 0\nIg== 1\n",
            },
            near_miss=True,
        ),
        Example("Portuguese text", {"train.en-pt.pt": "[Risos] Ol\u00e1.\n"}, near_miss=True),
        Example("a page named .json is text, and FMT020 speaks of it", {"config.json": HTML}, near_miss=True),
    )

    def check(self, facts: Facts) -> Iterator[Finding]:
        for reading in facts.readings():
            promised = broken_promise(reading.path, reading.content)
            if promised is not None:
                message = f"the name promises {promised}, and the content is {reading.content.value}"
                yield self.finding(At(reading.path, offset=0), message)
            elif _lacks_its_pickle(reading):
                message = "the name promises a file of torch.save, and the content is a zip archive without a data.pkl"
                yield self.finding(At(reading.path, offset=0), message)
        for reading, error in refused(facts, OnnxInvalid):
            # ONNX has no first bytes of its own: what is none shows only to its reader.
            if error.fault is not Fault.TRUNCATED and broken_promise(reading.path, reading.content) is None:
                message = f"the name promises an ONNX model, and this is {error.fault.value}: expected {error.expected}"
                yield self.finding(At(reading.path, offset=error.offset), message)


def _lacks_its_pickle(reading: Reading) -> bool:
    """Whether pickled weights are an archive of something else; `.pt` is also the suffix of packages of torch."""
    archive = reading.facts
    return (
        is_for_torch_load(reading.path)
        and reading.path.endswith(".bin")
        and isinstance(archive, ZipFacts)
        and torch_zip.describe(archive) is None
    )
