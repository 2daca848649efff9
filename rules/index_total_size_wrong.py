"""The weight index gives another size of all tensors than its shards have.

## What it finds
`metadata.total_size` that differs from the bytes of the tensors in the listed shards by more than 1 %. It is right as
the sum of the file sizes too, and with an embedding that is tied counted as often as it has names or, in a `.bin`, as
one storage. Where shards are
Git LFS pointers, their sizes are compared instead, and only what no header and no tied tensor can explain is
reported.

## Why it matters
transformers 5.23.0 does not read the number, so the model loads. Others plan with it before they fetch a byte:
whether the model fits, over how many machines it goes (https://github.com/lablup/mlxcel/issues/53 ,
https://github.com/exo-explore/exo/pull/1956 ). A wrong one is mostly the mark of an index that was kept while the
weights were quantised or cast.

## How to put it right
Write the sum of the tensors' bytes, or take `total_size` out: an index without it is legal.
"""

import math
from collections.abc import Iterator

from hfcheck.example import Pointer, TorchZip
from hfcheck.facts import Facts
from hfcheck.finding import At, Finding, Severity
from hfcheck.formats.tensor import Header
from hfcheck.rule import Example, Rule
from hfcheck.shards import copies
from hfcheck.tying import may_be_tied, says_untied
from hfcheck.weights import Index

INDEX = "model.safetensors.index.json"
ONE, TWO = "model-00001-of-00002.safetensors", "model-00002-of-00002.safetensors"
BIN_INDEX, BIN = "pytorch_model.bin.index.json", "pytorch_model-00001-of-00001.bin"
F16, LARGE = ("F16", [2, 3]), ("F16", [100, 100])

TOLERANCE = 0.01
"""Writers count buffers or not; real indexes differ by up to a hundredth."""

COPIES = 3
"""Names that a tied tensor has besides its first: T5 has three of them."""

HEADER = 65_536
ENTRY = 200
"""Bytes that a header may take, and each tensor in it beyond its name: a bound, the usual entry takes half of it."""


class IndexTotalSizeWrong(Rule):
    id = "IDX011"
    name = "index-total-size-wrong"
    severity = Severity.WARNING
    since = "0.1"
    hint = "Write the number of bytes that all tensors take, or leave `total_size` out."
    bad = (
        Example(
            "the size from before the weights were cast to 16 bits",
            {INDEX: {"metadata": {"total_size": 40_000}, "weight_map": {"a": ONE}}, ONE: {"a": LARGE}},
            at=(At(INDEX, "/metadata/total_size"),),
        ),
        Example(
            "zero",
            {INDEX: {"metadata": {"total_size": 0}, "weight_map": {"a": ONE}}, ONE: {"a": LARGE}},
            at=(At(INDEX, "/metadata/total_size"),),
        ),
        Example(
            "the same of a .bin",
            {BIN_INDEX: {"metadata": {"total_size": 40_000}, "weight_map": {"a": BIN}}, BIN: TorchZip({"a": LARGE})},
            at=(At(BIN_INDEX, "/metadata/total_size"),),
        ),
        Example(
            "four times what the pointers say",
            {
                INDEX: {"metadata": {"total_size": 40_000_000_000}, "weight_map": {"a": ONE, "b": TWO}},
                ONE: Pointer(5_000_000_000),
                TWO: Pointer(5_000_000_000),
            },
            at=(At(INDEX, "/metadata/total_size"),),
        ),
    )
    good = (
        Example(
            "the bytes of all tensors, as a float",
            {INDEX: {"metadata": {"total_size": 20_000.0}, "weight_map": {"a": ONE}}, ONE: {"a": LARGE}},
            near_miss=True,
        ),
        Example(
            "somewhat less: buffers were not counted",
            {INDEX: {"metadata": {"total_size": 19_900}, "weight_map": {"a": ONE}}, ONE: {"a": LARGE}},
            near_miss=True,
        ),
        Example(
            "the sum of the file sizes",
            {INDEX: {"metadata": {"total_size": 124}, "weight_map": {"a": ONE}}, ONE: {"a": F16}},
            near_miss=True,
        ),
        Example(
            "a tied embedding that was counted for the head as well",
            {
                INDEX: {"metadata": {"total_size": 40_012}, "weight_map": {"model.embed_tokens.weight": ONE, "a": ONE}},
                ONE: {"model.embed_tokens.weight": LARGE, "a": F16},
            },
            near_miss=True,
        ),
        Example(
            "two names for one storage, which huggingface_hub counts once",
            {
                BIN_INDEX: {"metadata": {"total_size": 20_000}, "weight_map": {"a": BIN, "b": BIN}},
                BIN: TorchZip({"a": LARGE}, tied={"b": "a"}),
            },
            near_miss=True,
        ),
        Example(
            "less than the pointers say: their headers count for something",
            {
                INDEX: {"metadata": {"total_size": 1_000_000_000}, "weight_map": {"a": ONE}},
                ONE: Pointer(1_000_020_000),
            },
            near_miss=True,
        ),
        Example(
            "a placeholder in the place of a tensor: WGT001 says so",
            {INDEX: {"metadata": {"total_size": 40_000}, "weight_map": {"a": ONE}}, ONE: {"a": ("F16", [0])}},
            near_miss=True,
        ),
        Example("no total_size", {INDEX: {"metadata": {}, "weight_map": {"a": ONE}}, ONE: {"a": F16}}, near_miss=True),
    )

    def check(self, facts: Facts) -> Iterator[Finding]:
        index = facts.index
        if index is None or not index.followed or facts.unlisted_shards:
            return
        total = index.facts.total_size
        if total is None or not math.isfinite(total):
            return
        if facts.comparison is not None:
            if not _plausible(facts, total) and _sound(facts):
                said = sum(map(_bytes, facts.loaded_headers.values()))
                yield self._wrong(index, total, f"the tensors of its shards take {said}")
        elif (bounds := _bounds(facts, index)) is not None and not bounds[0] <= total <= bounds[1]:
            yield self._wrong(
                index, total, f"the files of its shards, fetched or not, have {_file_sizes(facts, index)}"
            )

    def _wrong(self, index: Index, total: float, found: str) -> Finding:
        said = f"the index says that all tensors take {total:.0f} bytes"
        return self.finding(At(index.path, "/metadata/total_size"), f"{said}, and {found}")


