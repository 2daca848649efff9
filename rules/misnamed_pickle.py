"""A pickle has the name of another kind of file.

## What it finds
Pickles and files of `torch.save` under names that promise pictures, sound, text, tables, source code, documents or
weights of other formats. One finding for each file; its content is judged as that of any pickle. Names like `.bin`,
`.model` and `.dat` promise nothing. `.safetensors` is FMT006, and `.json`, `.gguf` and `.onnx` are FMT014.

## Why it matters
Scanners choose what to look into by the name, and loaders do not: `pickle.load`, `torch.load` and `joblib.load` read a
file of any name, and `numpy.load` falls back to a pickle where there is no array
(https://nvd.nist.gov/vuln/detail/CVE-2025-1889, https://nvd.nist.gov/vuln/detail/CVE-2025-10155).

## How to put it right
Give the file a name that says what it is, `.pkl` or `.pt`, or delete it.
"""

from collections.abc import Iterator
from posixpath import basename, splitext

from hfcheck.example import Example, TorchZip
from hfcheck.example_pickles import pickle
from hfcheck.facts import Facts
from hfcheck.finding import At, Finding, Severity
from hfcheck.formats import torch_zip
from hfcheck.formats.sniff import Content
from hfcheck.formats.zip_ import ZipFacts
from hfcheck.promises import broken_promise
from hfcheck.rule import Rule
from hfcheck.shelf import Reading

PROMISES = {
    "a picture": (".png", ".jpg", ".jpeg", ".gif", ".bmp", ".webp", ".svg", ".ico", ".tif", ".tiff"),
    "sound or video": (".wav", ".mp3", ".flac", ".ogg", ".mp4", ".avi", ".mov", ".webm"),
    "text": (".txt", ".md", ".rst", ".log", ".jinja", ".html", ".htm", ".xml", ".css"),
    "settings or data in text": (".yaml", ".yml", ".toml", ".ini", ".cfg", ".csv", ".tsv", ".jsonl", ".ipynb"),
    "source code": (".py", ".js", ".ts", ".sh", ".c", ".h", ".cpp", ".cu", ".rs", ".java"),
    "a document": (".pdf", ".doc", ".docx", ".ppt", ".pptx", ".xls", ".xlsx"),
    "a table": (".parquet", ".arrow", ".feather"),
    "a NumPy array": (".npy", ".npz"),
    "weights of another format": (".h5", ".hdf5", ".keras", ".tflite", ".pb", ".msgpack", ".mlmodel", ".engine"),
}
_BY_SUFFIX = {suffix: promise for promise, suffixes in PROMISES.items() for suffix in suffixes}


class MisnamedPickle(Rule):
    id = "PKL019"
    name = "misnamed-pickle"
    severity = Severity.WARNING
    since = "0.1"
    confidence = "high"
    hint = "Give the file a name that says what it is, or delete it."
    bad = (
        Example(
            "a picture, a text and an array that are pickles",
            {"logo.png": pickle("EMPTY_LIST"), "notes.txt": pickle("EMPTY_LIST"), "x.npy": pickle("EMPTY_LIST")},
            at=(At("logo.png"), At("notes.txt"), At("x.npy")),
        ),
        Example("a file of torch.save", {"table.csv": TorchZip({"a": ("F16", [2])})}, at=(At("table.csv"),)),
    )
    good = (
        Example("their own names", {"a.pkl": pickle("EMPTY_LIST"), "a.pt": TorchZip({"a": ("F16", [2])})}),
        Example(
            "names that promise nothing",
            {
                "a.bin": pickle("EMPTY_LIST"),
                "b.model": pickle("EMPTY_LIST"),
                "c.dat": pickle("EMPTY_LIST"),
                "d": pickle("NONE"),
            },
            near_miss=True,
        ),
        Example("a .json is FMT014", {"a.json": pickle("EMPTY_LIST")}, near_miss=True),
        Example("a text that begins as a pickle could", {"notes.txt": "(see below)\nNo more.\n"}, near_miss=True),
    )

    def check(self, facts: Facts) -> Iterator[Finding]:
        for reading in facts.readings():
            promise = _BY_SUFFIX.get(splitext(basename(reading.path).lower())[1])
            if promise is None or reading.pickled is None or broken_promise(reading.path, reading.content) is not None:
                continue
            if _is_pickle(reading):
                message = (
                    f"the name promises {promise}, and the content is a pickle for {reading.pickled.consumer.value}"
                )
                yield self.finding(At(reading.path, offset=0), message)


def _is_pickle(reading: Reading) -> bool:
    """Whether the file itself is what an unpickler reads, and not an archive with a pickle somewhere in it."""
    if isinstance(reading.facts, ZipFacts):
        return torch_zip.describe(reading.facts) is not None
    pickles = reading.pickled.pickles if reading.pickled is not None else ()
    whole = any(pickle_.member is None and pickle_.origin == 0 and not pickle_.offset for pickle_ in pickles)
    return whole and reading.content not in (Content.NPY, Content.NPY_OBJECTS)
