"""Which of the weight files in a folder a loader opens, and through which index."""

from dataclasses import dataclass
from posixpath import dirname, join, normpath

from hfcheck.formats.index import IndexFacts
from hfcheck.layout import ADAPTER_WEIGHTS, DIFFUSERS_WEIGHTS, SINGLE_WEIGHTS, IndexName
from hfcheck.paths import escape


@dataclass(frozen=True, slots=True)
class Index:
    """A weight index of the repository: `path` is its own, the shards are relative to its folder."""

    path: str
    name: IndexName
    facts: IndexFacts

    def shard_path(self, shard: str) -> str | None:
        """Where an entry of the `weight_map` leads in the repository; None where it may lead out of it."""
        if not shard or escape(shard):
            return None
        return normpath(join(dirname(self.path), shard))

    def tensors_by_shard(self) -> dict[str, list[str]]:
        """The shards by their path in the repository, each with the tensors mapped to it, in order of the index."""
        found: dict[str, list[str]] = {}
        paths: dict[str, str | None] = {}
        for tensor, shard in self.facts.weight_map.items():
            if shard not in paths:
                paths[shard] = self.shard_path(shard)
            if (path := paths[shard]) is not None:
                found.setdefault(path, []).append(tensor)
        return found


def candidates(folder: str) -> tuple[str, ...]:
    """What loaders look for in a folder, the first that is there wins: each single file, then the index of its shards.

    transformers 5.23 `modeling_utils.py:_get_resolved_checkpoint_files`, diffusers 0.42 `models/modeling_utils.py` and
    peft 0.21 `utils/save_and_load.py`, each of which looks for its own names only.
    """
    singles = (*SINGLE_WEIGHTS, *DIFFUSERS_WEIGHTS, *ADAPTER_WEIGHTS)
    return tuple(join(folder, name) for single in singles for name in (single, f"{single}.index.json"))
