"""A pass says that all was looked at: what holds weights or a pickle and was not read never passes in silence."""

import bz2
import gzip
import io
import lzma
import pickle
import tarfile
import zipfile
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from hfcheck import registry, testing
from hfcheck import repository as tree
from hfcheck.example import Example
from hfcheck.example_models import LLAMA, llama_tensors, repository
from hfcheck.finding import Severity
from hfcheck.formats import lfs
from hfcheck.report import Reason, RepositoryReport, Verdict
from hfcheck.reports import text

Checked = Callable[[Path], RepositoryReport]
WHOLE = repository(LLAMA, llama_tensors())


class Marker:
    def __reduce__(self) -> tuple[Any, ...]:
        return print, ("hfcheck-marker",)


PICKLES = [pickle.dumps(Marker(), protocol) for protocol in range(pickle.HIGHEST_PROTOCOL + 1)]
CALL = b"cbuiltins\nprint\n(Vhfcheck-marker\ntR."
WITHOUT_PROTOCOL = [
    b"\x80\x00" + CALL,
    b"\x80\x01" + CALL,
    b"\x80\x04\x80\x04" + CALL,
    *(b"\x80\x04" + op + b"0" + CALL for op in (b"U\x01a", b"S'a'\n", b"F1\n", b"L1L\n", b"\x8b\x01\0\0\0\x01")),
    b"(Vhfcheck-marker\nibuiltins\nprint\n.",
    b"X\x05\x00\x00\x00hello0" + CALL,
    b"X\x00\x10\x00\x00" + b"a" * 4096 + b"0" + CALL,
    b"U\x07abcTFL30" + CALL,  # `TFL3` where a TFLite model has it
    b"MZ\xff0" + CALL + bytes(100),
]
LENGTH = b"X\x04\0\0\0\0\0\0{0" + CALL + bytes(2000)
"""A string of four characters, the last of which is a brace, and the length of a header to who reads safetensors."""

ARRAY = b"\x93NUMPY\x01\0\x40\0{'descr': '|O', 'fortran_order': False, 'shape': (1,), }".ljust(73) + b"\n" + PICKLES[3]


DATA = {"a": [1, 2.5, None, True, b"bytes"], "b": ("text", {"c"})}


def zipped(**members: bytes) -> bytes:
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w") as archive:
        for name, data in members.items():
            archive.writestr(name, data)
    return stream.getvalue()


def tarred(data: bytes) -> bytes:
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode="w") as archive:
        member = tarfile.TarInfo("model_weights.ckpt")
        member.size = len(data)
        archive.addfile(member, io.BytesIO(data))
    return stream.getvalue()


PACKERS: dict[str, Callable[[bytes], bytes]] = {
    ".gz": gzip.compress, ".bz2": bz2.compress, ".xz": lzma.compress, ".joblib": zlib.compress, ".ckpt": tarred,
    ".zip": lambda data: zipped(a=data),
}  # fmt: skip

NAMES = (
    "pytorch_model.bin", "model.bin", "weights.data", "weights", "x.txt", "x.json", "tokenizer.model", "x.npy", "x.py",
    "tf_model.h5", "x.gguf", "PYTORCH_MODEL.BIN", "pytorch_model.bin ", ".hidden/x", "node_modules/x", "config.json/x",
)  # fmt: skip
HOSTILE = [
    *((name, data) for name in NAMES for data in (*PICKLES[:3], PICKLES[4])),
    *(("weights", data) for data in WITHOUT_PROTOCOL),
    *((name, LENGTH) for name in ("model.bin", "weights.data", "weights", "x.ckpt")),
    *((name, ARRAY) for name in ("x.npy", "model.bin", "weights")),
    *((name, zipped(**{"a/data.pkl": PICKLES[2]})) for name in ("x.pt", "x.png", "x.txt", "x.json", "x.py", "weights")),
    *((name, zipped(**{"payload.pkl": PICKLES[2]})) for name in ("x.pt", "x.npz", "x.keras", "x.skops", "weights")),
    ("x.zip", zipped(**{"y.zip": zipped(**{"a/data.pkl": PICKLES[2]})})),
    *((name, tarred(PICKLES[2])) for name in ("x.nemo", "model.bin", "weights")),
    *((name, gzip.compress(PICKLES[2], mtime=0)) for name in ("x.pkl.gz", "x.joblib", "weights")),
    # Archives that cannot be opened, or not to their last part, whatever is in them.
    *((name, b"Rar!\x1a\x07\x01\x00" + bytes(100)) for name in ("x.rar", "model.bin", "weights")),
    *((name, b"7z\xbc\xaf\x27\x1c\x00\x04" + b"\xff" * 100) for name in ("x.7z", "model.bin", "weights")),
    *((name, gzip.compress(pickle.dumps(list(range(999))))[:-100]) for name in ("x.pkl.gz", "weights")),
    *((name, b"\x28\xb5\x2f\xfd" + b"\xff" * 100) for name in ("x.zst", "weights")),
    ("x.npz", zipped(**{"a.npy": ARRAY})[:-100]),
    ("x.gz", gzip.compress(gzip.compress(gzip.compress(gzip.compress(gzip.compress(b"text")))))),
    ("m.keras", zipped(**{"config.json": b"{}", "model.weights.h5": b"\x89HDF\r\n\x1a\n"})),
    # Pickles that do not end, and import nothing.
    ("x.pkl", b"\x80\x04\x95\x0a\0\0\0\0\0\0\0]\x94"),
    ("weights", b"\x80\x02]q\x00(K\x01K\x02e"),
    ("tf_model.h5", b"\x89HDF\r\n\x1a\n" + bytes(100)),
    ("pytorch_model.bin", bytes(range(1, 200))),
    ("model.bin", lfs.MAGIC + b"\n" + PICKLES[0]),
]


