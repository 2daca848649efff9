"""Weight files that are really read: what is found in them, and what becomes of files and processes that break."""

import os
import struct
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from hashlib import sha256
from pathlib import Path

import pytest

from hfcheck import testing
from hfcheck.example import Content, Example, Pointer, Replace, TorchLegacy, TorchZip
from hfcheck.placement.rehearsed import Advance, FileRead, Promise
from hfcheck.rehearsal.rehearse import rehearse

from .conftest import Worker, facts_of

FILE = "model.safetensors"
NAN = struct.pack("<f", float("nan"))
TENSORS: dict[str, Content] = {"a.weight": ("F32", [4, 8]), "a.bias": ("F32", [8])}
BROKEN = Replace(TENSORS, bytes(160), bytes(120) + NAN + bytes(36))
"""A NaN at index 30 of the matrix."""

WITHOUT_PACKAGES = 'exec {python} -S "$@"'


def write(folder: Path, files: dict[str, Content]) -> Path:
    testing.write(Example("", files), folder)
    return folder


def read(folder: Path, *, digest: bool = False) -> FileRead:
    (file,) = rehearse(facts_of(folder), digest=digest).files
    return file


def test_a_file_and_its_digest(tmp_path: Path) -> None:
    file = read(write(tmp_path, {FILE: BROKEN}), digest=True)
    content = (tmp_path / FILE).read_bytes()
    assert (file.read, file.size, file.failed, file.scanned) == (len(content), len(content), "", 2)
    assert file.sha256 == sha256(content).hexdigest()
    (seen,) = file.non_finite
    assert (seen.tensor, seen.word, seen.nan, seen.inf, seen.first, seen.elements) == ("a.weight", "NaN", 1, 0, 30, 32)
    assert content[seen.offset : seen.offset + 4] == NAN
    assert file.zero == ("a.bias",)


def test_random_values_beside_numpy(tmp_path: Path) -> None:
    numpy = pytest.importorskip("numpy")
    from benchmarks.placement.planted import planted  # noqa: PLC0415 - it imports numpy

    made = planted(tmp_path / FILE, numpy.random.default_rng(7), 17 * 2**20)
    found = rehearse(facts_of(tmp_path))
    assert found.scanner.startswith("numpy ")
    (file,) = found.files
    assert {one.tensor: (one.nan, one.inf, one.negative_inf) for one in file.non_finite} == {
        name: census[:3] for name, census in made.non_finite.items()
    }
    assert set(file.zero) == made.zero


def test_without_packages(tmp_path: Path, interpreter: Callable[[str], None]) -> None:
    interpreter(WITHOUT_PACKAGES)
    found = rehearse(facts_of(write(tmp_path, {FILE: BROKEN})))
    assert found.scanner == "the standard library"
    assert [(one.tensor, one.first) for one in found.files[0].non_finite] == [("a.weight", 30)]
    assert found.files[0].zero == ("a.bias",)


@pytest.mark.parametrize("form", [TorchZip, TorchLegacy])
def test_files_of_torch(form: type[TorchZip], tmp_path: Path) -> None:
    tensors = {"a.weight": ("F32", [4, 8]), "b.weight": ("F16", [4, 8])}
    content = Replace(form(tensors, tied={"c.weight": "a.weight"}), bytes(128), bytes(60) + b"\xff" * 8 + bytes(60))
    file = read(write(tmp_path, {"pytorch_model.bin": content}))
    assert [(one.tensor, one.word) for one in file.non_finite] == [("a.weight", "NaN")]
    assert (file.zero, file.scanned, file.unscanned) == (("b.weight",), 2, ())
    assert file.read == file.size


def test_what_is_read_and_not_understood(tmp_path: Path) -> None:
    file = read(write(tmp_path, {FILE: "version"}), digest=True)
    assert (file.failed, file.read, file.scanned) == ("", 7, 0)
    assert file.sha256 == sha256(b"version").hexdigest()
    assert file.unscanned == (("what is in the file is not known", 0),)


def test_a_pointer_is_not_read(tmp_path: Path) -> None:
    found = rehearse(facts_of(write(tmp_path, {FILE: Pointer(100)})))
    assert not found.files
    assert [(skip.path, skip.what) for skip in found.skipped] == [(FILE, "the file")]


def test_scales_that_are_stored_as_whole_numbers(tmp_path: Path) -> None:
    """MXFP4: a scale of 0xff is a NaN, and a block of 0xff is 32 numbers."""
    tensors: dict[str, Content] = {"w_blocks": ("U8", [2, 16]), "w_scales": ("U8", [2]), "x_scales": ("U8", [2])}
    file = read(write(tmp_path, {FILE: Replace(tensors, bytes(36), b"\xff" * 36)}))
    assert [(one.tensor, one.nan) for one in file.non_finite] == [("w_scales", 2)]


