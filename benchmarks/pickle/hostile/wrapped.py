"""Pickles inside other files: tar, compressed, 7z, archives in archives, files with the name of something else."""

import bz2
import gzip
import lzma
import struct
import zlib
from collections.abc import Iterator

from benchmarks.pickle.archives import DEFLATED, Member, tar, v7_tar, zip_
from benchmarks.pickle.assembler import RUN, Apply, Name, Raw, pickle, push
from benchmarks.pickle.sample import Needs, Sample
from benchmarks.pickle.torch_files import SYSTEM_INFO, archive, legacy, tensor

EVIL = pickle(RUN, 2)
EVIL_0 = pickle(RUN, 0)
GOOD = pickle({"a": [1, 2, 3]}, 2)
TORCH = archive(pickle({"weight": tensor(), "extra": RUN}, 2))

SUFFIXES = (
    "safetensors", "json", "png", "jpg", "txt", "md", "npy", "onnx", "gguf", "h5", "yaml", "csv", "model", "dat",
    "weights", "msgpack", "zip", "tar", "gz", "pdf", "vocab", "tflite", "parquet",
)  # fmt: skip


def lz4(data: bytes) -> bytes:
    """A frame of one block that is stored as it is."""
    return b"\x04\x22\x4d\x18\x60\x40\x82" + struct.pack("<I", len(data) | 1 << 31) + data + bytes(4)


def zstd(data: bytes) -> bytes:
    """A frame of one raw block, of less than 256 bytes."""
    return b"\x28\xb5\x2f\xfd\x20" + bytes([len(data)]) + (len(data) << 3 | 1).to_bytes(3, "little") + data


def seven_zip(name: str, data: bytes) -> bytes:
    """An archive of one member of less than 128 bytes, copied."""
    title = b"\x00" + name.encode("utf-16-le") + b"\x00\x00"
    header = b"\x01\x04\x06\x00\x01\x09" + bytes([len(data)]) + b"\x00"
    header += b"\x07\x0b\x01\x00\x01\x01\x00\x0c" + bytes([len(data)]) + b"\x00\x00"
    header += b"\x05\x01\x11" + bytes([len(title)]) + title + b"\x00\x00"
    start = struct.pack("<QQI", len(data), len(header), zlib.crc32(header))
    return b"7z\xbc\xaf\x27\x1c\x00\x04" + struct.pack("<I", zlib.crc32(start)) + start + data + header


def samples() -> Iterator[Sample]:
    for (name, file), data in {**_tars(), **_compressed()}.items():
        yield Sample("tar_7z_gz", name, file, data)
    yield Sample("tar_7z_gz", "7z", "model.7z", seven_zip("model.pkl", EVIL), Needs.INCOMPLETE)
    yield Sample("tar_7z_gz", "zstd", "model.pkl.zst", zstd(EVIL), Needs.INCOMPLETE)
    yield Sample("container_zip_tricks", "7z-named-bin", "pytorch_model.bin", seven_zip("model.pkl", EVIL))
    yield Sample("container_zip_tricks", "7z-named-pt", "model.pt", seven_zip("data.pkl", EVIL))
    yield Sample("further", "v7-tar", "model.tar", v7_tar(("model.pkl", EVIL)))
    yield Sample("further", "v7-tar-as-bin", "pytorch_model.bin", v7_tar(("pickle", EVIL), ("storages", GOOD)))
    yield from _polyglots()
    yield from _traversal()


def _torch_tar(**replace: bytes) -> bytes:
    """What torch wrote before 0.1.10."""
    parts = {
        "sys_info": pickle(SYSTEM_INFO, 2),
        "pickle": pickle({"a": 1}, 2),
        "storages": pickle(0, 2),
        "tensors": pickle(0, 2),
    }
    return tar(*(parts | replace).items())


def _tars() -> dict[tuple[str, str], bytes]:
    several = (("a.txt", b"text"), ("model.pkl", EVIL), ("z.txt", b"text"))
    return {
        ("tar", "model.tar"): tar(*several),
        ("tar-as-bin", "pytorch_model.bin"): tar(*several),
        ("tar-without-suffix", "model.tar"): tar(("weights", EVIL)),
        ("tar-protocol-0", "model.tar"): tar(("weights", EVIL_0)),
        ("tar-of-torch", "model.tar"): tar(("model_weights.ckpt", TORCH)),
        ("nemo", "model.nemo"): tar(("./model_config.yaml", b"name: x\n"), ("./model_weights.ckpt", TORCH)),
        ("tar-of-legacy", "model.tar"): tar(("m.pt", legacy(root={"x": RUN}))),
        ("tar-in-tar", "model.tar"): tar(("inner.tar", tar(("x", EVIL)))),
        ("torch-tar-pickle", "model.pt"): _torch_tar(pickle=EVIL),
        ("torch-tar-storages", "model.pt"): _torch_tar(storages=pickle(1, 2) + EVIL),
        ("torch-tar-tensors", "model.pt"): _torch_tar(tensors=pickle(1, 2) + EVIL),
        ("torch-tar-storages-count", "model.pt"): _torch_tar(storages=pickle(Raw(push(RUN, 2) + b"0" + push(0, 2)), 2)),
        ("tar-gz", "model.tar.gz"): gzip.compress(tar(*several), mtime=0),
        ("tar-xz", "model.tar.xz"): lzma.compress(tar(*several)),
        ("tar-bz2-as-bin", "pytorch_model.bin"): bz2.compress(tar(*several)),
    }


