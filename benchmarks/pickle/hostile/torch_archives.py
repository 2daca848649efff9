"""Archives of torch: payloads in them, and every way in which two readers of one archive can disagree."""

# ruff: noqa: E501 - one sample, one line

import bz2
import lzma
from collections.abc import Iterator
from dataclasses import replace

from benchmarks.pickle.archives import BZIP2, DEFLATED, LZMA, STORED, Ending, Member, zip_
from benchmarks.pickle.assembler import BINPERSID, MARKER, RUN, SYSTEM, Apply, Name, Raw, call, pickle, push
from benchmarks.pickle.sample import Needs, Sample
from benchmarks.pickle.torch_files import MAGIC, archive, floats, legacy, records, storage, tensor

EVIL = pickle(RUN, 2)
WEIGHTS = pickle({"weight": tensor()}, 2)
BURIED = pickle({"weight": tensor(), "extra": RUN}, 2)
PKL = "archive/data.pkl"


def samples() -> Iterator[Sample]:
    for suffix in ("bin", "pt", "pth", "ckpt", "th", "t7", "mar", "model", "pkl", "zip", "dat"):
        yield Sample("torch_zip", f"suffix-{suffix}", f"model.{suffix}", archive(BURIED))
    for name, data in {**_payloads(), **_odd_members()}.items():
        yield Sample("torch_zip", name, "pytorch_model.bin", data)
    for name, data in {**_fields(), **_directories()}.items():
        yield Sample("container_zip_tricks", name, "pytorch_model.bin", data)
    for name, data in _evil_tricks().items():
        yield Sample("container_zip_tricks", name, "pytorch_model.bin", data)
    marks = (Member("archive/byteorder", b"big"), Member("archive/version", b"3\n"))
    big = archive(WEIGHTS, *records(floats()), *marks, version=False)
    yield Sample("container_zip_tricks", "byteorder-big", "pytorch_model.bin", big, Needs.WARNING)
    newer = archive(Member(PKL, WEIGHTS, version=255))
    yield Sample("container_zip_tricks", "version-255", "pytorch_model.bin", newer, Needs.WARNING)
    for name, data in _legacy().items():
        yield Sample("torch_legacy", name, "pytorch_model.bin", data)
    for name, data in _scripts().items():
        yield Sample("torchscript", name, "model.pt", data)


def _payloads() -> dict[str, bytes]:
    return {
        "root-call": archive(EVIL),
        "buried": archive(BURIED),
        "protocol-0": archive(pickle(RUN, 0)),
        "protocol-4": archive(pickle({"weight": 1, "x": RUN}, 4)),
        "deflated": archive(Member(PKL, BURIED, DEFLATED)),
        "in-hooks": archive(pickle({"w": Apply(Name("torch._utils", "_rebuild_tensor_v2"), (storage(), 0, (4,), (1,), False, RUN))}, 2)),
        "in-storage-key": archive(pickle({"w": Raw(push(("storage", Name("torch", "FloatStorage"), RUN, "cpu", 4), 2) + BINPERSID)}, 2)),
        "storage-type": archive(pickle({"w": Raw(push(("storage", SYSTEM, "0", "cpu", 4), 2) + BINPERSID)}, 2)),
        "persistent-kind": archive(pickle({"w": Raw(push(("module", SYSTEM, "x.py", ""), 2) + BINPERSID)}, 2)),
        "persistent-call": archive(pickle({"w": Raw(push(RUN, 2) + BINPERSID)}, 2)),
        "subclass": archive(pickle({"w": Apply(Name("torch._tensor", "_rebuild_from_type_v2"), (Name("torch", "Tensor"), SYSTEM, (), {}))}, 2)),
        "state-of-tensor": archive(pickle({"w": Raw(push(tensor(), 2) + push({"x": RUN}, 2) + b"b")}, 2)),
        "ordered-dict-state": archive(pickle(Raw(push(Apply(Name("collections", "OrderedDict"), ()), 2) + push({"_metadata": RUN}, 2) + b"b"), 2)),
        "whole-module": archive(pickle(Apply(Name("modeling_custom", "Net"), ()), 2)),
        "torch-hub": archive(call("torch.hub", "load", "owner/name", "model", protocol=2)),
        "error-after": archive(b"\x80\x02" + push(RUN, 2) + b"\xff"),
        "stacked": archive(WEIGHTS + EVIL),
        "nul-then-stacked": archive(WEIGHTS + bytes(16) + EVIL),
        "framed-straddle": archive(b"\x80\x04\x95" + (3).to_bytes(8, "little") + push(RUN, 4) + b"."),
    }  # fmt: skip


