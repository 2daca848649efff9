"""Which of the weight files in a folder a loader opens, and through which index."""

from dataclasses import dataclass
from functools import cached_property
from posixpath import basename, dirname, join, normpath

from hfcheck.formats.index import IndexFacts
from hfcheck.layout import ADAPTER_WEIGHTS, DIFFUSERS_WEIGHTS, SINGLE_WEIGHTS, IndexName
from hfcheck.paths import escape


@dataclass(frozen=True, eq=False)
class Index:
    """A weight index of the repository: `path` is its own, the shards are relative to its folder."""

    path: str
    name: IndexName
    facts: IndexFacts

    @cached_property
    def by_entry(self) -> dict[str, list[str]]:
        """The entries of the `weight_map` as written, each with the tensors mapped to it, in order of the index."""
        found: dict[str, list[str]] = {}
        for tensor, shard in self.facts.weight_map.items():
            found.setdefault(shard, []).append(tensor)
        return found

    def shard_path(self, shard: str) -> str | None:
        """Where an entry of the `weight_map` leads in the repository; None where it may lead out or names no file."""
        if not names_a_file(shard) or escape(shard):
            return None
        return normpath(join(dirname(self.path), shard))

    def tensors_by_shard(self) -> dict[str, list[str]]:
        """The shards by their path in the repository, each with the tensors mapped to it."""
        return self._by_shard

    @cached_property
    def _by_shard(self) -> dict[str, list[str]]:
        found: dict[str, list[str]] = {}
        for shard, tensors in self.by_entry.items():
            if (path := self.shard_path(shard)) is not None:
                found.setdefault(path, []).extend(tensors)
        return found

    @cached_property
    def followed(self) -> bool:
        """Whether every entry names a file inside the repository: only then are its shards all the loader opens."""
        return not self.facts.not_strings and all(self.shard_path(shard) is not None for shard in self.by_entry)


def names_a_file(entry: str) -> bool:
    """Whether an entry of a `weight_map` can be a file: joined to a folder, an empty one is the folder itself."""
    return basename(entry) not in ("", ".")


def candidates(folder: str) -> tuple[str, ...]:
    """What loaders look for in a folder, the first that is there wins.

    transformers 5.23 (`modeling_utils.py:_get_resolved_checkpoint_files`) takes each single file before the index of
    its shards. diffusers 0.42 (`models/modeling_utils.py:from_pretrained`) takes the index of safetensors before the
    single file, and that of `.bin` only when it is told not to use safetensors. peft 0.21
    (`utils/save_and_load.py:load_peft_weights`) opens no index. Each looks for its own names only.
    """
    transformers = (name for single in SINGLE_WEIGHTS for name in (single, f"{single}.index.json"))
    safetensors, pickled = DIFFUSERS_WEIGHTS
    diffusers = (f"{safetensors}.index.json", safetensors, pickled, f"{pickled}.index.json")
    return tuple(join(folder, name) for name in (*transformers, *diffusers, *ADAPTER_WEIGHTS))
