"""What the rules need to know of a repository, read once, when it is first asked for."""

from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass
from enum import Enum
from functools import cached_property
from posixpath import basename, dirname, join, splitext
from typing import TYPE_CHECKING, Any, TypeVar

from hfcheck import layout
from hfcheck.finding import quote
from hfcheck.formats.gitattributes import AttributesFacts
from hfcheck.formats.index import IndexInvalid
from hfcheck.formats.index import read as read_index
from hfcheck.formats.json_ import JsonFacts
from hfcheck.formats.lfs import PointerFacts
from hfcheck.formats.pickled import PickledFacts
from hfcheck.formats.python_ import PythonFacts
from hfcheck.formats.safetensors import SafetensorsFacts
from hfcheck.formats.tensor import Header, Tensor, tensors_of
from hfcheck.formats.torch_state import Root, StateDict, shared
from hfcheck.loading.answer import Answer
from hfcheck.loading.config_faults import config_faults
from hfcheck.loading.draft import ConfigRaises
from hfcheck.loading.judge import UNCLAIMED, Load, judge, not_checked
from hfcheck.placement.target import Target
from hfcheck.remote_code import Site, sites
from hfcheck.repository import Entry, Form, Repository
from hfcheck.runtimes import is_of_another
from hfcheck.shards import Comparison, Disagreement, WeightSet, compare, disagreement
from hfcheck.shelf import Reading, Shelf
from hfcheck.tokens.build import MARKERS, build
from hfcheck.tokens.embeddings import Embeddings, embeddings
from hfcheck.tokens.folder import Folder
from hfcheck.tokens.table import TokenTable
from hfcheck.torch_load import loaded, stopped, with_others
from hfcheck.tying import says_untied
from hfcheck.weights import Index, candidates

if TYPE_CHECKING:  # a plain check has no target, and need not wait for what only a dry run needs
    from hfcheck.placement.rehearsed import Rehearsed
    from hfcheck.placement.result import DryRun

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


