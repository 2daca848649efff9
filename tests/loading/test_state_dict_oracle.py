"""hfcheck against transformers and torch: what `from_pretrained` does with a `.bin`, whatever `torch.save` put into it.

A tiny Llama is saved in odd ways, with and without the precision in its config: transformers looks for it in the file
then, and stumbles over other things.
"""

import gzip
import io
import json
import zipfile
from collections import OrderedDict, defaultdict
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest

from hfcheck import testing
from hfcheck.example import TorchLegacy, TorchZip
from hfcheck.example_models import LLAMA
from hfcheck.facts import units
from hfcheck.loading.judge import Load
from hfcheck.repository import scan

pytestmark = pytest.mark.loader

HEAD, NORM = "lm_head.weight", "model.norm.weight"
State = dict[str, Any]

OBJECTS: Mapping[str, Callable[[Any, State], object]] = {
    "a plain dictionary": lambda _, state: state,
    "an ordered one": lambda _, state: OrderedDict(state),
    "one of another class": lambda _, state: defaultdict(list, state),
    "a checkpoint of a trainer": lambda _, state: {"state_dict": state, "epoch": 3},
    "a checkpoint with an optimizer": lambda _, state: {"optimizer": {"state": {}, "lr": 0.1}, "model": state},
    "numbers and dictionaries behind the tensors": lambda _, state: {**state, "epoch": 3, "args": {"a": [1]}},
    "a number before the tensors": lambda _, state: {"epoch": 3, **state},
    "a tensor of integers before a number": lambda torch, state: {"step": torch.tensor(3), "epoch": 3, **state},
    "a number under the name of a parameter": lambda _, state: {**state, NORM: 3},
    "a dictionary under the name of a parameter": lambda _, state: {**state, NORM: {"a": 1}},
    "nothing under the name of a parameter": lambda _, state: {**state, NORM: None},
    "a number as a name": lambda torch, state: with_key(state, 5, torch),
    "bytes as a name": lambda torch, state: with_key(state, b"x", torch),
    "a list": lambda _, state: list(state.values()),
    "a list of pairs": lambda _, state: list(state.items()),
    "a tensor": lambda torch, _: torch.zeros(3),
    "a number": lambda _torch, _state: 3,
    "nothing": lambda _torch, _state: None,
    "an empty dictionary": lambda _torch, _state: {},
    "parameters": lambda torch, state: {name: torch.nn.Parameter(value) for name, value in state.items()},
    "a sparse tensor": lambda _, state: {**state, HEAD: state[HEAD].to_sparse()},
    "a sparse tensor that is not needed": lambda _, state: {**state, "x": state[HEAD].to_sparse()},
    "a tensor without data": lambda torch, state: {**state, HEAD: torch.empty(16, 8, device="meta")},
    "a transposed one": lambda _, state: {**state, HEAD: state[HEAD].t().contiguous().t()},
    "one number for all": lambda torch, state: {**state, NORM: torch.ones(1).expand(8)},
    "a part of a larger one": lambda torch, state: {**state, NORM: torch.ones(100)[20:28]},
    "two names for one": lambda _, state: {**state, HEAD: state["model.embed_tokens.weight"]},
    "a type without a storage": lambda torch, state: {**state, NORM: torch.ones(8).to(torch.float8_e4m3fn)},
    "complex numbers": lambda torch, state: {**state, HEAD: state[HEAD].to(torch.complex128)},
    "another shape": lambda torch, state: {**state, NORM: torch.ones(7)},
    "a tensor less": lambda _, state: {name: value for name, value in state.items() if name != NORM},
    "an object of Python": lambda _, state: {**state, "path": Path("x")},
    "a module": lambda torch, _: torch.nn.Linear(2, 2),
    "a set, and a size": lambda torch, state: {**state, "ids": {1, 2}, "size": torch.Size([1])},
    "a type": lambda torch, state: {**state, "dtype": torch.bfloat16},
}

SIZES, LARGER = b"K\x00(K\x10K\x08t(K\x08K\x01t", b"K\x00(K\x10K\x09t(K\x09K\x01t"
FEWER, MINUS = b"K\x00(K\x10K\x08t(K\x08t", b"K\x00(J\xff\xff\xff\xffK\x08t(K\x08K\x01t"
"""Offset, sizes and strides of the first tensor in the pickle, and what is put in their place."""

ANOTHER = b"\x80\x02cos\nsystem\nX\x04\x00\x00\x00true\x85R."
TWICE = b"X\x0a\x00\x00\x00model.normK\x03s."