@pytest.mark.parametrize(("name", "data"), HOSTILE, ids=[f"{n} {name}" for n, (name, _) in enumerate(HOSTILE)])
def test_what_was_not_looked_at_does_not_pass(name: str, data: bytes, tmp_path: Path, checked: Checked) -> None:
    whole = {path: content for path, content in WHOLE.items() if not name.startswith(f"{path}/")}
    testing.write(Example("", {**whole, name: data}), tmp_path)
    assert checked(tmp_path).verdict(Severity.ERROR) is not Verdict.PASS


BENIGN = [
    ("tokenizer.model", b"\x0a\x0e\x0a\x05<unk>\x15\0\0\0\0\x18\x02"),
    ("merges.txt", b"#version: 0.2\ni n\nt h\n"),
    ("vocab.txt", b"cat\ndog\nRabbit\n.\n"),
    ("vocab.txt", b"(\nVery\n]\n"),
    ("README.md", b"Python is a language.\n\nIt is.\n"),
    ("LICENSE", b"Copyright (c) 2020\n"),
    ("x.npy", ARRAY.replace(b"|O", b"f4")[:74] + bytes(4)),
    ("x.png", b"\x89PNG\r\n\x1a\n" + bytes(100)),
    ("old.py", b"print 'Python 2'\n"),
    ("flax_model.msgpack", bytes(range(128, 256))),
    ("voices/alloy.bin", bytes(range(1, 200))),
    # The first byte stops every unpickler, and torch takes a zip archive at byte 0 alone.
    ("model.bin", b" " + lfs.MAGIC + b"\n" + PICKLES[0]),
    ("model.bin", lfs.MAGIC + b"\n" + b"#" * lfs.MAX_BYTES + zipped(**{"a/data.pkl": PICKLES[2]})),
    ("model.tflite", b"\x1c\0\0\0TFL3" + bytes(100)),
    # Pickles that were followed to their end and only make data, and archives with nothing else in them.
    *((name, pickle.dumps(DATA, protocol)) for name in ("vocab.pkl", "weights", "x.bin") for protocol in range(5)),
    *((f"vocab{suffix}", pack(pickle.dumps(DATA))) for suffix, pack in PACKERS.items()),
    ("notes.docx", zipped(**{"word/document.xml": b"<?xml version='1.0'?><a/>", "word/media/a.png": b"\x89PNG\r\n"})),
    ("x.npz", zipped(**{"a.npy": ARRAY.replace(b"|O", b"f4")[:74] + bytes(4)})),
    ("texts.tar", tarred(b"some text\n")),
    ("texts.json.gz", gzip.compress(b'{"a": 1}')),
    ("optimizer.pt", zipped(**{"m/data.pkl": b"\x80\x02}X\x05\0\0\0state}s.", "m/version": b"3\n"})),
]


@pytest.mark.parametrize(("name", "data"), BENIGN, ids=[f"{n} {name}" for n, (name, _) in enumerate(BENIGN)])
def test_what_runs_nothing_passes(name: str, data: bytes, tmp_path: Path, checked: Checked) -> None:
    testing.write(Example("", {**WHOLE, name: data}), tmp_path)
    assert checked(tmp_path).verdict(Severity.ERROR) is Verdict.PASS


def test_a_file_that_its_reader_refuses_and_no_finding_explains(tmp_path: Path, checked: Checked) -> None:
    testing.write(Example("", {**WHOLE, "weights.data": b"\x04\0\0\0\0\0\0\0{abc" + bytes(100)}), tmp_path)
    report = checked(tmp_path)
    assert {(skipped.path, skipped.reason) for skipped in report.skipped} == {("weights.data", Reason.INVALID)}


def test_every_file_is_counted_once(tmp_path: Path, checked: Checked) -> None:
    """In the examples of all rules: checked and not checked are all files, and the line that says so adds up."""
    examples = [example for rule in registry.load() for example in (*rule.bad, *rule.good)]
    for number, example in enumerate(examples):
        folder = tmp_path / str(number)
        folder.mkdir()
        testing.write(example, folder)
        report = checked(folder)
        files = {entry.path for entry in tree.scan(str(folder)).entries}
        skipped = [entry.path for entry in report.skipped if entry.path != "."]
        assert len(skipped) == len(set(skipped)), example.title
        assert set(skipped) <= files, example.title
        assert report.checked + len(skipped) == len(files), example.title
        total, _, parts = text.covered(report).partition(" file")
        assert int(total) == sum(int(part.split()[0]) for part in parts.partition(": ")[2].split(", ")), example.title
        assert {located.finding.at.path for located in report.findings} - files <= {".", *folders(files)}, example.title


def folders(files: set[str]) -> set[str]:
    return {str(folder) for file in files for folder in Path(file).parents}
