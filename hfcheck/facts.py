"""What the rules need to know of a repository, read once, when it is first asked for."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from enum import Enum
from functools import cached_property
from posixpath import basename, dirname, join
from typing import Any, TypeVar

from hfcheck import layout
from hfcheck.formats import Invalid, reader_of, sniff
from hfcheck.formats.gitattributes import AttributesFacts
from hfcheck.formats.index import IndexInvalid
from hfcheck.formats.index import read as read_index
from hfcheck.formats.json_ import JsonFacts
from hfcheck.formats.lfs import PointerFacts
from hfcheck.formats.python_ import PythonFacts
from hfcheck.formats.safetensors import SafetensorsFacts
from hfcheck.formats.sniff import Content
from hfcheck.repository import Entry, Form, Repository, Unreadable
from hfcheck.weights import Index, candidates

F = TypeVar("F")


class Kind(Enum):
    """What a repository is; the value is the word of the report."""

    TRANSFORMERS = "transformers"
    PEFT = "peft"
    DIFFUSERS = "diffusers"
    SENTENCE_TRANSFORMERS = "sentence-transformers"
    GGUF = "gguf"
    ONNX = "onnx"
    DATASET = "dataset"
    SPACE = "space"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class Reading:
    """One file as far as it could be read: its facts, or the error of its reader, or why it was not opened."""

    entry: Entry
    content: Content = Content.UNKNOWN
    facts: object = None
    invalid: Invalid | None = None
    unreadable: str | None = None

    @property
    def path(self) -> str:
        return self.entry.path

    @property
    def exceeded(self) -> str | None:
        """The limit of hfcheck that stopped the reader."""
        return self.invalid.budget if self.invalid else None


@dataclass(frozen=True, eq=False)
class Shelf:
    """The files of a repository that were read already. Rules ask `Facts`, which asks here."""

    repository: Repository
    _read: dict[str, Reading] = field(default_factory=dict)

    @cached_property
    def by_path(self) -> dict[str, Entry]:
        return {entry.path: entry for entry in self.repository.entries}

    def reading(self, entry: Entry) -> Reading:
        if entry.path not in self._read:
            self._read[entry.path] = _read(self.repository, entry)
        return self._read[entry.path]


def _read(repository: Repository, entry: Entry) -> Reading:
    if entry.form is not Form.FILE:
        return Reading(entry)
    content = Content.UNKNOWN
    try:
        with repository.open(entry) as stream:
            content = sniff.content(stream.read(sniff.HEAD), entry.size)
            reader = reader_of(entry.path, content)
            return Reading(entry, content, reader(stream) if reader else None)
    except Invalid as error:
        return Reading(entry, content, invalid=error)
    except Unreadable as error:
        return Reading(entry, content, unreadable=str(error))


@dataclass(frozen=True, eq=False)
class Facts:
    """One unit of a repository: a folder that a loader can be pointed at, with the files below it that are its own.

    A plain model is one unit. A diffusers pipeline has one for each component, a model with an adapter inside two.
    All paths are relative to the root of the repository.
    """

    folder: str
    files: tuple[Entry, ...]
    shelf: Shelf

    def has_file(self, path: str) -> bool:
        """Whether there is a regular file at this path, anywhere in the repository."""
        entry = self.shelf.by_path.get(path)
        return entry is not None and entry.form is Form.FILE

    def entry(self, path: str) -> Entry | None:
        return self.shelf.by_path.get(path)

    def reading(self, path: str) -> Reading | None:
        """What was read at this path, anywhere in the repository; None where there is no file."""
        return self.shelf.reading(self.shelf.by_path[path]) if self.has_file(path) else None

    def readings(self) -> Iterator[Reading]:
        """Every regular file of the unit, read, in order."""
        return (self.shelf.reading(entry) for entry in self.files if entry.form is Form.FILE)

    def all_of(self, kind: type[F]) -> Iterator[tuple[str, F]]:
        """The files of the unit whose reader gave facts of this type, with their paths."""
        return ((reading.path, reading.facts) for reading in self.readings() if isinstance(reading.facts, kind))

    def of(self, path: str, kind: type[F]) -> F | None:
        """The facts of the file at this path, where it gave facts of this type."""
        reading = self.reading(path)
        return reading.facts if reading is not None and isinstance(reading.facts, kind) else None

    def json(self, path: str) -> JsonFacts | None:
        return self.of(path, JsonFacts)

    def safetensors(self, path: str) -> SafetensorsFacts | None:
        return self.of(path, SafetensorsFacts)

    def pointer(self, path: str) -> PointerFacts | None:
        return self.of(path, PointerFacts)

    def python(self, path: str) -> PythonFacts | None:
        return self.of(path, PythonFacts)

    def attributes(self, path: str) -> AttributesFacts | None:
        return self.of(path, AttributesFacts)

    def inside(self, name: str) -> str:
        """The path of a name in the folder of the unit."""
        return join(self.folder, name)

    def direct(self) -> Iterator[Entry]:
        """The files that lie in the folder of the unit itself."""
        return (entry for entry in self.files if dirname(entry.path) == self.folder)

    @cached_property
    def config(self) -> dict[str, Any] | None:
        """`config.json`, where it is a JSON object."""
        document = self.json(self.inside(layout.CONFIG))
        return document.value if document is not None and type(document.value) is dict else None

    @cached_property
    def claims_transformers(self) -> bool:
        """Whether the config says that transformers loads this folder: other libraries have a `config.json` too."""
        config = self.config or {}
        return isinstance(config.get("model_type"), str) or isinstance(config.get("architectures"), list)

    @cached_property
    def opened(self) -> str | None:
        """The weight file or index that the loader of this folder opens first, whatever else lies beside it."""
        return next((path for path in candidates(self.folder) if self.has_file(path)), None)

    @cached_property
    def indexes(self) -> tuple[Index, ...]:
        """Every index in the folder that can be followed, whether a loader opens it or not."""
        return tuple(filter(None, (self._index(entry.path) for entry in self.direct())))

    @cached_property
    def index(self) -> Index | None:
        """The index that the loader opens; None where it opens a single file, whatever else lies beside it."""
        return next((index for index in self.indexes if index.path == self.opened), None)

    @cached_property
    def loaded(self) -> tuple[str, ...]:
        """The weight files that the loader opens, in its order, as far as they are there."""
        if self.opened is None:
            return ()
        if layout.index_name(self.opened) is None:
            return (self.opened,)
        return (
            tuple(path for path in sorted(self.index.tensors_by_shard()) if self.has_file(path)) if self.index else ()
        )

    @property
    def exceeded(self) -> tuple[tuple[str, str], ...]:
        """Limits that cut the listing of the repository short: their names, and what was found."""
        return self.shelf.repository.exceeded

    @cached_property
    def shard_sets(self) -> frozenset[tuple[str, int, str]]:
        """Stem, total and suffix of the numbered shards that lie in the folder."""
        names = (layout.shard_name(entry.path) for entry in self.direct() if entry.form is Form.FILE)
        return frozenset((name.stem, name.total, name.suffix) for name in names if name is not None)

    def other_shard_set(self, shard: str) -> bool:
        """Whether the folder holds shards of the same name but another total than this one, and none of its own set."""
        name = layout.shard_name(shard)
        if name is None or dirname(shard) != self.folder or (name.stem, name.total, name.suffix) in self.shard_sets:
            return False
        return any((stem, suffix) == (name.stem, name.suffix) for stem, _, suffix in self.shard_sets)

    @cached_property
    def kind(self) -> Kind:
        return _kind(self)

    def _index(self, path: str) -> Index | None:
        name = layout.index_name(path)
        document = self.json(path) if name is not None else None
        if name is None or document is None:
            return None
        try:
            return Index(path, name, read_index(document))
        except IndexInvalid:
            return None


def units(repository: Repository) -> tuple[Facts, ...]:
    """The units of a repository, the root first; each file belongs to exactly one, the deepest that holds it."""
    shelf = Shelf(repository)
    folders = {""} | {dirname(entry.path) for entry in repository.entries if _starts_a_unit(basename(entry.path))}
    members: dict[str, list[Entry]] = {folder: [] for folder in folders}
    for entry in repository.entries:
        folder = dirname(entry.path)
        while folder not in members:
            folder = dirname(folder)
        members[folder].append(entry)
    return tuple(Facts(folder, tuple(members[folder]), shelf) for folder in sorted(members))


def _starts_a_unit(name: str) -> bool:
    return name in layout.STRONG_MARKERS or layout.index_name(name) is not None


def _kind(facts: Facts) -> Kind:
    names = {basename(entry.path) for entry in facts.direct()}
    model_index = facts.json(facts.inside(layout.MODEL_INDEX))
    modules = facts.json(facts.inside(layout.MODULES))
    if model_index is not None and type(model_index.value) is dict and "_class_name" in model_index.value:
        return Kind.DIFFUSERS
    if modules is not None and type(modules.value) is list:
        return Kind.SENTENCE_TRANSFORMERS
    if facts.config is not None and "_class_name" in facts.config:
        return Kind.DIFFUSERS
    if facts.claims_transformers:
        return Kind.TRANSFORMERS
    if layout.ADAPTER_CONFIG in names:
        return Kind.PEFT
    for suffix, kind in ((".gguf", Kind.GGUF), (".onnx", Kind.ONNX)):
        if any(name.endswith(suffix) for name in names):
            return kind
    if {"dataset_infos.json", "dataset_info.json"} & names or any(name.endswith(".parquet") for name in names):
        return Kind.DATASET
    return Kind.SPACE if "app.py" in names and not facts.opened else Kind.UNKNOWN
