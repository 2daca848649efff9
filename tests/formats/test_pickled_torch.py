"""Files of torch as `torch.load` reads them: zip, the five pickles of before 1.6, tar, and TorchScript.

The rows of the table of archives are made of a plain one by changes of a few bytes; what torch makes of each is noted
in `hfcheck.formats.zip_kinds`.
"""

import io
import pickle
import struct
import tarfile
import zipfile
import zlib
from collections.abc import Callable
from pathlib import Path

import pytest

from hfcheck.formats import pickled, torch_legacy, zip_
from hfcheck.formats.pickle_facts import Consumer
from hfcheck.formats.pickled import OddityKind, PickledFacts
from hfcheck.formats.sniff import Content
from hfcheck.formats.zip_ import Kind

Unpickled = Callable[..., PickledFacts | None]

CALL = b"\x80\x02cos\nsystem\nX\x13\0\0\0echo hfcheck-marker\x85R."
HARMLESS = b"\x80\x02}q\x00."
SYSTEM = ("os", "system")


def zipped(*members: tuple[str, bytes], method: int = zipfile.ZIP_STORED) -> bytes:
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w", method) as archive:
        for name, data in members:
            archive.writestr(zipfile.ZipInfo(name), data, method)
    return stream.getvalue()


def torch_zip(pickled: bytes = CALL, *more: tuple[str, bytes], method: int = zipfile.ZIP_STORED) -> bytes:
    return zipped(("m/data.pkl", pickled), *more, ("m/data/0", bytes(8)), ("m/version", b"3\n"), method=method)


def calls(facts: PickledFacts | None) -> list[str | None]:
    """The members with a call of `os.system`, by name."""
    assert facts is not None
    return [found.member for found in facts.pickles if SYSTEM in {(use.module, use.name) for use in found.globals}]


def central(data: bytes, name: bytes, at: int, new: bytes) -> bytes:
    """The archive with other bytes in the entry of a member in the directory."""
    place = data.rindex(b"PK\x01\x02", 0, data.rindex(name)) + at
    return data[:place] + new + data[place + len(new) :]


def local(data: bytes, name: bytes, at: int, new: bytes) -> bytes:
    place = data.rindex(b"PK\x03\x04", 0, data.index(name)) + at
    return data[:place] + new + data[place + len(new) :]


PLAIN = torch_zip()
NAME = b"m/data.pkl"
COUNT = PLAIN.rindex(b"PK\x05\x06") + 8

ROWS: dict[str, bytes] = {
    "stored": PLAIN,
    "deflated": torch_zip(method=zipfile.ZIP_DEFLATED),
    "bzip2": torch_zip(method=zipfile.ZIP_BZIP2),
    "lzma": torch_zip(method=zipfile.ZIP_LZMA),
    "encrypted, it says": central(PLAIN, NAME, 8, b"\x01\x00"),
    "a method that nobody knows": central(PLAIN, NAME, 10, b"\x61\x00"),
    "a local header without its magic number": local(PLAIN, NAME, 0, b"XX"),
    "a directory that leads elsewhere": central(PLAIN, NAME, 42, b"\x07\0\0\0"),
    "patched": central(PLAIN, NAME, 8, b"\x20\x00"),
    "masked": central(PLAIN, NAME, 8, b"\x00\x20"),
    "directory bit": central(PLAIN, NAME, 38, b"\x10"),
    "encrypted in the local header alone": local(PLAIN, NAME, 6, b"\x01"),
    "another method in the local header alone": local(PLAIN, NAME, 8, b"\x08"),
    "another size in the local header alone": local(PLAIN, NAME, 22, b"\x01\0\0\0"),
    "another name in the local header alone": local(PLAIN, NAME, 30, b"m/data.txt"),
    "version needed 255": central(PLAIN, NAME, 6, b"\xff"),
    "fewer entries counted": PLAIN[:COUNT] + b"\x01\0\x01\0" + PLAIN[COUNT + 4 :],
    "more entries counted": PLAIN[:COUNT] + b"\x09\0\x09\0" + PLAIN[COUNT + 4 :],
    "a comment": PLAIN[:-2] + b"\x04\0text",
    "1000 bytes behind it": PLAIN + bytes(1000),
    "64 KiB behind it": PLAIN + bytes(70_000),
    "bytes in front of it": b"\xff\xff" + PLAIN,
    "two archives": zipped(("a/b.txt", b"x")) + PLAIN,
    "two archives, the other way": PLAIN + zipped(("a/b.txt", b"x")),
    "damaged end record": PLAIN.replace(b"PK\x05\x06", b"PK\x05\x00"),
    "a second root": torch_zip(HARMLESS, ("n/data.pkl", CALL)),
    "two levels": zipped(("a/b/data.pkl", CALL), ("a/b/version", b"3\n")),
    "no root": zipped(("data.pkl", CALL), ("version", b"3\n")),
    "a root with dots": zipped(("../data.pkl", CALL), ("../version", b"3\n")),
    "a root that is not ASCII": zipped(("é/data.pkl", CALL), ("é/version", b"3\n")),
    "a folder first": zipped(("m/", b""), ("m/data.pkl", CALL), ("m/version", b"3\n")),
    "no version": zipped(("m/data.pkl", CALL)),
    "twins but for the case": torch_zip(HARMLESS, ("m/DATA.PKL", CALL)),
    "a pickle behind STOP": torch_zip(HARMLESS + CALL),
    "constants": torch_zip(HARMLESS, ("m/constants.pkl", CALL)),
    "another pickle, of any name": torch_zip(HARMLESS, ("m/extra/notes.txt", CALL)),
    "a tensor whose name is no number": torch_zip(HARMLESS, ("m/data/x", CALL)),
}


