"""A file of `torch.save` before 1.6: five pickles, and behind them the storages.

https://github.com/pytorch/pytorch/blob/v2.13.0/torch/serialization.py , `_legacy_load`
"""

from collections.abc import Iterator

from hfcheck.finding import quote
from hfcheck.formats import pickle, torch_state
from hfcheck.formats.parts import Gathered, Part
from hfcheck.formats.pickle_facts import Consumer
from hfcheck.formats.pickle_machine import Source, run
from hfcheck.formats.pickle_run import Run
from hfcheck.formats.pickle_values import Call, Dict, Persistent, Value
from hfcheck.formats.pickled import OddityKind

MAGIC = 0x1950A86A20F9469CFC6C
PROTOCOL = 1001

_OBJECT, _KEYS = 3, 4
_PARTS = 5
_FIRST = 4096
"""Bytes in which the first pickles are looked for: as torch writes them they take some hundred."""

_COUNT = 8


def begins(part: Part) -> bool:
    """Whether a part is such a file: by its magic number, or by what follows a wrong one."""
    source = Source(part.stream, part.begin, part.begin + min(part.size, _FIRST))
    at = 0
    for expected in (_is_magic, _is_protocol, _is_system):
        found = run(source, at)
        if found.end is None:
            return False
        if expected(found.root):
            return True
        at = found.end
    return False


def look(part: Part, gathered: Gathered) -> Iterator[Part]:
    """Follow all five pickles and find the storages; what stands behind them is a part of its own."""
    gathered.opened = True
    gathered.consumer = gathered.consumer or Consumer.TORCH_LEGACY
    runs = _runs(part, gathered)
    if runs and not _is_magic(runs[0].root):
        what = "computes what it returns" if type(runs[0].root) is Call else "returns something else"
        gathered.odd(OddityKind.MAGIC, part, 0, f"the first of the five pickles {what}")
    if len(runs) < _PARTS or runs[_KEYS].end is None:
        return
    system = runs[2].root
    if type(system) is Dict and system.get("little_endian") is False:
        gathered.odd(OddityKind.BYTEORDER, part, runs[1].end, "its record of the system says that it is big-endian")
    records, end = _records(part, gathered, runs)
    if gathered.state is None and part.member is None and part.depth == 0:
        gathered.state = torch_state.describe(runs[_OBJECT], records)
    if end < part.size:
        gathered.odd(OddityKind.TRAILING, part, end, f"{part.size - end} bytes follow the last storage")
        yield part.behind(end)


def _runs(part: Part, gathered: Gathered) -> list[Run]:
    source, at = part.source(), 0
    runs: list[Run] = []
    while len(runs) < _PARTS:
        load = _module if len(runs) == _OBJECT else None
        found = run(source, at, load=load)
        runs.append(found)
        end, root = found.end, found.root
        facts = pickle.facts_of(
            pickle.complete_run(source, found, load=load),
            Consumer.TORCH_LEGACY,
            member=part.member,
            origin=part.origin,
            number=len(runs) - 1,
        )
        found.end, found.root = end, root
        gathered.keep(facts, part)
        if end is None:
            break
        at = end
    return runs


def _records(part: Part, gathered: Gathered, runs: list[Run]) -> tuple[dict[str, torch_state.Record], int]:
    """The storages by their keys, and the byte behind the last one."""
    sizes = torch_state.element_sizes(runs[_OBJECT].persistent)
    records: dict[str, torch_state.Record] = {}
    at = runs[_KEYS].end or 0
    keys = runs[_KEYS].root
    for key in keys if type(keys) is list else ():
        name = str(key) if type(key) in (str, int) else ""
        count = part.at(at, _COUNT)
        if len(count) < _COUNT:
            gathered.odd(OddityKind.TRUNCATED, part, part.size, f"the storage {quote(name)} is not there")
            return records, part.size
        if name not in sizes:
            detail = f"the storage {quote(name)} is stored, and nothing says what it is: torch refuses the file"
            gathered.odd(OddityKind.STORAGE, part, at, detail)
            return records, part.size
        begin = at + _COUNT
        length = max(int.from_bytes(count, "little", signed=True), 0) * sizes[name]
        records[name] = torch_state.Record(None, part.place(begin), min(length, part.size - begin))
        if length > part.size - begin:
            missing = length - (part.size - begin)
            gathered.odd(OddityKind.TRUNCATED, part, part.size, f"the storage {quote(name)} lacks {missing} bytes")
            return records, part.size
        at = begin + length
    return records, at


def _module(value: Persistent) -> Value:
    """`('module', class, file, source)` is the class itself: torch compares the source and goes on."""
    id_ = value.id
    if type(id_) is tuple and len(id_) > 1 and type(id_[0]) is str and id_[0] == "module":
        return id_[1]
    return value


def _is_magic(root: Value) -> bool:
    return type(root) is int and root == MAGIC


def _is_protocol(root: Value) -> bool:
    return type(root) is int and root == PROTOCOL


def _is_system(root: Value) -> bool:
    return type(root) is Dict and root.get("protocol_version") is not None
