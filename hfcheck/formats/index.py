"""A weight index (`model.safetensors.index.json`): which shard holds which tensor.

https://huggingface.co/docs/transformers/big_models#sharded-checkpoints
"""

from dataclasses import dataclass
from typing import Any

from hfcheck.formats.invalid import Invalid
from hfcheck.formats.json_ import JsonFacts


class IndexInvalid(Invalid):
    """The document has no `weight_map` that a loader could follow. `pointer` leads to the place."""

    def __init__(self, pointer: str, expected: str) -> None:
        super().__init__(0, expected)
        self.pointer = pointer


@dataclass(frozen=True, slots=True)
class IndexFacts:
    """`weight_map`: tensor to shard, as written. `not_strings`: tensors whose entry names no file."""

    weight_map: dict[str, str]
    metadata: Any
    has_metadata: bool
    not_strings: tuple[str, ...] = ()

    @property
    def total_size(self) -> float | None:
        """What `metadata` says all tensors take, in bytes; exporters write whole numbers and floats."""
        size = self.metadata.get("total_size") if isinstance(self.metadata, dict) else None
        return size if isinstance(size, (int, float)) and not isinstance(size, bool) else None


def read(document: JsonFacts) -> IndexFacts:
    """The index in a JSON document; raises IndexInvalid."""
    value = document.value
    if type(value) is not dict:
        raise IndexInvalid("", "an object with `metadata` and `weight_map`")
    if "weight_map" not in value:
        raise IndexInvalid("", "a `weight_map`")
    entries = value["weight_map"]
    if type(entries) is not dict:
        raise IndexInvalid("/weight_map", "an object that maps tensors to files")
    return IndexFacts(
        {name: shard for name, shard in entries.items() if type(shard) is str},
        value.get("metadata"),
        "metadata" in value,
        tuple(name for name, shard in entries.items() if type(shard) is not str),
    )