@pytest.mark.parametrize("row", ROWS)
def test_the_pickle_is_interpreted(unpickled: Unpickled, row: str) -> None:
    assert calls(unpickled(ROWS[row], named=True)), row


def test_every_copy_is_interpreted(unpickled: Unpickled) -> None:
    for first, second in ((HARMLESS, CALL), (CALL, HARMLESS)):
        with pytest.warns(UserWarning, match="Duplicate"):
            data = torch_zip(first, ("m/data.pkl", second))
        facts = unpickled(data)
        assert calls(facts) == ["m/data.pkl"]
        assert facts is not None
        assert [found.member for found in facts.pickles] == ["m/data.pkl"] * 2


def test_a_checksum_that_is_wrong(unpickled: Unpickled) -> None:
    facts = unpickled(PLAIN.replace(b"marker", b"MARKER"))
    assert calls(facts) == ["m/data.pkl"]
    assert facts is not None
    assert [difference.kind for difference in facts.differences] == [Kind.CRC]
    intact = unpickled(PLAIN)
    assert intact is not None
    assert intact.differences == ()


def test_no_tensor_is_read() -> None:
    """Of an archive of a gigabyte the directory is read, and the pickle."""

    class Counted(io.BytesIO):
        total = 0

        def read(self, size: int | None = -1, /) -> bytes:
            data = super().read(size)
            self.total += len(data)
            return data

    data = zipped(("m/data.pkl", HARMLESS), *((f"m/data/{n}", bytes(2**20)) for n in range(30)), ("m/version", b"3\n"))
    stream = Counted(data)
    archive = zip_.read(stream)
    directory = stream.total
    pickled.read(stream, Content.ZIP, archive, named=True)
    assert stream.total - directory < 2**15


def test_an_archive_of_torch_says_so(unpickled: Unpickled) -> None:
    facts = unpickled(PLAIN)
    assert facts is not None
    assert facts.consumer is Consumer.TORCH_ZIP
    assert facts.complete
    begin = PLAIN.index(CALL)
    assert (facts.pickles[0].origin, facts.pickles[0].place(2)) == (begin, begin + 2)


def test_the_other_byte_order(unpickled: Unpickled) -> None:
    for order, kinds in ((b"little", []), (b"big", [OddityKind.BYTEORDER])):
        facts = unpickled(torch_zip(HARMLESS, ("m/byteorder", order)))
        assert facts is not None
        assert [oddity.kind for oddity in facts.oddities] == kinds


# Files of before torch 1.6.