FILES: Mapping[str, Callable[[bytes], bytes]] = {
    "without a storage": lambda data: without(data, "archive/data/0"),
    "with a storage that nobody uses": lambda data: edited(data, "archive/data/99", lambda _: b"1234"),
    "with a compressed pickle": lambda data: edited(data, "archive/data.pkl", bytes, zipfile.ZIP_DEFLATED),
    "with sizes beyond the storage": lambda data: data.replace(SIZES, LARGER, 1),
    "with an offset": lambda data: data.replace(SIZES, b"K\x01" + SIZES[2:], 1),
    "with fewer strides": lambda data: edited(data, "archive/data.pkl", lambda old: old.replace(SIZES, FEWER, 1)),
    "with a negative size": lambda data: edited(data, "archive/data.pkl", lambda old: old.replace(SIZES, MINUS, 1)),
    "without the version": lambda data: without(data, "archive/version"),
    "with another pickle behind its own": lambda data: edited(data, "archive/data.pkl", lambda old: old + ANOTHER),
    "with an entry twice": lambda data: edited(data, "archive/data.pkl", lambda old: old[:-1] + TWICE),
    "in upper case": lambda data: data.replace(b"archive/data.pkl", b"archive/DATA.PKL"),
    "that is compressed once more": gzip.compress,
    "that is cut off": lambda data: data[:-30],
    "that is a pickle alone": lambda _: b"\x80\x02}.",
    "that is text": lambda _: b"weights",
}
UNKNOWN = {"a list", "a list of pairs"}
"""What hfcheck leaves open."""


def edited(data: bytes, name: str, change: Callable[[bytes], bytes], method: int = zipfile.ZIP_STORED) -> bytes:
    """The archive with another content of one member, or with one more."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(data)) as old, zipfile.ZipFile(buffer, "w") as new:
        for member in old.namelist():
            content, how = (change(old.read(member)), method) if member == name else (old.read(member), 0)
            new.writestr(zipfile.ZipInfo(member, testing.EPOCH), content, how)
        if name not in old.namelist():
            new.writestr(zipfile.ZipInfo(name, testing.EPOCH), change(b""), method)
    return buffer.getvalue()


def without(data: bytes, name: str) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(data)) as old, zipfile.ZipFile(buffer, "w") as new:
        for member in old.namelist():
            if member != name:
                new.writestr(zipfile.ZipInfo(member, testing.EPOCH), old.read(member))
    return buffer.getvalue()


def with_key(state: State, key: object, torch: Any) -> dict[object, object]:  # noqa: ANN401 - a module
    saved: dict[object, object] = {}
    saved.update(state)
    saved[key] = torch.zeros(2)
    return saved


def config(dtype: str | None) -> dict[str, Any]:
    return {**LLAMA, **({"dtype": dtype} if dtype else {})}


def said(folder: Path) -> Load:
    (facts,) = units(scan(str(folder)))
    return facts.load


def done(folder: Path) -> tuple[str, set[str], set[str]]:
    """What the real loader does: the outcome, and the names that it reports as missing and as unexpected."""
    transformers = pytest.importorskip("transformers")
    try:
        _, info = transformers.LlamaForCausalLM.from_pretrained(str(folder), output_loading_info=True)
    except Exception:  # noqa: BLE001 - torch and transformers raise whatever comes up
        return "raises", set(), set()
    missing, unexpected = set(info["missing_keys"]), set(info["unexpected_keys"])
    return "loads-reinitialised" if missing else "loads", missing, unexpected


@pytest.fixture(scope="module")
def state() -> State:
    transformers = pytest.importorskip("transformers")
    model = transformers.LlamaForCausalLM(transformers.LlamaConfig(**config(None)))
    return dict(model.state_dict())


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("dtype", [None, "float32"], ids=["open", "declared"])
@pytest.mark.parametrize("legacy", [False, True], ids=["zip", "legacy"])
@pytest.mark.parametrize("name", OBJECTS)
def test_object(name: str, dtype: str | None, tmp_path: Path, state: State, *, legacy: bool) -> None:
    torch = pytest.importorskip("torch")
    saved = OBJECTS[name](torch, state)
    torch.save(saved, tmp_path / "pytorch_model.bin", _use_new_zipfile_serialization=not legacy)
    compare(name, dtype, tmp_path)


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("dtype", [None, "float32"], ids=["open", "declared"])
@pytest.mark.parametrize("name", FILES)
def test_file(name: str, dtype: str | None, tmp_path: Path, state: State) -> None:
    tensors = {key: ("F32", [*value.shape]) for key, value in state.items()}
    data = FILES[name](testing.to_bytes("", TorchZip(tensors)))
    (tmp_path / "pytorch_model.bin").write_bytes(data)
    compare(name, dtype, tmp_path)


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("kind", [TorchZip, TorchLegacy])
@pytest.mark.parametrize(
    "change", [lambda old: old + bytes(3), lambda old: old[:-4], lambda old: old.replace(SIZES, LARGER)]
)
def test_damage_in_both_formats(
    kind: type[TorchZip], change: Callable[[bytes], bytes], tmp_path: Path, state: State
) -> None:
    tensors = {key: ("F32", [*value.shape]) for key, value in state.items()}
    (tmp_path / "pytorch_model.bin").write_bytes(change(testing.to_bytes("", kind(tensors))))
    compare("", None, tmp_path)


def compare(name: str, dtype: str | None, folder: Path) -> None:
    (folder / "config.json").write_text(json.dumps(config(dtype)))
    load = said(folder)
    if name in UNKNOWN:
        assert load.outcome == "not-checked"
        return
    outcome, missing, unexpected = done(folder)
    assert load.outcome == outcome, load.reason
    if outcome != "raises":
        assert (set(load.missing), set(load.unexpected)) == (missing, unexpected)