def _sound(facts: Facts) -> bool:
    """Whether map and headers agree and no tensor is empty: else other rules say why nothing can be compared."""
    if facts.comparison is None or not facts.comparison.agrees or copies(facts.loaded_headers):
        return False
    return all(tensor.nbytes for header in facts.loaded_headers.values() for tensor in header.tensors.values())


def _bytes(header: Header) -> int:
    return sum(tensor.nbytes for tensor in header.tensors.values())


def _near(total: float, size: float) -> bool:
    return abs(total - size) <= TOLERANCE * size


def _plausible(facts: Facts, total: float) -> bool:
    """Whether the tensors explain the number, their files, or tied tensors that were counted more often or less."""
    headers = facts.loaded_headers.values()
    size = sum(map(_bytes, headers))
    files = sum(entry.size for path in facts.loaded if (entry := facts.entry(path)) is not None)
    storages = _in_storages(facts)
    if _near(total, size) or (storages and _near(total, storages)) or total == files:
        return True
    tied = {tensor.nbytes for header in headers for name, tensor in header.tensors.items() if may_be_tied(name)}
    return any(abs(total - size) == nbytes * times for nbytes in tied for times in range(1, COPIES + 1))


def _in_storages(facts: Facts) -> int:
    """The bytes of the storages in the files of torch: several tensors may be parts of one."""
    states = (state for path in facts.loaded if (state := facts.state_dict(path)) is not None)
    return sum(storage.nbytes for state in states for storage in state.storages.values())


def _file_sizes(facts: Facts, index: Index) -> int | None:
    """The sizes of the shards as their pointers or they themselves give it; None where one is neither."""
    sizes = 0
    for path in index.tensors_by_shard():
        pointer, header, entry = facts.pointer(path), facts.header(path), facts.entry(path)
        if pointer is not None:
            sizes += pointer.size
        elif header is not None and entry is not None:
            sizes += entry.size
        else:
            return None
    return sizes


def _bounds(facts: Facts, index: Index) -> tuple[float, float] | None:
    """The least and the most that all tensors can take in files of these sizes; None where a size is not known."""
    files = _file_sizes(facts, index)
    if files is None:
        return None
    shards = index.tensors_by_shard()
    headers = HEADER * len(shards) + sum(len(name.encode()) + ENTRY for name in index.facts.weight_map)
    most = files if says_untied(facts.config) else 2 * files  # a tied tensor, counted twice, is at most all there is
    return (1 - TOLERANCE) * (files - headers), (1 + TOLERANCE) * most
