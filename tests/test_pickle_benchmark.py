"""The sets of benchmarks/pickle: the assembler and the archives are right where they do not lie."""

import io
import pickle
import tarfile
import zipfile
from collections import Counter
from pathlib import Path

import pytest

from benchmarks.pickle import archives, assembler, torch_files
from benchmarks.pickle.benign.twins import twins
from benchmarks.pickle.hostile import samples
from benchmarks.pickle.hostile.wrapped import lz4, seven_zip

VALUE = {"a": [1, -5, 300, 70_000, 1.5, True, None], "b": ("x", ("\u00e9\n",), ()), "c": {}}


@pytest.mark.parametrize("protocol", range(6))
def test_the_assembler_writes_what_unpicklers_read(protocol: int) -> None:
    assert pickle.loads(assembler.pickle(VALUE, protocol)) == VALUE


def test_frames_and_long_values() -> None:
    assert pickle.loads(assembler.pickle([b"x" * 300, "y" * 300, 2**70], 5)) == [b"x" * 300, "y" * 300, 2**70]


def test_honest_archives_are_sound() -> None:
    data = archives.zip_(archives.Member("a/b", b"text"), archives.Member("c", b"c" * 99, archives.DEFLATED))
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        assert archive.testzip() is None
        assert archive.read("c") == b"c" * 99
    for magic in (b"ustar\x0000", b""):
        with tarfile.open(fileobj=io.BytesIO(archives.tar(("a", b"text"), magic=magic))) as tar:
            assert tar.getnames() == ["a"]


def test_sparse_archives_are_sound(tmp_path: Path) -> None:
    path = tmp_path / "a.zip"
    archives.write_sparse(path, archives.Member("a", b"text"), archives.Member("hole"), holes={"hole": 1000})
    with zipfile.ZipFile(path) as archive:
        assert archive.getinfo("hole").file_size == 1000
        assert archive.read("a") == b"text"


def test_honest_torch_files_load() -> None:
    torch = pytest.importorskip("torch")
    state = {"weight": torch_files.tensor()}
    zipped = torch_files.archive(assembler.pickle(state, 2))
    for data in (zipped, torch_files.legacy()):
        loaded = torch.load(io.BytesIO(data), weights_only=True)
        assert loaded["weight"].tolist() == [0.5] * 4


def test_benign_twins_of_torch_files_load() -> None:
    torch = pytest.importorskip("torch")
    for twin in twins():
        if twin.group == "twins_torch":
            loaded = torch.load(io.BytesIO(twin.data), weights_only=True)
            assert loaded["weight"].tolist() == [0.5] * 4, twin.name


def test_unpicklers_agree_on_benign_twins() -> None:
    for twin in twins():
        if twin.group == "twins_pickle":
            in_python = pickle._Unpickler(io.BytesIO(twin.data)).load()  # noqa: SLF001
            assert repr(pickle.loads(twin.data)) == repr(in_python), twin.name


def test_wrappings() -> None:
    assert seven_zip("a", b"data").startswith(b"7z\xbc\xaf\x27\x1c")
    assert lz4(b"data")[11:15] == b"data"


def test_the_hostile_set_has_every_class_and_no_name_twice() -> None:
    made = list(samples())
    assert len({(sample.group, sample.name) for sample in made}) == len(made)
    assert len(made) >= 300
    assert min(Counter(sample.group for sample in made).values()) >= 7
