"""What is fuzzed: for each reader the function that takes an input, the words it knows, and which files are seeds."""

import contextlib
import importlib
import json
import random
import re
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path
from typing import Any

from tools.fuzzing.changes import change_bytes, change_header, change_tokens

DICTIONARIES = Path(__file__).parents[1] / "fuzz"
"""Words for each target in the form that libFuzzer reads, one in quotes on each line."""

Mutate = Callable[[bytes, random.Random, Sequence[bytes]], bytes]
Run = Callable[[bytes], object]


@dataclass(frozen=True, slots=True)
class Target:
    """`begin` makes the function that takes an input: it imports what it needs, under the eyes of atheris."""

    begin: Callable[[], Run]
    dictionary: str
    mutate: Mutate
    belongs: Callable[[str, bytes], bool]
    """Whether a file of an example is a seed."""

    def words(self) -> list[bytes]:
        lines = (DICTIONARIES / f"{self.dictionary}.dict").read_text(encoding="ascii").splitlines()
        escape = re.compile(rb"\\(?:x([0-9a-f]{2})|(.))")
        return [
            escape.sub(lambda found: bytes.fromhex(found[1].decode()) if found[1] else found[2], line[1:-1].encode())
            for line in lines
        ]


class Disagreement(Exception):
    """The reader and the library that it speaks for do not agree about an input."""


def reads(name: str) -> Callable[[], Run]:
    """A reader of hfcheck.formats: facts, or a subclass of Invalid."""

    def begin() -> Run:
        module, base = importlib.import_module(f"hfcheck.formats.{name}"), importlib.import_module("hfcheck.formats")

        def run(data: bytes) -> object:
            try:
                return module.read(BytesIO(data))
            except base.Invalid as error:
                str(error)
                return None

        return run

    return begin


def safetensors() -> Run:
    """The reader, held against the library itself."""
    run, library = reads("safetensors")(), importlib.import_module("safetensors")

    def both(data: bytes) -> None:
        accepted = run(data) is not None
        try:
            library.deserialize(data)
        except library.SafetensorError as error:
            # serde_json rounds the largest floats otherwise: what is out of range there may be in range here.
            if accepted and "out of range" not in str(error):
                raise Disagreement(f"accepted, the library says: {error}") from error
        else:
            if not accepted:
                raise Disagreement("refused, the library accepts it")

    return both


def tokenizer_json() -> Run:
    """Whether the merges are cut out or not, the rest of the document is the same."""
    run, json_ = reads("tokenizer_json")(), importlib.import_module("hfcheck.formats.json_")
    base = importlib.import_module("hfcheck.formats")

    def both(data: bytes) -> None:
        facts: Any = run(data)
        try:
            whole = json_.parse(data)
        except base.Invalid as error:
            if facts is not None:
                raise Disagreement(f"accepted, as JSON it is refused: {error}") from error
            return
        if facts is None:
            raise Disagreement("refused, as JSON it is accepted")
        merges: Any = whole.value["model"].pop("merges") if facts.merges is not None else None
        if facts.merges is not None and (facts.value["model"].pop("merges") != [] or facts.merges.count != len(merges)):
            raise Disagreement(f"{facts.merges.count} merges, not {len(merges)}")
        if repr(facts.value) != repr(whole.value):
            raise Disagreement("another document without the merges")
        for name in ("nonfinite", "surrogates", "minus_zero", "bom", "watched"):
            if getattr(facts, name) != getattr(whole, name):
                raise Disagreement(f"{name} differs")

    return both


def vocabulary() -> Run:
    """Both readers of text files."""
    module, base = importlib.import_module("hfcheck.formats.vocabulary"), importlib.import_module("hfcheck.formats")

    def run(data: bytes) -> None:
        for read in (module.read, module.read_merges):
            with contextlib.suppress(base.Invalid):
                read(BytesIO(data))

    return run


def zip_archive() -> Run:
    run, torch_zip = reads("zip_")(), importlib.import_module("hfcheck.formats.torch_zip")

    def both(data: bytes) -> None:
        facts = run(data)
        if facts is not None:
            torch_zip.describe(facts)

    return both


def pickled() -> Run:
    """All that unpicklers would find in a file, as the shelf asks for it; it has no error of its own."""
    module, sniff = importlib.import_module("hfcheck.formats.pickled"), importlib.import_module("hfcheck.formats.sniff")
    archive = reads("zip_")()
    importlib.import_module("hfcheck.formats.unpacking")  # imported late otherwise, when nobody counts its branches

    def run(data: bytes) -> object:
        kind = sniff.content(data[: sniff.HEAD], len(data))
        facts = archive(data) if kind is sniff.Content.ZIP else None
        module.read(BytesIO(data), kind, facts, named=False)
        return module.read(BytesIO(data), kind, facts, named=True)

    return run


def pickle() -> Run:
    module, source = (
        importlib.import_module("hfcheck.formats.pickle"),
        importlib.import_module("hfcheck.formats.pickle_source"),
    )
    consumer = importlib.import_module("hfcheck.formats.pickle_facts").Consumer.PICKLE
    return lambda data: module.read(source.Source(BytesIO(data)), consumer)