@dataclass(frozen=True, eq=False)
class Facts:
    """One unit of a repository: a folder that a loader can be pointed at, with the files below it that are its own.

    A plain model is one unit. A diffusers pipeline has one for each component, a model with an adapter inside two.
    All paths are relative to the root of the repository.
    """

    folder: str
    files: tuple[Entry, ...]
    shelf: Shelf
    answer: Answer | None = None
    """What the installed transformers says of the class, where somebody asked it."""
    target: Target | None = None
    """The devices that a dry run is asked for, where somebody asked for one."""
    rehearsed: "Rehearsed | None" = None
    """What reading the weights and copying them to those devices came to, where somebody asked for that."""

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
        return iter(self._readings)

    def all_of(self, kind: type[F]) -> Iterator[tuple[str, F]]:
        """The files of the unit whose reader gave facts of this type, with their paths."""
        return ((reading.path, reading.facts) for reading in self.readings() if isinstance(reading.facts, kind))

    def pickled(self) -> Iterator[tuple[str, PickledFacts]]:
        """The files of the unit in which an unpickler would find something, with their paths."""
        return ((reading.path, reading.pickled) for reading in self.readings() if reading.pickled is not None)

    def of(self, path: str, kind: type[F]) -> F | None:
        """The facts of the file at this path, where it gave facts of this type."""
        reading = self.reading(path)
        return reading.facts if reading is not None and isinstance(reading.facts, kind) else None

    def json(self, path: str) -> JsonFacts | None:
        return self.of(path, JsonFacts)

    def safetensors(self, path: str) -> SafetensorsFacts | None:
        return self.of(path, SafetensorsFacts)

    def pickled_at(self, path: str) -> PickledFacts | None:
        """What unpicklers would find in the file at this path."""
        reading = self.reading(path)
        return reading.pickled if reading is not None else None

    def torch_object(self, path: str) -> StateDict | None:
        """What `torch.load` would make of the file at this path, if it reads it: a state dict, or anything else."""
        reading = self.reading(path)
        if reading is None or reading.pickled is None or not loaded(reading.pickled, reading.facts):
            return None
        return reading.pickled.state

    def state_dict(self, path: str) -> StateDict | None:
        """The state dict in the file at this path, where `torch.load` gives a mapping."""
        state = self.torch_object(path)
        return state if state is not None and state.root is Root.MAPPING else None

    def header(self, path: str) -> SafetensorsFacts | StateDict | None:
        """What the weight file at this path says of its tensors, whatever its format."""
        return self.safetensors(path) or self.state_dict(path)

    def headers(self) -> Iterator[tuple[str, SafetensorsFacts | StateDict]]:
        """The weight files of the unit with what they say of their tensors."""
        for reading in self.readings():
            header = self.header(reading.path)
            if header is not None:
                yield reading.path, header

    def pointer(self, path: str) -> PointerFacts | None:
        return self.of(path, PointerFacts)

    def python(self, path: str) -> PythonFacts | None:
        return self.of(path, PythonFacts)

    def attributes(self, path: str) -> AttributesFacts | None:
        return self.of(path, AttributesFacts)

    def inside(self, name: str) -> str:
        """The path of a name in the folder of the unit."""
        return join(self.folder, name)

    def is_opened_by_name(self, path: str) -> bool:
        """Whether a loader opens the JSON file at this path: strict JSON is asked of no others.

        Names that other tools have too count at the root, beside another file of a model, and below a pipeline.
        """
        folder = dirname(path)
        if not layout.is_read_by_loaders(path) or not folder or basename(path) not in layout.SHARED_NAMES:
            return layout.is_read_by_loaders(path)
        if any(self.has_file(join(dirname(folder), name)) for name in (layout.MODEL_INDEX, layout.MODULES)):
            return True
        beside = (basename(entry.path) for entry in self.files if dirname(entry.path) == folder)
        return any(layout.marks_a_repository(name) and name not in layout.SHARED_NAMES for name in beside)

    def direct(self) -> Iterator[Entry]:
        """The files that lie in the folder of the unit itself."""
        return iter(self._direct)

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
    def config_faults(self) -> tuple[ConfigRaises, ...]:
        """Why transformers refuses the config of this folder, where it would load it at all."""
        return config_faults(self.config) if self.config is not None and self.claims_transformers else ()

    @cached_property
    def load(self) -> Load:
        """What `from_pretrained` of transformers would do with this folder."""
        if self.config is None or not self.claims_transformers:
            return UNCLAIMED
        named = self.config.get("transformers_weights")
        if isinstance(named, str) and not named.endswith((".safetensors", ".safetensors.index.json")):
            return Load(None, "raises", "transformers_weights names no safetensors, and nothing else is taken there")
        if self.opened is None:
            return Load(None, "raises", "there is no file that transformers opens for weights")
        if basename(self.opened) in layout.ADAPTER_WEIGHTS:
            return not_checked("these are the weights of an adapter, and those of its base lie elsewhere")
        if layout.index_name(self.opened) is not None and (stop := self._stopped_at_index(self.opened)):
            return stop
        for path in self.loaded or (self.opened,):
            if stop := self._stopped_at(path):
                return stop
        tensors = self.stored
        elsewhere = tensors_of(self._headers(self.unlisted_shards))
        mapped = (self.index.tensors_by_shard() if self.index is not None else {}).values()
        nowhere = Tensor("", (), 0, 0)
        stored = tensors.keys() | elsewhere.keys()
        elsewhere |= {name: nowhere for names in mapped for name in names if name not in stored}
        load = judge(self.config, tensors, elsewhere, self.answer, self.shared_tensors)
        return with_others(load, self._loaded_states)

    @cached_property
    def tokens(self) -> TokenTable | None:
        """What `AutoTokenizer.from_pretrained` of transformers would make of this folder; None without a tokenizer."""
        return self.token_tables.get(self.folder)

    @cached_property
    def token_tables(self) -> dict[str, TokenTable]:
        """The same for every folder of the unit with a tokenizer: those of pipelines lie in folders of their own."""
        names: dict[str, set[str]] = {self.folder: set()}
        for entry in self.files:
            if entry.form is Form.FILE and basename(entry.path) in MARKERS:
                names.setdefault(dirname(entry.path), set())
        for entry in self.files:
            if entry.form is Form.FILE:
                for folder in (dirname(entry.path), dirname(dirname(entry.path))):
                    if folder in names:
                        names[folder].add(entry.path[len(folder) + 1 if folder else 0 :])
        tables = {}
        for folder, inside in sorted(names.items()):
            config = self.config if folder == self.folder else None
            table = build(Folder(folder, frozenset(inside), self._read, self._refused), config or {})
            if table is not None:
                tables[folder] = table
        return tables

    @cached_property
    def embeddings(self) -> Embeddings:
        """How many ids the model in this folder has room for: `embeddings.rows` is that of its text model."""
        return embeddings(self.config or {}, self.inside(layout.CONFIG), self.stored, self.loaded_tensors)

    def _read(self, path: str) -> object:
        reading = self.reading(path)
        return reading.facts if reading is not None else None

    def _refused(self, path: str) -> bool:
        reading = self.reading(path)
        return reading is not None and reading.invalid is not None and not reading.exceeded

    @cached_property
    def dry_run(self) -> "DryRun | None":
        """What a load onto the devices of the target would come to; None where nobody asked, or there is no model."""
        if self.target is None or self.config is None or not self.claims_transformers:
            return None
        from hfcheck.placement.dry_run import dry_run  # noqa: PLC0415 - a plain check has no target

        return dry_run(self.load, self.config, self.loaded_headers, self.target, self._index_metadata.get("dtype"))

    def _stopped_at(self, path: str) -> Load | None:
        """The load that ends at a weight file, or is not known because of it; None for one that is read."""
        reading = self.reading(path)
        if reading is None or reading.pickled is None or path.endswith(".safetensors"):
            is_read = path in self.loaded_headers and path.endswith(".safetensors")
            return None if is_read else self._unread(path)
        asks = path in self.loaded[:1] and "dtype" not in self._index_metadata
        return stopped(basename(path), reading.pickled, reading.facts, self.config if asks else None)

    @property
    def _index_metadata(self) -> dict[str, Any]:
        """The metadata of the index. transformers takes its `dtype` where the config does not give one."""
        document = self.json(self.index.path) if self.index is not None else None
        if document is None or type(document.value) is not dict:
            return {}
        metadata = document.value.get("metadata")
        return metadata if type(metadata) is dict else {}

    def _stopped_at_index(self, path: str) -> Load | None:
        """The load of an index that cannot be followed, by any loader or by us; None for one that can."""
        document = self.json(path)
        if document is None:
            return self._unread(path)
        if self.index is None:
            return Load(None, "raises", f"{quote(basename(path))} is no index that can be followed")
        # transformers 5.23 reads both keys and adds to the second (`utils/hub.py:get_checkpoint_shard_files`).
        if type(document.value) is dict and type(document.value.get("metadata")) is not dict:
            return Load(None, "raises", f"{quote(basename(path))} has no metadata")
        if not self.index.followed:
            return not_checked("the index leads out of the folder, where hfcheck does not look")
        if self.missing_shards(self.index):
            return Load(None, "raises", "a shard that the index names is missing")
        return None

    def _unread(self, path: str) -> Load:
        """The load of weights of which one file has no header that we know."""
        reading = self.reading(path)
        invalid = reading is not None and reading.invalid is not None and not reading.exceeded
        if invalid and path.endswith((".safetensors", ".json")):
            return Load(None, "raises", f"{quote(basename(path))} cannot be read")
        if path.endswith(".bin") and reading is not None and reading.is_whole:
            return Load(None, "raises", f"{quote(basename(path))} cannot be loaded: it is no file of torch.save")
        return not_checked(f"the tensors in {quote(basename(path))} are not known")

    @cached_property
    def is_for_another_runtime(self) -> bool:
        """Whether there are weights here, and none that transformers would open: the config came along with them."""
        return self.opened is None and any(is_of_another(entry.path) for entry in self.files)

    @cached_property
    def opened(self) -> str | None:
        """The weight file or index that the loader of this folder opens first, whatever else lies beside it."""
        named = (self.config or {}).get("transformers_weights")  # transformers 5.23 looks for nothing else then
        paths = (self.inside(named),) if isinstance(named, str) else candidates(self.folder)
        return next((path for path in paths if self.has_file(path)), None)

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

    def missing_shards(self, index: Index) -> dict[str, list[str]]:
        """The shards that an index names and at whose path there is nothing at all, each with its tensors."""
        shards = index.tensors_by_shard()
        return {path: tensors for path, tensors in shards.items() if path not in self.shelf.by_path}

    def same_but_case(self, path: str) -> str | None:
        """A file whose path differs from this one in upper and lower case alone."""
        found = self.shelf.by_lower_case.get(path.lower())
        return found if found != path else None

    @cached_property
    def unlisted_shards(self) -> tuple[str, ...]:
        """Numbered files of the sets that the opened index names, to which it maps nothing."""
        if self.index is None or not self.index.followed:
            return ()
        listed = [(path.lower(), name) for path in self.index.tensors_by_shard() if (name := layout.shard_name(path))]
        paths, names = {path for path, _ in listed}, {name for _, name in listed}
        sets = {(name.stem, name.total, name.suffix) for name in names}
        return tuple(
            entry.path
            for entry in self.direct()
            if (name := layout.shard_name(entry.path)) is not None
            and (name.stem, name.total, name.suffix) in sets
            and entry.form is Form.FILE
            # Listed in another case or with another count of zeros, it is a name misspelt, and not a file forgotten.
            and entry.path.lower() not in paths
            and name not in names
        )

    @cached_property
    def loaded_headers(self) -> dict[str, Header]:
        """The headers of the weight files that the loader opens, in its order, as far as they could be read."""
        return self._headers(self.loaded)

    @cached_property
    def stored(self) -> dict[str, Tensor]:
        """The tensors in those headers."""
        return tensors_of(self.loaded_headers)

    @cached_property
    def loaded_tensors(self) -> dict[str, str]:
        """The tensors in those headers, each with its file; of two of the same name the one that is loaded last."""
        return {name: path for path, header in self.loaded_headers.items() for name in header.tensors}

    @cached_property
    def shared_tensors(self) -> dict[str, str]:
        """Tensors of the opened files that are another one's bytes under a second name, with the first of its names."""
        return {name: other for state in self._loaded_states for name, other in shared(state).items()}

    @cached_property
    def _loaded_states(self) -> tuple[StateDict, ...]:
        """The state dicts of the opened files, as far as they are files of torch."""
        return tuple(state for path in self.loaded if (state := self.state_dict(path)) is not None)

    def shard_headers(self, index: Index) -> dict[str, Header] | None:
        """The headers of all shards of an index; None where what is in one of them is not known.

        That is so of a shard that is missing, a pointer, invalid, over a limit or outside the repository.
        """
        shards = sorted(index.tensors_by_shard())
        headers = self._headers(shards)
        return headers if index.followed and len(headers) == len(shards) else None

    @cached_property
    def comparison(self) -> Comparison | None:
        """Where the opened index and the headers of its shards differ; None where one of them is not known."""
        headers = self.shard_headers(self.index) if self.index is not None else None
        if self.index is None or headers is None:
            return None
        return compare(self.index, headers, self._headers(self.unlisted_shards))

    def stores(self, path: str, tensor: str) -> bool:
        """Whether the header of a weight file is known and names a tensor."""
        header = self.header(path)
        return header is not None and tensor in header.tensors

    @cached_property
    def loaded_set(self) -> WeightSet | None:
        """The weight files that the loader opens; None where one of them is missing or something else."""
        if self.index is not None and self.shard_headers(self.index) is None:
            return None
        return self._weight_set(self.loaded, whole=True, single=self.index is None) if self.loaded else None

    @cached_property
    def rival_sets(self) -> tuple[WeightSet, ...]:
        """Weights beside those the loader opens that engines take by a pattern: `model*.safetensors`, `*.bin`."""
        name = layout.index_name(self.opened or "")
        stem, suffix = (name.stem, name.suffix) if name is not None else splitext(basename(self.opened or ""))
        if stem not in layout.LOADED_STEMS or suffix not in (".safetensors", ".bin"):
            return ()
        sets: dict[int | None, list[str]] = {}
        for entry in self.direct():
            if entry.form is not Form.FILE or entry.path in self.loaded or entry.path in self.unlisted_shards:
                continue
            shard = layout.shard_name(entry.path)
            if shard is not None and (shard.stem, shard.suffix) == (stem, suffix):
                sets.setdefault(shard.total, []).append(entry.path)
            elif basename(entry.path) == stem + suffix:
                sets[None] = [entry.path]
        return tuple(
            self._weight_set(paths, whole=total is None or len(paths) >= total, single=total is None)
            for total, paths in sets.items()
        )

    @cached_property
    def disagreement(self) -> Disagreement | None:
        """What tells the weights that the loader opens from others beside them; None where nothing is known to."""
        loaded = self.loaded_set if self.rival_sets else None
        if loaded is None:
            return None
        untied = says_untied(self.config)
        return next(filter(None, (disagreement(loaded, other, untied=untied) for other in self.rival_sets)), None)

    @cached_property
    def is_in_the_way(self) -> bool:
        """Whether what the loader opens lies in the way of other weights, which the config would fit."""
        if self.disagreement is None or self.config is None:
            return False
        others = (other.tensors for other in self.rival_sets if other.whole and other.tensors is not None)
        return any(judge(self.config, tensors, {}).outcome == "loads" for tensors in others)

    @cached_property
    def code_sites(self) -> dict[str, tuple[Site, ...]]:
        """The JSON files of the unit that select code, each with the places that do."""
        found = ((path, sites(document)) for path, document in self.all_of(JsonFacts))
        return {path: places for path, places in found if places}

    @property
    def entries(self) -> tuple[Entry, ...]:
        """Every name in the repository, whichever unit it belongs to."""
        return self.shelf.repository.entries

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

    @cached_property
    def _readings(self) -> tuple[Reading, ...]:
        return tuple(self.shelf.reading(entry) for entry in self.files if entry.form is Form.FILE)

    @cached_property
    def _direct(self) -> tuple[Entry, ...]:
        return tuple(entry for entry in self.files if dirname(entry.path) == self.folder)

    def _weight_set(self, paths: Collection[str], *, whole: bool, single: bool) -> WeightSet:
        headers = self._headers(paths)
        tensors = tensors_of(headers)
        return WeightSet(tuple(paths), tensors if len(headers) == len(paths) else None, whole, single)

    def _headers(self, paths: Iterable[str]) -> dict[str, Header]:
        return {path: header for path in paths if (header := self.header(path)) is not None}

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