def _compressed() -> dict[tuple[str, str], bytes]:
    return {
        ("gz", "model.pkl.gz"): gzip.compress(EVIL, mtime=0),
        ("gz-as-pkl", "model.pkl"): gzip.compress(EVIL, mtime=0),
        ("gz-protocol-0", "model.pkl.gz"): gzip.compress(EVIL_0, mtime=0),
        ("gz-members", "model.pkl.gz"): gzip.compress(GOOD, mtime=0) + gzip.compress(EVIL, mtime=0),
        ("bz2", "model.pkl.bz2"): bz2.compress(EVIL),
        ("xz", "model.pkl.xz"): lzma.compress(EVIL),
        ("lzma", "model.pkl.lzma"): lzma.compress(EVIL, lzma.FORMAT_ALONE),
        ("zlib", "model.pkl.z"): zlib.compress(EVIL),
        ("lz4", "model.pkl.lz4"): lz4(EVIL),
        ("gz-gz", "model.bin"): gzip.compress(gzip.compress(EVIL, mtime=0), mtime=0),
        ("gz-of-torch", "model.pt.gz"): gzip.compress(TORCH, mtime=0),
        ("zip", "model.zip"): zip_(Member("model.pkl", EVIL)),
        ("zip-deflated", "model.zip"): zip_(Member("model.pkl", EVIL * 30, DEFLATED)),
        ("zip-no-suffix", "model.zip"): zip_(Member("weights", EVIL)),
        ("zip-protocol-0", "archive.zip"): zip_(Member("notes.txt", EVIL_0)),
        ("zip-in-zip", "model.zip"): zip_(Member("inner.zip", zip_(Member("x.pkl", EVIL)))),
        ("zip-of-gz", "model.zip"): zip_(Member("x.gz", gzip.compress(EVIL, mtime=0))),
    }


def _polyglots() -> Iterator[Sample]:
    for number, suffix in enumerate(SUFFIXES):
        protocol = (2, 4, 0, 3)[number % 4]
        yield Sample("polyglot_ext", f"{suffix}-p{protocol}", f"model.{suffix}", pickle(RUN, protocol))
    yield Sample("polyglot_ext", "none", "weights", EVIL)
    yield Sample("polyglot_ext", "none-p0", "weights", EVIL_0)
    yield Sample("polyglot_ext", "config.json", "config.json", EVIL)
    yield Sample("polyglot_ext", "tokenizer.model", "tokenizer.model", EVIL)
    yield Sample("polyglot_ext", "torch-as-safetensors", "model.safetensors", TORCH)
    yield Sample("polyglot_ext", "hidden", ".cache.pkl", EVIL)
    late = pickle(Apply(Name("os", "system"), ("echo " + "#" * 70_000,)), 0)
    yield Sample("polyglot_ext", "late-stop-p0", "model.dat", late)


def _traversal() -> Iterator[Sample]:
    group = "archive_traversal"
    for name, member in {
        "up": "../../evil.txt",
        "absolute": "/etc/cron.d/evil",
        "backslash": "..\\..\\evil.txt",
        "inside": "a/../../evil.txt",
        "drive": "C:\\evil.txt",
    }.items():
        yield Sample(group, f"zip-{name}", "data.zip", zip_(Member("a.txt", b"a"), Member(member, b"x")))
        if "\\" not in member:
            yield Sample(group, f"tar-{name}", "data.tar", tar(("a.txt", b"a"), (member, b"x")))
    link = tar(("link", b""), ("link/x", b"x"), kinds={"link": b"2/etc"})
    yield Sample(group, "tar-link", "data.tar", link)
    yield Sample(group, "torch-zip", "pytorch_model.bin", archive(GOOD, Member("archive/../../evil", b"x")))
    yield Sample(group, "nemo", "model.nemo", tar(("model_config.yaml", b"name: x\n"), ("../../evil", b"x")))
    yield Sample(group, "npz", "a.npz", zip_(Member("../../evil.npy", b"x")))