def pickle_bytes() -> Run:
    """The bytes of each pickle of a file, where they can be had."""
    module, base = importlib.import_module("hfcheck.formats.pickle_bytes"), importlib.import_module("hfcheck.formats")
    find = pickled()

    def run(data: bytes) -> object:
        found: Any = find(data)
        for facts in found.pickles if found is not None else ():
            with contextlib.suppress(base.Invalid):
                module.read(BytesIO(data), facts)
        return None

    return run


def index() -> Run:
    parse, module = reads("json_")(), importlib.import_module("hfcheck.formats.index")

    def run(data: bytes) -> None:
        document = parse(data)
        with contextlib.suppress(module.IndexInvalid):
            _ = module.read(document).total_size if document is not None else None

    return run


def gitattributes() -> Run:
    parse = reads("gitattributes")()

    def run(data: bytes) -> None:
        facts: Any = parse(data)
        if facts is not None:
            for path in ("model.safetensors", "a/b/c.bin", "a" * 200 + "b", "[a]/\\x y\udcff"):
                facts.filter_of(path)

    return run


def positions() -> Run:
    """Each pointer of a valid document is found where the parser finds the same key or element."""
    parse, json_ = reads("json_")(), importlib.import_module("hfcheck.formats.json_")
    pointer, decode = importlib.import_module("hfcheck.finding").pointer, json.JSONDecoder(strict=False).raw_decode

    def run(data: bytes) -> None:
        document: Any = parse(data)
        text = data.decode("utf-8-sig", "replace")
        json_.positions(text, {"", "/a", "/a/0", "/weight_map/b"})
        if document is None:
            return
        paths = [(path, node) for path, node in json_.walk(document.value) if path][:200]
        found = json_.positions(text, {pointer(*path) for path, _ in paths})
        for path, node in paths:
            if pointer(*path) not in found:
                raise Disagreement(f"{path!r} was not found")
            value = decode(text, found[pointer(*path)])[0]
            expected = path[-1] if isinstance(path[-1], str) else node
            if repr(value) != repr(expected).replace("_MinusZero", ""):
                raise Disagreement(f"{path!r} was found at another value")

    return run


def sniffs() -> Run:
    module = importlib.import_module("hfcheck.formats.sniff")

    def run(data: bytes) -> None:
        module.content(data[: module.HEAD], len(data))
        module.content(data[: module.HEAD], len(data) + 2**33)

    return run


def settings() -> Run:
    config = importlib.import_module("hfcheck.config")
    path = Path(tempfile.mkdtemp()) / config.SETTINGS

    def run(data: bytes) -> None:
        path.write_bytes(data)
        try:
            config.load(str(path))
        except config.SettingsError as error:
            str(error)

    return run


def named(*suffixes: str) -> Callable[[str, bytes], bool]:
    return lambda name, _: name.endswith(suffixes)


def begins(*magic: bytes) -> Callable[[str, bytes], bool]:
    return lambda _, data: data.startswith(magic)


PICKLES = (".pkl", ".pt", ".pth", ".bin", ".ckpt", ".joblib", ".npy", ".npz", ".gz", ".tar", ".nemo")

TARGETS = {
    "safetensors": Target(safetensors, "safetensors", change_header, named(".safetensors")),
    "json_": Target(reads("json_"), "json", change_tokens, named(".json")),
    "zip_": Target(zip_archive, "zip", change_bytes, begins(b"PK")),
    "gguf": Target(reads("gguf"), "gguf", change_bytes, begins(b"GGUF")),
    "index": Target(index, "json", change_tokens, named(".index.json")),
    "lfs": Target(reads("lfs"), "lfs", change_bytes, begins(b"version ")),
    "onnx": Target(reads("onnx"), "onnx", change_bytes, begins(b"\x08")),
    "gitattributes": Target(gitattributes, "gitattributes", change_bytes, named(".gitattributes")),
    "python_": Target(reads("python_"), "python", change_tokens, named(".py")),
    "pickle": Target(pickle, "pickle", change_bytes, named(*PICKLES)),
    "pickle_bytes": Target(pickle_bytes, "pickle", change_bytes, named(*PICKLES)),
    "pickled": Target(pickled, "pickle", change_bytes, named(*PICKLES)),
    "tar_": Target(reads("tar_"), "tar", change_bytes, named(".tar", ".nemo")),
    "npy": Target(reads("npy"), "npy", change_bytes, begins(b"\x93NUMPY")),
    "torchscript": Target(reads("torchscript"), "python", change_tokens, named(".py")),
    "tokenizer_json": Target(tokenizer_json, "tokenizer", change_tokens, named("tokenizer.json")),
    "tekken": Target(reads("tekken"), "json", change_tokens, named("tekken.json")),
    "vocabulary": Target(vocabulary, "json", change_bytes, named("vocab.txt", "merges.txt")),
    "tiktoken": Target(reads("tiktoken"), "json", change_bytes, named(".tiktoken")),
    "sentencepiece": Target(reads("sentencepiece"), "onnx", change_bytes, named("tokenizer.model")),
    "jinja": Target(reads("jinja"), "json", change_bytes, named(".jinja")),
    "card": Target(reads("card"), "json", change_bytes, named("README.md")),
    "sniff": Target(sniffs, "magic", change_bytes, lambda _, __: True),
    "positions": Target(positions, "json", change_tokens, named(".json")),
    "settings": Target(settings, "toml", change_tokens, named(".toml")),
}