PARTS = [
    pickle.dumps(torch_legacy.MAGIC, 2),
    pickle.dumps(1001, 2),
    pickle.dumps({"protocol_version": 1001, "little_endian": True, "type_sizes": {}}, 2),
    b"\x80\x02(X\x07\0\0\0storagectorch\nFloatStorage\nX\x01\0\0\x000X\x03\0\0\0cpuK\x02NtQ.",
    pickle.dumps(["0"], 2),
]
STORAGE = struct.pack("<q", 2) + bytes(8)


def legacy(parts: list[bytes] = PARTS, storages: bytes = STORAGE) -> bytes:
    return b"".join(parts) + storages


def test_five_pickles(unpickled: Unpickled) -> None:
    facts = unpickled(legacy())
    assert facts is not None
    assert facts.consumer is Consumer.TORCH_LEGACY
    assert facts.complete
    assert facts.oddities == ()
    assert [found.number for found in facts.pickles] == [0, 1, 2, 3, 4]
    ends = [sum(map(len, PARTS[:n])) for n in range(5)]
    assert [found.offset for found in facts.pickles] == ends


@pytest.mark.parametrize("number", range(5))
def test_a_call_in_each_of_them(unpickled: Unpickled, number: int) -> None:
    parts = [*PARTS[:number], CALL[:-1] + b"0" + PARTS[number][2:], *PARTS[number + 1 :]]
    facts = unpickled(legacy(parts), named=True)
    assert len(calls(facts)) == 1
    assert facts is not None
    assert SYSTEM in {(use.module, use.name) for use in facts.pickles[number].globals}


@pytest.mark.parametrize(
    ("title", "magic"),
    [
        ("another number", pickle.dumps(7, 2)),
        ("computed", b"\x80\x02cbuiltins\nint\nX\x02\0\0\0aa\x85R."),
        ("in another opcode", b"I119547037146038801333356\n."),
        ("in text", pickle.dumps(torch_legacy.MAGIC, 0)),
    ],
)
def test_the_magic_number(unpickled: Unpickled, title: str, magic: bytes) -> None:
    parts = [magic, *PARTS[1:3], CALL, PARTS[4]]
    facts = unpickled(legacy(parts), named=True)
    assert len(calls(facts)) == 1
    assert facts is not None
    assert facts.consumer is Consumer.TORCH_LEGACY
    kinds = [oddity.kind for oddity in facts.oddities if oddity.kind is OddityKind.MAGIC]
    assert kinds == ([OddityKind.MAGIC] if title in ("another number", "computed") else [])


def test_what_does_not_add_up(unpickled: Unpickled) -> None:
    big = pickle.dumps({"protocol_version": 1001, "little_endian": False}, 2)
    for data, kind in (
        (legacy(storages=STORAGE[:-1]), OddityKind.TRUNCATED),
        (legacy(storages=b""), OddityKind.TRUNCATED),
        (legacy(storages=struct.pack("<q", 2**60)), OddityKind.TRUNCATED),
        (legacy(storages=STORAGE + b"more"), OddityKind.TRAILING),
        (legacy([*PARTS[:2], big, *PARTS[3:]]), OddityKind.BYTEORDER),
        (legacy([*PARTS[:4], pickle.dumps(["unknown"], 2)]), OddityKind.STORAGE),
    ):
        facts = unpickled(data)
        assert facts is not None
        assert [oddity.kind for oddity in facts.oddities] == [kind]


def test_a_call_behind_the_storages(unpickled: Unpickled) -> None:
    assert len(calls(unpickled(legacy() + CALL))) == 1
    assert len(calls(unpickled(legacy() + legacy([*PARTS[:3], CALL, PARTS[4]])))) == 1


def test_a_class_with_its_source(unpickled: Unpickled) -> None:
    """`('module', class, file, source)` stands for the class, so that what is called is the class."""
    called = b"\x80\x02(X\x06\0\0\0modulecos\nsystem\nX\x01\0\0\0fX\x01\0\0\0stQX\x01\0\0\0a\x85R."
    facts = unpickled(legacy([*PARTS[:3], called, pickle.dumps([], 2)], b""))
    assert facts is not None
    callee = facts.pickles[3].calls[0].call.callee
    assert (callee.module, callee.name) == SYSTEM