def _odd_members() -> dict[str, bytes]:
    more = records(floats())
    return {
        "other-root": archive(BURIED, root="pytorch_model"),
        "blank-root": archive(BURIED, root="my model"),
        "no-version": archive(BURIED, version=False),
        "extra-pkl": archive(WEIGHTS, *more, Member("archive/extra.pkl", EVIL)),
        "extra-odd-suffix": archive(WEIGHTS, *more, Member("archive/config.p", EVIL)),
        "extra-no-suffix": archive(WEIGHTS, *more, Member("archive/notes", EVIL)),
        "pickle-as-record": archive(WEIGHTS, Member("archive/data/0", EVIL)),
        "payload-in-constants": archive(WEIGHTS, *more, Member("archive/constants.pkl", EVIL)),
        "archive-in-archive": archive(WEIGHTS, *more, Member("archive/inner.pt", archive(BURIED))),
        "data-pkl-last": zip_(*more, Member("archive/version", b"3\n"), Member(PKL, BURIED)),
        "only-data-pkl": zip_(Member(PKL, BURIED)),
        "npz-inside": archive(WEIGHTS, *more, Member("archive/x.npz", zip_(Member("a.npy", EVIL)))),
    }


def _fields() -> dict[str, bytes]:
    """Benign pickles in archives whose headers lie."""
    member, more = Member(PKL, WEIGHTS), records(floats())
    return {
        "deflated-record": archive(WEIGHTS, Member("archive/data/0", floats(), DEFLATED)),
        "record-longer": archive(WEIGHTS, *records(floats(6))),
        "record-shorter": archive(WEIGHTS, *records(floats(2))),
        "record-missing": archive(WEIGHTS, Member("archive/data/1", floats())),
        "local-name": archive(replace(member, local_name="archive/date.pkl")),
        "local-method": archive(replace(member, local_method=DEFLATED)),
        "local-size": archive(replace(member, local_size=len(WEIGHTS) - 1)),
        "local-flags": archive(replace(member, local_flags=1)),
        "crc": archive(replace(member, crc=0x12345678)),
        "local-extra-length": archive(replace(member, local_extra_length=4)),
        "local-magic": archive(replace(member, local_magic=b"PK\x03\x05")),
        "central-size": archive(replace(member, central_size=len(WEIGHTS) + 8)),
        "two-roots": archive(WEIGHTS, Member("other/data/0", floats())),
        "dotted-root": archive(WEIGHTS, root="a/.."),
        "deep-root": archive(WEIGHTS, root="a/b"),
        "no-root": zip_(Member("data.pkl", WEIGHTS), Member("data/0", floats()), Member("version", b"3\n")),
        "offset-of-another": zip_(
            member, *more, Member("archive/other.pkl", EVIL), Member("archive/version", b"3\n"),
            offsets={PKL: "archive/other.pkl"},
        ),
    }  # fmt: skip


def _directories() -> dict[str, bytes]:
    """Benign pickles in archives whose directory or end lies."""
    good = archive(WEIGHTS)
    inner_end = zip_(Member(PKL, WEIGHTS))[-22:]
    return {
        "fewer-entries": archive(WEIGHTS, *records(floats()), Member("archive/hidden.pkl", WEIGHTS), ending=Ending(entries=-1)),
        "more-entries": archive(WEIGHTS, ending=Ending(entries=1)),
        "concatenated": good + archive(pickle({"other": tensor()}, 2)),
        "end-in-comment": archive(WEIGHTS, ending=Ending(comment=inner_end)),
        "bytes-before": b"\x00" * 64 + good,
        "end-damaged": archive(WEIGHTS, ending=Ending(magic=b"PK\x05\x07")),
        "far-behind": good + bytes(70_000),
        "shifted-directory": archive(WEIGHTS, ending=Ending(shift=3)),
        "no-version": archive(WEIGHTS, version=False),
        "duplicate-record": archive(WEIGHTS, *records(floats()), Member("archive/data/0", floats(4)[::-1])),
    }  # fmt: skip


