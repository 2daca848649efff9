"""Files of torch written without torch: `data.pkl` and its records, the five pickles of the legacy format."""

import struct

from benchmarks.pickle.archives import HONEST, Ending, Member, zip_
from benchmarks.pickle.assembler import BINPERSID, Apply, Name, Raw, pickle, push

MAGIC = 0x1950A86A20F9469CFC6C
PROTOCOL = 1001
SYSTEM_INFO = {"protocol_version": PROTOCOL, "little_endian": True, "type_sizes": {"short": 2, "int": 4, "long": 4}}


def storage(key: str = "0", numel: int = 4, kind: str = "FloatStorage", *, legacy: bool = False) -> Raw:
    name = ("storage", Name("torch", kind), key, "cpu", numel)
    return Raw(push((*name, None) if legacy else name, 2) + BINPERSID)


def tensor(key: str = "0", shape: tuple[int, ...] = (4,), *, legacy: bool = False) -> Apply:
    numel = 1
    strides: list[int] = []
    for size in reversed(shape):
        strides.insert(0, numel)
        numel *= size
    hooks = Apply(Name("collections", "OrderedDict"), ())
    args = (storage(key, numel, legacy=legacy), 0, shape, tuple(strides), False, hooks)
    return Apply(Name("torch._utils", "_rebuild_tensor_v2"), args)


def floats(numel: int = 4) -> bytes:
    return struct.pack("<f", 0.5) * numel


def records(*data: bytes, root: str = "archive") -> tuple[Member, ...]:
    return tuple(Member(f"{root}/data/{number}", record) for number, record in enumerate(data))


def archive(
    stream: bytes | Member, *more: Member, root: str = "archive", ending: Ending = HONEST, version: bool = True
) -> bytes:
    """A torch zip file whose `data.pkl` is `stream`, with one tensor record unless there are others."""
    first = stream if isinstance(stream, Member) else Member(f"{root}/data.pkl", stream)
    marks = (Member(f"{root}/byteorder", b"little"), Member(f"{root}/version", b"3\n")) if version else ()
    return zip_(first, *(more or records(floats(), root=root)), *marks, ending=ending)


def legacy(*, replace: dict[int, bytes] | None = None, root: object = None, tail: bytes | None = None) -> bytes:
    """A legacy torch file; `replace`: other bytes for one of its five pickles."""
    parts: dict[int, bytes] = {
        0: pickle(MAGIC, 2),
        1: pickle(PROTOCOL, 2),
        2: pickle(SYSTEM_INFO, 2),
        3: pickle({"weight": tensor(legacy=True)} if root is None else root, 2),
        4: pickle(["0"], 2),
    }
    stream = b"".join(part for _, part in sorted((parts | (replace or {})).items()))
    return stream + (struct.pack("<q", 4) + floats() if tail is None else tail)
