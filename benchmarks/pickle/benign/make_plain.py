"""Benign files of the standard library alone: pickles of plain values, and texts that look like pickles."""

# ruff: noqa: E501 - one value, one line

import bz2
import collections
import datetime as dt
import decimal
import fractions
import gzip
import io
import lzma
import pathlib
import pickle
import random
import tarfile
import uuid
import zipfile

from shelf import Shelf, shelf  # type: ignore[import-not-found,unused-ignore] # pyright: ignore[reportMissingImports]

VALUES: dict[str, object] = {
    "dict": {"a": 1, "b": [1.5, None, True], "c": {"d": (1, 2)}},
    "list": list(range(1000)),
    "strings": ["word", "os.system", "eval(x)", "cos\nsystem\n(S'echo'\ntR.", "\u00e9\ud83d\ude00".encode("utf-16", "surrogatepass").decode("utf-16")],
    "bytes": {"data": bytes(range(256)), "array": bytearray(b"abc")},
    "numbers": [0, -1, 255, 65_536, 2**31, -(2**63), 2**200, 1e300, float("inf"), complex(1, 2)],
    "sets": {"a": {1, 2, 3}, "b": frozenset({"x", "y"})},
    "dates": [
        dt.datetime(2026, 1, 2, 3, 4, 5, tzinfo=dt.timezone.utc),
        dt.date(2026, 1, 2),
        dt.timedelta(1),
    ],
    "collections": [
        collections.OrderedDict(a=1), collections.Counter("hello"), collections.deque([1, 2], 5), collections.defaultdict(list, a=[1]),
    ],
    "values": [decimal.Decimal("1.5"), fractions.Fraction(1, 3), uuid.UUID(int=5), pathlib.PurePosixPath("a/b"), range(5), slice(1, 2)],
    "vocabulary": {f"token{number}": number for number in range(5000)},
    "shared": [shared := ["x"] * 5, shared, {"again": shared}],
    "deep": [[[[[[[[[[1]]]]]]]]]],
    "random-state": random.Random(1).getstate(),  # noqa: S311
    "empty": {},
    "none": None,
    "pickle-in-bytes": {"cache": pickle.dumps({"a": 1}, 2)},
    "long-text": "The quick brown fox. " * 5000,
}  # fmt: skip
TEXTS = {
    "words": "cos\nsin\ntan\n(a\nb\n)\n.\n",
    "vocab-letters": "\n".join("abcdefghijklmnopqrstuvwxyz().[]{}"),
    "protocol-0-lookalike": "(lp0\nI1\nand then text that is no pickle at all\n",
    "python": "import os\n\n\ndef main():\n    os.system('true')\n\n\nmain()\n",
    "merges": "#version: 0.2\n" + "\n".join(f"t{number} h{number}" for number in range(3000)),
    "csv": "c,o,s\n1,2,3\n" * 200,
    "dots": "...\n. . .\n" * 20,
    "numbers": "\n".join(str(number) for number in range(2000)),
    "N-period": "N.\nThis is note N.\n",
    "roman": "I\nII\nIII\nIV\nV\nVI\n",
    "html": "<html><body>cos\nsystem</body></html>\n",
}


def main() -> None:
    place = shelf()
    for name, value in VALUES.items():
        for protocol in range(6):
            if protocol in (0, 2, 4, 5) or name in ("dict", "sets", "dates", "collections"):
                data = pickle.dumps(value, protocol)
                place.bytes("plain", f"{name}-p{protocol}", "data.pkl", data)
    place.bytes("plain", "pure-python-p4", "data.pickle", pickle._dumps(VALUES["dict"], 4))  # type: ignore[attr-defined] # noqa: SLF001
    place.bytes("plain", "numbers-as-bin", "scaler.bin", pickle.dumps(VALUES["numbers"], 3))
    place.bytes("plain", "list-in-gzip", "data.pkl.gz", gzip.compress(pickle.dumps(VALUES["dict"], 4)))
    place.bytes("plain", "many-memo", "data.pkl", pickle.dumps([f"{number}" for number in range(70_000)], 2))
    place.bytes("plain", "memo-binput-long", "data.pkl", b"\x80\x02]r\x00\x01\x00\x00(K\x01K\x02e.")
    place.bytes("plain", "memo-get-reused", "data.pkl", pickle.dumps([("k", "v")] * 300, 4))
    for name, text in TEXTS.items():
        suffix = {"python": "py", "csv": "csv", "html": "html"}.get(name, "txt")
        place.bytes("texts", name, f"{name}.{suffix}", text.encode())
    place.bytes("texts", "vocab-without-suffix", "vocab", "\n".join(f"word{n}" for n in range(500)).encode())
    place.bytes("texts", "as-bin", "vocabulary.bin", "\n".join(f"c{n}" for n in range(500)).encode())
    _archives(place)


def _archives(place: Shelf) -> None:
    text = TEXTS["merges"].encode()
    tar, zip_, deflated = io.BytesIO(), io.BytesIO(), io.BytesIO()
    with tarfile.open(fileobj=tar, mode="w") as archive:
        for name in ("a.txt", "folder/b.txt"):
            info = tarfile.TarInfo(name)
            info.size = len(text)
            archive.addfile(info, io.BytesIO(text))
    with zipfile.ZipFile(zip_, "w") as plain:
        plain.writestr("a.txt", text)
        plain.writestr("folder/b.json", "{}")
    with zipfile.ZipFile(deflated, "w", zipfile.ZIP_DEFLATED) as packed:
        packed.writestr("a.txt", text)
        packed.writestr("data.pkl", pickle.dumps(VALUES["dict"], 2))
    place.bytes("archives", "tar", "data.tar", tar.getvalue())
    place.bytes("archives", "tar-gz", "data.tar.gz", gzip.compress(tar.getvalue()))
    place.bytes("archives", "tar-bz2", "data.tar.bz2", bz2.compress(tar.getvalue()))
    place.bytes("archives", "tar-xz", "data.tar.xz", lzma.compress(tar.getvalue()))
    place.bytes("archives", "zip", "data.zip", zip_.getvalue())
    place.bytes("archives", "zip-deflated", "data.zip", deflated.getvalue())
    place.bytes("archives", "gz-text", "corpus.txt.gz", gzip.compress(text))
    place.bytes("archives", "xz-text", "corpus.txt.xz", lzma.compress(text))
    place.bytes("archives", "jsonl-gz", "train.jsonl.gz", gzip.compress(b'{"text": "cos\\nsystem"}\n' * 100))


if __name__ == "__main__":
    main()