def _evil_tricks() -> dict[str, bytes]:
    """The payload behind what keeps a scanner from reading it."""
    evil, more = Member(PKL, BURIED), records(floats())
    flags = {f"evil-flag-{bit:#x}": archive(replace(evil, flags=bit)) for bit in (0x1, 0x20, 0x40, 0x2000)}
    only_local = {f"evil-local-flag-{bit:#x}": archive(replace(evil, local_flags=bit)) for bit in (0x1, 0x40, 0x2000)}
    packed = lzma.compress(BURIED, lzma.FORMAT_ALONE)
    lzma_data = b"\x09\x14\x05\x00" + packed[:5] + packed[13:]
    return {
        **flags,
        **only_local,
        "evil-crc": archive(replace(evil, crc=1)),
        "evil-local-crc": archive(replace(evil, local_crc=1)),
        "evil-name-mismatch": archive(replace(evil, local_name="archive/data.txt")),
        "evil-version-255": archive(replace(evil, version=255)),
        "evil-directory-bit": archive(replace(evil, attributes=0x10)),
        "evil-bzip2": archive(Member(PKL, BURIED, BZIP2, packed=bz2.compress(BURIED))),
        "evil-lzma": archive(Member(PKL, BURIED, LZMA, packed=lzma_data)),
        "evil-method-97": archive(Member(PKL, BURIED, 97, packed=BURIED)),
        "evil-stored-as-deflated": archive(Member(PKL, BURIED, STORED, local_method=DEFLATED)),
        "evil-duplicate-first": archive(evil, Member(PKL, WEIGHTS), *more),
        "evil-duplicate-last": archive(Member(PKL, WEIGHTS), *more, evil),
        "evil-duplicate-middle": archive(Member(PKL, WEIGHTS), *more, evil, Member(PKL, WEIGHTS)),
        "evil-case": archive(Member(PKL, WEIGHTS), *more, Member("archive/DATA.PKL", BURIED)),
        "evil-root-case": archive(Member(PKL, WEIGHTS), *more, Member("ARCHIVE/data.pkl", BURIED)),
        "evil-hidden-entry": archive(Member(PKL, WEIGHTS), *more, evil, ending=Ending(entries=-3)),
        "evil-comment": archive(evil, ending=Ending(comment=b"a comment")),
        "evil-behind": archive(evil) + b"x" * 100,
        "evil-behind-1000": archive(evil) + b"x" * 1000,
        "evil-disk": archive(evil, ending=Ending(disk=1)),
        "evil-non-ascii-root": archive(BURIED, root="modèle"),
        "evil-directory-first": zip_(Member("archive/", attributes=0x10), evil, *more, Member("archive/version", b"3\n")),
        "evil-two-archives": archive(WEIGHTS) + archive(BURIED),
        "evil-before": b"x" * 30 + archive(BURIED),
        "evil-end-damaged": archive(evil, ending=Ending(magic=b"PK\x05\x00")),
        "evil-pickle-then-zip": EVIL + archive(WEIGHTS),
        "evil-extra-field": archive(replace(evil, extra=b"\x99\x99\x04\x00abcd")),
        "evil-7bit-name": archive(BURIED, root="archive\u200b"),
    }  # fmt: skip


