"""What a rehearsal reads: the weight files that a loader opens, and where in them the values of each tensor are."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from hfcheck.facts import Facts
from hfcheck.formats.pickled import OddityKind
from hfcheck.formats.safetensors import SafetensorsFacts
from hfcheck.formats.sniff import Content
from hfcheck.formats.torch_state import StateDict, shared
from hfcheck.formats.torch_tensor import TensorKind
from hfcheck.repository import Entry

EXPONENTS = "F8_E8M0"
"""The type of the scales of MXFP4, which its files store as U8 beside the blocks."""


@dataclass(frozen=True, slots=True)
class Stretch:
    """The values of a tensor, from the byte `begin` of the file to `end`, one after the other in any order."""

    name: str
    dtype: str
    begin: int
    end: int


@dataclass(frozen=True, slots=True)
class Sheet:
    """A weight file to be read. `stretches` are in the order of the file and do not touch each other.

    `origin` is a byte that a value begins at. `unscanned` are reasons, each with the tensors that it is one for.
    `closed` is why the file is not read at all, empty where it is.
    """

    entry: Entry
    stretches: tuple[Stretch, ...] = ()
    origin: int = 0
    unscanned: tuple[tuple[str, int], ...] = ()
    closed: str = ""


def sheets(facts: Facts) -> tuple[Sheet, ...]:
    """The weight files of a unit that its loader opens, in its order."""
    return tuple(_sheet(facts, entry) for path in facts.loaded if (entry := facts.entry(path)) is not None)


def _sheet(facts: Facts, entry: Entry) -> Sheet:
    reading = facts.reading(entry.path)
    if reading is None:
        return Sheet(entry, closed=f"it is {entry.form.value}")
    if reading.content is Content.POINTER:
        return Sheet(entry, closed="it is a Git LFS pointer, and the weights are elsewhere")
    if (header := facts.safetensors(entry.path)) is not None:
        return Sheet(entry, tuple(_apart(_of_safetensors(header))), origin=header.data_start)
    if (state := facts.state_dict(entry.path)) is not None:
        if reading.pickled is not None and any(odd.kind is OddityKind.BYTEORDER for odd in reading.pickled.oddities):
            return Sheet(entry, unscanned=(("they are big-endian", len(state.stored)),))
        return _of_torch(entry, state)
    return Sheet(entry, unscanned=(("what is in the file is not known", 0),))


def _of_safetensors(header: SafetensorsFacts) -> Iterator[Stretch]:
    for name, tensor in header.tensors.items():
        blocks = header.tensors.get(f"{name.removesuffix('_scales')}_blocks") if name.endswith("_scales") else None
        is_exponents = tensor.dtype == "U8" and blocks is not None and blocks.dtype == "U8"
        dtype = EXPONENTS if is_exponents else tensor.dtype
        yield Stretch(name, dtype, header.data_start + tensor.begin, header.data_start + tensor.end)


def _of_torch(entry: Entry, state: StateDict) -> Sheet:
    second = shared(state)
    found: list[Stretch] = []
    unscanned: dict[str, int] = {}
    for name in state.stored:
        if name in second:
            continue  # the same bytes as another one, which is looked at
        placed = _placed(state, name)
        if isinstance(placed, str):
            unscanned[placed] = unscanned.get(placed, 0) + 1
        else:
            found.append(placed)
    stretches = tuple(_apart(found))
    if (over := len(found) - len(stretches)) > 0:
        unscanned["they share bytes with others"] = over
    return Sheet(entry, stretches, stretches[0].begin if stretches else 0, tuple(unscanned.items()))


def _placed(state: StateDict, name: str) -> Stretch | str:
    """Where the values of a tensor are in the file, or why that is not known."""
    stored = state.stored[name]
    storage = state.storages.get(stored.storage) if stored.storage is not None else None
    if storage is None or stored.shape is None or stored.kind is not TensorKind.DENSE:
        return "they are not stored as plain values"
    if storage.offset is None or storage.found is None:
        return "their bytes are compressed, or not in the file"
    nbytes, begin, end = stored.measured
    if nbytes != end - begin:
        return "their values do not lie side by side"
    if end > storage.found:
        return "they end behind the end of their storage"
    return Stretch(name, stored.dtype, storage.offset + begin, storage.offset + end)


def _apart(stretches: "Iterator[Stretch] | list[Stretch]") -> Iterator[Stretch]:
    """Those that begin where the one before has ended, in the order of the file."""
    end = 0
    for stretch in sorted(stretches, key=_extent):
        if stretch.begin >= end:
            end = stretch.end
            yield stretch


def _extent(stretch: Stretch) -> tuple[int, int]:
    return stretch.begin, stretch.end


def destinations(facts: Facts) -> Mapping[str, int | str]:
    """The device that the plan gives to each stored tensor: to the first parameter that it becomes a part of."""
    plan = facts.dry_run
    if plan is None or plan.model is None:
        return {}
    found: dict[str, int | str] = {}
    for name, weight in plan.model.weights.items():
        key = plan.placed.get(name)
        if key is not None:
            for source in weight.sources:
                found.setdefault(source, key)
    return found