def test_the_digest_that_the_download_cache_gives(tmp_path: Path) -> None:
    right, wrong = "", "0" * 64
    snapshot = tmp_path / "models--a--b" / "snapshots" / "c0ffee"
    blobs = snapshot.parents[1] / "blobs"
    snapshot.mkdir(parents=True)
    blobs.mkdir()
    content = testing.to_bytes(FILE, TENSORS)
    right = sha256(content).hexdigest()
    for name in (right, wrong):
        (blobs / name).write_bytes(content)
        (snapshot / FILE).unlink(missing_ok=True)
        (snapshot / FILE).symlink_to(f"../../blobs/{name}")
        file = read(snapshot, digest=True)
        assert (file.sha256, file.promised) == (right, Promise(name))


def test_a_file_that_was_replaced(tmp_path: Path) -> None:
    facts = facts_of(write(tmp_path, {FILE: BROKEN}))
    assert facts.loaded_headers
    (tmp_path / "other").write_bytes((tmp_path / FILE).read_bytes())
    (tmp_path / "other").replace(tmp_path / FILE)
    (file,) = rehearse(facts).files
    assert (file.failed, file.read) == ("it is not the file that was listed", 0)


def test_a_link_that_took_the_place_of_a_file(tmp_path: Path) -> None:
    (tmp_path / "outside").write_bytes(testing.to_bytes(FILE, TENSORS))
    inside = tmp_path / "model"
    inside.mkdir()
    facts = facts_of(write(inside, {FILE: BROKEN}))
    assert facts.loaded_headers
    (inside / FILE).unlink()
    (inside / FILE).symlink_to("../outside")
    (file,) = rehearse(facts).files
    assert file.read == 0
    assert file.failed


@pytest.mark.parametrize("size", [2**20, 2**30])
def test_a_file_that_changes_while_it_is_read(size: int, tmp_path: Path) -> None:
    large: dict[str, Content] = {"a": ("U8", [0])}
    write(tmp_path, {FILE: large})
    header = b'{"a":{"dtype":"U8","shape":[%d],"data_offsets":[0,%d]}}' % (2**28, 2**28)
    (tmp_path / FILE).write_bytes(struct.pack("<Q", len(header)) + header)
    os.truncate(tmp_path / FILE, 8 + len(header) + 2**28)

    @contextmanager
    def while_reading(length: int) -> Iterator[Advance]:
        assert length == 8 + len(header) + 2**28
        yield lambda _: os.truncate(tmp_path / FILE, size)

    (file,) = rehearse(facts_of(tmp_path), progress=while_reading).files
    assert file.failed in {"it ends earlier than when it was listed", "it changed while it was read"}
    assert file.sha256 is None


SHARDS = {
    "model.safetensors.index.json": {"metadata": {}, "weight_map": {"a": "one.safetensors", "b": "two.safetensors"}},
    "one.safetensors": {"a": ("F32", [4, 8])},
    "two.safetensors": {"b": ("F32", [4, 8])},
}


@pytest.mark.parametrize(
    ("end", "how"),
    [
        ("os.kill(os.getpid(), 11)", "was ended by SIGSEGV"),
        ("sys.exit(3)", "ended with exit code 3"),
        ("bytearray(2**40)", "ended with exit code 1"),
        ("say(at=-1, scanned=0, found=[], zero=[]); scan.look(window, position, end)", "gave no proper answer"),
        ('say(done=1, scanned=0, found=[[7, 0, 0, 0, "NaN", 0]], zero=[])', "gave no proper answer"),
    ],
)  # fmt: skip
def test_a_process_that_dies_on_a_file(end: str, how: str, tmp_path: Path, worker: Worker) -> None:
    """The next file is read by another process, and what was known of the first is kept."""
    worker("read", "scan.look(window, position, end)", f"{end} if size == 128 + {_header_size()} else None")
    facts = facts_of(write(tmp_path, SHARDS))
    found = rehearse(facts)
    assert [file.path for file in found.files] == ["one.safetensors", "two.safetensors"]
    for file in found.files:
        assert file.failed.startswith(f"the process that reads {how}"), file.failed


def _header_size() -> int:
    return len(testing.to_bytes("one.safetensors", SHARDS["one.safetensors"])) - 128


def test_a_process_that_never_begins(tmp_path: Path, interpreter: Callable[[str], None]) -> None:
    interpreter("exit 5")
    found = rehearse(facts_of(write(tmp_path, {f"{number}": "" for number in range(2)} | SHARDS)))
    assert [file.failed for file in found.files] == ["the process that reads ended with exit code 5"] * 2
    assert not found.scanner


def test_a_process_that_says_nothing(
    tmp_path: Path, interpreter: Callable[[str], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("hfcheck.rehearsal.rehearse.PATIENCE", 0.2)
    interpreter("exec sleep 60")
    file = read(write(tmp_path, {FILE: TENSORS}))
    assert file.failed == "the process that reads gave no answer for 0.2 seconds"


def test_no_interpreter(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.executable", "")
    file = read(write(tmp_path, {FILE: TENSORS}))
    assert file.failed == "the process that reads cannot be started: it is not known which Python runs here"


def test_nothing_of_a_stranger_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    mark = tmp_path / "mark"
    write(tmp_path, {FILE: TENSORS})
    for name in ("numpy", "torch", "hashlib", "sitecustomize", "json"):
        (tmp_path / f"{name}.py").write_text(f"open({str(mark)!r}, 'w')")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    assert not read(tmp_path).failed
    assert not mark.exists()