def _legacy() -> dict[str, bytes]:
    magic = Apply(Name("builtins", "int"), (str(MAGIC),))
    module = Raw(push(("module", Name("torch.nn.modules.linear", "Linear"), "x.py", "source"), 2) + BINPERSID)
    custom = Raw(push(("module", Name("modeling_custom", "Net"), "x.py", "source"), 2) + BINPERSID)
    of_system = Raw(push(("module", SYSTEM, "x.py", "source"), 2) + BINPERSID)
    evil_root = {"weight": tensor(legacy=True), "x": RUN}
    computed = Apply(Name("operator", "add"), (MAGIC - 1, 1))
    dropped = Raw(push(RUN, 2) + b"0" + push(MAGIC, 2))
    return {
        "magic-pickle": legacy(replace={0: pickle(dropped, 2)}),
        "protocol-pickle": legacy(replace={1: pickle(Raw(push(RUN, 2) + b"0" + push(1001, 2)), 2)}),
        "system-pickle": legacy(replace={2: pickle({"little_endian": RUN}, 2)}),
        "object-pickle": legacy(root=evil_root),
        "keys-pickle": legacy(replace={4: pickle(["0", RUN], 2)}),
        "magic-by-call": legacy(replace={0: pickle(magic, 2)}, root=evil_root),
        "magic-by-operator": legacy(replace={0: pickle(computed, 2)}),
        "magic-as-text": legacy(replace={0: b"L%dL\n." % MAGIC}, root=evil_root),
        "magic-as-int": legacy(replace={0: b"I%d\n." % MAGIC}, root=evil_root),
        "magic-long4": legacy(replace={0: b"\x80\x02\x8b\x0a\x00\x00\x00" + MAGIC.to_bytes(10, "little") + b"."}, root=evil_root),
        "magic-wrong": legacy(replace={0: pickle(MAGIC + 1, 2)}, root=evil_root),
        "magic-none": legacy(replace={0: b"N."}, root=evil_root),
        "protocol-0-parts": legacy(replace={3: pickle({"x": RUN}, 0)}),
        "protocol-4-object": legacy(replace={3: pickle({"x": RUN}, 4)}),
        "truncated-storages": legacy(root=evil_root, tail=b""),
        "pickle-behind": legacy(tail=(4).to_bytes(8, "little") + floats() + EVIL),
        "module-id": legacy(root={"x": custom}),
        "module-id-called": legacy(root={"x": Apply(of_system, (MARKER,))}),
        "module-id-newobj": legacy(root=Raw(push(module, 2) + b")\x81" + push({"f": RUN}, 2) + b"b")),
        "error-in-third": legacy(replace={2: b"\x80\x02" + push(RUN, 2) + b"\xff"}),
        "view-metadata": legacy(
            root={"w": Raw(push(("storage", Name("torch", "FloatStorage"), "0", "cpu", 4, (RUN, 0, 4)), 2) + BINPERSID)}
        ),
    }  # fmt: skip


def _script(code: str, data: bytes | None = None, constants: bytes | None = None) -> bytes:
    head = (
        "class Net(Module):\n  __parameters__ = []\n  __buffers__ = []\n  training : bool\n"
        "  def forward(self: __torch__.Net,\n    x: Tensor) -> Tensor:\n"
    )
    root = pickle(Raw(push(Name("__torch__", "Net"), 2) + b")\x81" + push({"training": False}, 2) + b"b"), 2)
    return zip_(
        Member("net/data.pkl", root if data is None else data),
        Member("net/code/__torch__.py", (head + code).encode()),
        Member("net/constants.pkl", pickle((), 2) if constants is None else constants),
        Member("net/version", b"3\n"),
    )


def _scripts() -> dict[str, bytes]:
    plain = "    return torch.relu(x)\n"
    return {
        "save": _script('    torch.save(x, "/tmp/hfcheck-marker")\n    return x\n'),
        "from-file": _script('    return torch.from_file("/etc/hostname", False, 8, dtype=0)\n'),
        "ops-load": _script('    ops.mylib.run(x, "echo hfcheck-marker")\n    return x\n'),
        "import": _script("    import os\n    return x\n"),
        "data-pkl": _script(plain, data=EVIL),
        "constants-pkl": _script(plain, constants=EVIL),
        "nested-save": _script('    if bool(torch.gt(torch.sum(x), 0)):\n      torch.save([x], "x")\n    return x\n'),
    }