# Files of before torch 0.1.10.


def torch_tar(storages: bytes, tensors: bytes, root: bytes) -> bytes:
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode="w", format=tarfile.PAX_FORMAT) as archive:
        for name, data in (
            ("sys_info", pickle.dumps({}, 2)),
            ("pickle", root),
            ("tensors", tensors),
            ("storages", storages),
        ):
            member = tarfile.TarInfo(name)
            member.size = len(data)
            archive.addfile(member, io.BytesIO(data))
    return stream.getvalue()


ENTRY = b"\x80\x02(K\x01X\x03\0\0\0cpuctorch\nFloatStorage\nt."
STORAGES = [pickle.dumps(1, 2), ENTRY, STORAGE, pickle.dumps([], 2)]
TENSORS = [
    pickle.dumps(1, 2),
    b"\x80\x02(K\x02K\x01ctorch\nFloatTensor\nt.",
    struct.pack("<i4xqqq", 1, 2, 1, 0),
]
ROOT = b"\x80\x02}X\x01\0\0\0aK\x02\x85Qs."


def test_a_tar(unpickled: Unpickled) -> None:
    facts = unpickled(torch_tar(b"".join(STORAGES), b"".join(TENSORS), ROOT))
    assert facts is not None
    assert facts.consumer is Consumer.TORCH_TAR
    assert facts.complete
    count = {name: sum(found.member == name for found in facts.pickles) for name in ("storages", "tensors", "pickle")}
    assert count == {"storages": 3, "tensors": 2, "pickle": 1}


@pytest.mark.parametrize("place", [(0, 0), (0, 1), (0, 3), (1, 0), (1, 1), (2, 0)])
def test_a_call_in_a_tar(unpickled: Unpickled, place: tuple[int, int]) -> None:
    parts = [[*STORAGES], [*TENSORS], [ROOT]]
    which, number = place
    parts[which][number] = CALL[:-1] + b"0" + parts[which][number][2:]
    facts = unpickled(torch_tar(*map(b"".join, parts)))
    assert calls(facts) == [("storages", "tensors", "pickle")[which]]


def test_a_tar_with_a_class(unpickled: Unpickled) -> None:
    """A tuple as an id stands for its first item."""
    root = b"\x80\x02cos\nsystem\nX\x01\0\0\0fX\x01\0\0\0s\x87QX\x01\0\0\0a\x85R."
    facts = unpickled(torch_tar(b"".join(STORAGES), b"".join(TENSORS), root))
    assert facts is not None
    callee = next(found for found in facts.pickles if found.member == "pickle").calls[0].call.callee
    assert (callee.module, callee.name) == SYSTEM


def test_a_tar_that_does_not_add_up(unpickled: Unpickled) -> None:
    for storages, tensors in (
        ([b"\x80\x02cbuiltins\nint\n)R.", ENTRY, STORAGE], TENSORS),
        ([pickle.dumps(1, 2), pickle.dumps("text", 2), STORAGE], TENSORS),
        ([pickle.dumps(1, 2), ENTRY, struct.pack("<q", 2**60)], TENSORS),
        (STORAGES, [*TENSORS[:2], struct.pack("<i", 10**6)]),
    ):
        facts = unpickled(torch_tar(b"".join(storages), b"".join(tensors), ROOT))
        assert facts is not None
        assert not facts.complete


# TorchScript.

CODE = """
class M(Module):
  __parameters__ = ["weight", ]
  training : bool
  def forward(self: __torch__.M, x: Tensor) -> Tensor:
    y = torch.add(x, ops.prim.data(self.weight), alpha=inf)
    return ops.quantized.linear(annotate(List[int], [1]), y)
"""


def script(code: str) -> bytes:
    return zipped(
        ("m/data.pkl", HARMLESS),
        ("m/traced_inputs.pkl", HARMLESS),
        ("m/code/__torch__.py", code.encode()),
        ("m/constants.pkl", b"\x80\x02)."),
        ("m/version", b"3\n"),
    )


