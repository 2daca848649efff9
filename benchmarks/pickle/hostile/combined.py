"""Payloads of other classes inside containers of others: what is found alone must be found anywhere."""

import bz2
import gzip
import lzma
import random
import zlib
from collections.abc import Callable, Iterator

from benchmarks.pickle.archives import DEFLATED, Member, npy, tar, v7_tar, zip_
from benchmarks.pickle.assembler import POP, RUN, Raw, pickle, push
from benchmarks.pickle.hostile import arrays, calls, divergence, tricks
from benchmarks.pickle.hostile.divergence import STOPPED
from benchmarks.pickle.sample import Needs, Sample
from benchmarks.pickle.torch_files import archive, floats, legacy, records, tensor

SEED, COUNT = 20261130, 150
GOOD = pickle({"weight": tensor()}, 2)
Wrap = Callable[[bytes], tuple[str, bytes]]

WRAPS: dict[str, Wrap] = {
    "torch": lambda data: ("pytorch_model.bin", archive(data)),
    "torch-deflated": lambda data: ("model.pt", archive(Member("archive/data.pkl", data, DEFLATED))),
    "torch-extra": lambda data: ("model.ckpt", archive(GOOD, *records(floats()), Member("archive/x.pkl", data))),
    "torch-duplicate": lambda data: ("model.pth", archive(GOOD, *records(floats()), Member("archive/data.pkl", data))),
    "legacy-first": lambda data: ("pytorch_model.bin", legacy(replace={0: data})),
    "legacy-object": lambda data: ("model.pth", legacy(replace={3: data})),
    "legacy-keys": lambda data: ("model.pth", legacy(replace={4: data})),
    "npy": lambda data: ("a.npy", npy("'|O'", "(1,)", data)),
    "npz": lambda data: ("a.npz", zip_(Member("a.npy", npy("'|O'", "(1,)", data)))),
    "gzip": lambda data: ("model.pkl.gz", gzip.compress(data, mtime=0)),
    "bz2": lambda data: ("model.joblib", bz2.compress(data)),
    "xz": lambda data: ("model.joblib", lzma.compress(data)),
    "zlib": lambda data: ("model.pkl", zlib.compress(data)),
    "tar": lambda data: ("model.tar", tar(("a.txt", b"text"), ("weights", data))),
    "v7-tar": lambda data: ("model.bin", v7_tar(("x.pkl", data))),
    "zip-of-tar-gz": lambda data: ("data.zip", zip_(Member("a/x.tar.gz", gzip.compress(tar(("x", data)), mtime=0)))),
    "stacked": lambda data: ("model.pkl", pickle({"a": 1}, 2) + data),
    "joblib-object-array": lambda data: ("model.joblib", pickle([arrays.object_array(data)], 3)),
    "plain": lambda data: ("training_args.bin", data),
    "odd-name": lambda data: ("vocab.txt", data),
    "gzip-of-torch": lambda data: ("model.bin", gzip.compress(archive(data), mtime=0)),
}


def samples() -> Iterator[Sample]:
    chooser = random.Random(SEED)  # noqa: S311
    raw = [
        sample
        for module in (calls, tricks, divergence)
        for sample in module.samples()
        if sample.file.endswith((".pkl", ".bin")) and sample.needs is Needs.ERROR and sample.name not in STOPPED
    ]
    for number in range(COUNT):
        wrap = list(WRAPS)[number % len(WRAPS)]
        payload = chooser.choice(raw)
        file, data = WRAPS[wrap](payload.data)
        yield Sample("combined", f"{number:03}-{payload.name}-in-{wrap}", file, data)
    yield from _late()


def _late() -> Iterator[Sample]:
    """The payload far behind what is harmless, in the middle of a stream of each protocol."""
    for protocol in range(6):
        before = push({f"key{number}": [number, str(number)] for number in range(3000)}, protocol)
        data = pickle(Raw(before + POP + push(RUN, protocol) + POP + before), protocol)
        yield Sample("combined", f"late-p{protocol}", "model.pkl", data)
