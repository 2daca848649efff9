"""Whatever the bytes, a reader gives facts or its one error."""

import contextlib
import importlib.util
import pkgutil
import subprocess
import sys
from collections.abc import Callable
from io import BytesIO
from pathlib import Path
from random import Random
from types import ModuleType
from typing import IO, Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hfcheck import formats
from hfcheck.formats import (
    card,
    gguf,
    gitattributes,
    index,
    jinja,
    json_,
    lfs,
    npy,
    onnx,
    pickle,
    pickle_bytes,
    pickled,
    python_,
    safetensors,
    sentencepiece,
    sniff,
    tar_,
    tekken,
    tiktoken,
    tokenizer_json,
    torchscript,
    vocabulary,
    zip_,
)
from hfcheck.formats.pickle_facts import Consumer
from hfcheck.formats.pickle_source import Source

FUZZ = Path(__file__).parents[2] / "tools" / "fuzz.py"


def _read_index(stream: IO[bytes]) -> index.IndexFacts:
    return index.read(json_.read(stream))


def _read_pickle(stream: IO[bytes]) -> int:
    return len(pickle.read(Source(stream), Consumer.PICKLE))


def _find_pickles(stream: IO[bytes]) -> pickled.PickledFacts | None:
    data = stream.read()
    kind, archive = sniff.content(data[: sniff.HEAD], len(data)), None
    if kind is sniff.Content.ZIP:
        with contextlib.suppress(zip_.ZipInvalid):
            archive = zip_.read(stream)
    pickled.read(stream, kind, archive, named=False)
    return pickled.read(stream, kind, archive, named=True)


def _read_pickled(stream: IO[bytes]) -> int:
    """What it finds may lie too deep for `repr`."""
    found = _find_pickles(stream)
    assert found is None or all(part.why.isprintable() for part in found.unread)
    assert found is None or all(oddity.detail.isprintable() for oddity in found.oddities)
    return len(found.pickles) if found is not None else 0


def _read_pickle_bytes(stream: IO[bytes]) -> int:
    found = _find_pickles(stream)
    return sum(len(pickle_bytes.read(stream, one)) for one in found.pickles) if found is not None else 0


READERS: dict[str, tuple[Callable[[IO[bytes]], object], tuple[type[formats.Invalid], ...]]] = {
    "safetensors": (safetensors.read, (safetensors.SafetensorsInvalid,)),
    "json_": (json_.read, (json_.JsonInvalid,)),
    "index": (_read_index, (json_.JsonInvalid, index.IndexInvalid)),
    "lfs": (lfs.read, (lfs.PointerInvalid,)),
    "gitattributes": (gitattributes.read, (gitattributes.AttributesInvalid,)),
    "python_": (python_.read, (python_.PythonInvalid,)),
    "zip_": (zip_.read, (zip_.ZipInvalid,)),
    "gguf": (gguf.read, (gguf.GgufInvalid,)),
    "onnx": (onnx.read, (onnx.OnnxInvalid,)),
    "pickle": (_read_pickle, ()),
    "pickle_bytes": (_read_pickle_bytes, (pickle_bytes.PickleBytesInvalid,)),
    "pickled": (_read_pickled, ()),
    "tar_": (tar_.read, (tar_.TarInvalid,)),
    "npy": (npy.read, (npy.NpyInvalid,)),
    "torchscript": (torchscript.read, (python_.PythonInvalid,)),
    "tokenizer_json": (tokenizer_json.read, (json_.JsonInvalid,)),
    "tekken": (tekken.read, (json_.JsonInvalid,)),
    "vocabulary": (vocabulary.read, (vocabulary.VocabularyInvalid,)),
    "tiktoken": (tiktoken.read, (tiktoken.TiktokenInvalid,)),
    "sentencepiece": (sentencepiece.read, (sentencepiece.SentencePieceInvalid,)),
    "jinja": (jinja.read, (jinja.TemplateInvalid,)),
    "card": (card.read, ()),
}


@pytest.fixture(scope="module")
def fuzz() -> ModuleType:
    spec = importlib.util.spec_from_file_location("fuzz", FUZZ)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules["fuzz"] = module  # its dataclasses look themselves up
    spec.loader.exec_module(module)
    return module


def found(name: str, data: bytes) -> object:
    """Facts or the error; anything else that is raised goes through."""
    read, errors = READERS[name]
    try:
        return read(BytesIO(data))
    except errors as error:
        return error


def check(name: str, data: bytes) -> None:
    result = found(name, data)
    if isinstance(result, formats.Invalid):
        assert 0 <= result.offset <= len(data)
        assert result.expected.isprintable(), "it becomes part of a message"
    else:
        assert repr(result)


@pytest.mark.parametrize("name", READERS)
@settings(max_examples=100, derandomize=True, deadline=None)
@given(st.binary(max_size=200))
def test_any_bytes(name: str, data: bytes) -> None:
    check(name, data)


@pytest.mark.parametrize("name", READERS)
@settings(max_examples=1000, derandomize=True, deadline=None)
@given(st.integers(0, 2**64))
def test_almost_valid_bytes(fuzz: ModuleType, name: str, seed: int) -> None:
    target, dice = fuzz.TARGETS[name], Random(seed)
    data = dice.choice(_seeds(fuzz, name))
    for _ in range(dice.choice((1, 1, 2, 5))):
        data = target.mutate(data, dice, target.words())
    check(name, data)


SEEDS: dict[str, Any] = {}


def _seeds(fuzz: ModuleType, name: str) -> Any:  # noqa: ANN401 - the module has no types here
    if name not in SEEDS:
        SEEDS[name] = fuzz.seeds(fuzz.TARGETS[name])
    return SEEDS[name]


@pytest.mark.parametrize("name", READERS)
def test_a_seed_is_read(fuzz: ModuleType, name: str) -> None:
    """Or the changes above would only ever meet the first line of the reader."""
    assert any(not isinstance(found(name, data), formats.Invalid) for data in _seeds(fuzz, name))


def test_every_reader_is_listed(fuzz: ModuleType) -> None:
    modules = [
        importlib.import_module(f"hfcheck.formats.{module.name}") for module in pkgutil.iter_modules(formats.__path__)
    ]
    assert {module.__name__.rsplit(".", 1)[-1] for module in modules if hasattr(module, "read")} == set(READERS)
    assert set(READERS) <= set(fuzz.TARGETS)


def test_the_tool_itself(tmp_path: Path) -> None:
    command = [
        sys.executable,
        str(FUZZ),
        "--seconds",
        "0.2",
        "--reader",
        "lfs",
        "--reader",
        "settings",
        "--save",
        str(tmp_path),
    ]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert [line.split(":")[0] for line in done.stdout.splitlines()[1:]] == ["lfs", "settings"]
    assert not list(tmp_path.iterdir())


def test_the_tool_finds_what_is_wrong(fuzz: ModuleType, tmp_path: Path) -> None:
    tally = fuzz.Tally()
    one = fuzz.measured("example", lambda data: 1 / (data != b"\0"), tally, tmp_path)
    for data in (b"a", b"\0", b"\0"):
        one(data)
    assert (tally.inputs, len(tally.faults)) == (3, 1)
    assert bytes.fromhex((tmp_path / "example-1.hex").read_text()) == b"\0"