def test_code_that_computes(unpickled: Unpickled) -> None:
    facts = unpickled(script(CODE + "import __torch__.torch.nn\n"))
    assert facts is not None
    assert facts.consumer is Consumer.TORCHSCRIPT
    assert {found.consumer for found in facts.pickles} == {Consumer.TORCHSCRIPT}
    assert facts.complete
    assert facts.oddities == ()


@pytest.mark.parametrize(
    "line",
    [
        "torch.save(x, 'hfcheck-marker')",
        "torch.from_file('hfcheck-marker', False, 10)",
        "ops.aten.from_file('hfcheck-marker')",
        "ops.my_library.run(x)",
        "import os",
        "from os import system",
    ],
)
def test_code_that_does_more(unpickled: Unpickled, line: str) -> None:
    facts = unpickled(script(f"{CODE}    {line}\n"))
    assert facts is not None
    assert [(oddity.kind, oddity.member) for oddity in facts.oddities] == [(OddityKind.CODE, "m/code/__torch__.py")]


def test_code_in_capitals(unpickled: Unpickled) -> None:
    """Torch finds a member whatever the case of its letters."""
    facts = unpickled(script("import os\n").replace(b"code/__torch__.py", b"CODE/__torch__.PY"))
    assert facts is not None
    assert [oddity.kind for oddity in facts.oddities] == [OddityKind.CODE]


def test_code_that_nobody_can_parse(unpickled: Unpickled) -> None:
    facts = unpickled(script("def (:"))
    assert facts is not None
    assert not facts.complete


# What the real ones write.


def test_what_torch_writes(unpickled: Unpickled, tmp_path: Path) -> None:
    torch = pytest.importorskip("torch")
    state = {"a": torch.arange(6, dtype=torch.float32).reshape(2, 3), "b": torch.ones(4, dtype=torch.float16)}
    for new in (True, False):
        path = tmp_path / f"{new}.pt"
        torch.save(state, path, _use_new_zipfile_serialization=new)
        data = path.read_bytes()
        facts = unpickled(data, named=True)
        assert facts is not None
        assert facts.complete
        assert facts.oddities == ()
        assert facts.differences == ()
        assert facts.state is not None
        found = facts.state.tensors
        assert {name: tensor.shape for name, tensor in found.items()} == {"a": (2, 3), "b": (4,)}
        for name, tensor in found.items():
            stored = facts.state.storages[facts.state.stored[name].storage or ""]
            assert stored.offset is not None
            assert data[stored.offset : stored.offset + stored.nbytes] == state[name].numpy().tobytes()
            assert tensor.end - tensor.begin == stored.nbytes


def test_what_torchscript_writes(unpickled: Unpickled, tmp_path: Path) -> None:
    torch = pytest.importorskip("torch")
    path = tmp_path / "m.pt"
    with pytest.warns(DeprecationWarning, match="torch.jit"):
        torch.jit.save(torch.jit.script(torch.nn.Sequential(torch.nn.Linear(2, 2), torch.nn.ReLU())), path)
    facts = unpickled(path.read_bytes(), named=True)
    assert facts is not None
    assert facts.consumer is Consumer.TORCHSCRIPT
    assert facts.complete
    assert facts.oddities == ()


def test_the_crc_of_a_deflated_pickle(unpickled: Unpickled) -> None:
    data = bytearray(torch_zip(method=zipfile.ZIP_DEFLATED))
    crc = struct.pack("<I", zlib.crc32(CALL))
    facts = unpickled(bytes(data).replace(crc, b"\1\2\3\4"))
    assert facts is not None
    assert [difference.kind for difference in facts.differences] == [Kind.CRC]


@pytest.mark.parametrize("order", [b"", b"big\n", b"middle", b"little "])
def test_a_byte_order_that_torch_does_not_know(order: bytes, unpickled: Unpickled, tmp_path: Path) -> None:
    torch = pytest.importorskip("torch")
    data = torch_zip(HARMLESS, ("m/byteorder", order))
    facts = unpickled(data)
    assert facts is not None
    assert [difference.kind for difference in facts.differences] == [Kind.BYTE_ORDER]
    (tmp_path / "m.pt").write_bytes(data)
    with pytest.raises(ValueError, match="Unknown endianness type"):
        torch.load(tmp_path / "m.pt", weights_only=True)
