"""What stands in the way of a conversion: a pickle that is more than data, and tensors that safetensors cannot hold."""

from collections.abc import Iterator
from dataclasses import dataclass

from hfcheck import coverage
from hfcheck.conversion.layout import ORDER
from hfcheck.conversion.source import Source
from hfcheck.facts import Facts
from hfcheck.finding import Severity, quote
from hfcheck.formats.pickle_facts import Consumer
from hfcheck.formats.pickled import PickledFacts
from hfcheck.formats.torch_state import Fault, FaultKind, Root, StateDict
from hfcheck.formats.torch_tensor import StoredTensor, TensorKind
from hfcheck.pickle_judged import judged_in
from hfcheck.pickle_tiers import Tier
from hfcheck.repository import Form
from hfcheck.rule import Rule

FAMILIES = ("PKL", "SEC", "FMT")
"""Rules whose errors about a file stop its conversion."""

CURED = frozenset({"PKL017"})
"""Faults that are gone with the pickle: what `weights_only=True` refuses in a stream of plain data is its opcodes."""


@dataclass(frozen=True, slots=True)
class Obstacle:
    """`path` is the file, `why` a sentence; `unread`: it could not be looked at, and may be as good as any other."""

    path: str
    why: str
    unread: bool = False


def obstacles(source: Source, rules: tuple[Rule, ...]) -> Iterator[Obstacle]:
    """All of them, file by file; the findings of rules come first."""
    told = set()
    for path, why in _findings(source, rules):
        told.add(path)
        yield Obstacle(path, why)
    for path in source.files:
        if path not in told:
            yield from _of_file(source.facts, path)
    if not told:
        yield from _in_two_shards(source)


def _findings(source: Source, rules: tuple[Rule, ...]) -> Iterator[tuple[str, str]]:
    for rule in rules:
        if rule.id.startswith(FAMILIES) and rule.id not in CURED:
            for finding in rule.check(source.facts):
                if finding.severity is Severity.ERROR and finding.at.path in source.files:
                    yield finding.at.path, f"{finding.id} {finding.name}: {finding.message}"


def _of_file(facts: Facts, path: str) -> Iterator[Obstacle]:
    entry = facts.entry(path)
    if entry is None:
        yield Obstacle(path, "it is missing")
        return
    if entry.form is not Form.FILE:
        yield Obstacle(path, f"it is {entry.form.value}")
        return
    if skipped := coverage.skipped(facts, entry):
        yield Obstacle(path, f"{skipped.reason.value}: {skipped.detail}".removesuffix(": "), unread=True)
        return
    reading = facts.reading(path)
    if reading is None or reading.pickled is None:
        yield Obstacle(path, "it is no file of torch.save")
        return
    yield from (Obstacle(path, why) for why in _of_pickles(path, reading.pickled))
    yield from (Obstacle(path, why) for why in _of_state(reading.pickled.state))


def _of_pickles(path: str, pickled: PickledFacts) -> Iterator[str]:
    if pickled.consumer not in (Consumer.TORCH_ZIP, Consumer.TORCH_LEGACY):
        yield f"it is made for {pickled.consumer.value}"
    for unread in pickled.unread:
        yield f"a part of it was not looked into: {unread.why}"
    for difference in pickled.differences:
        yield f"its archive is not read alike by all: {difference.detail}"
    for oddity in pickled.oddities:
        yield f"it {oddity.kind.value}: {oddity.detail}"
    for pickle in judged_in(path, pickled):
        if not pickle.pickle.complete:
            yield "its pickle does not end"
        if pickle.is_full:
            yield "its pickle has more in it than hfcheck keeps"
        for imported in pickle.imports:
            if imported.tier is not Tier.DATA:
                yield f"it imports {quote(imported.name)}, which is more than data ({imported.tier.value})"


def _of_state(state: StateDict | None) -> Iterator[str]:
    if state is None:
        yield "it holds no state dict"
        return
    if what := _is_else(state):
        yield what
        return
    if not state.stored:
        yield "it holds no tensors"
    for name, kind in state.others.items():
        yield f"its entry {quote(name)} is no tensor: {quote(kind)}"
    if state.nameless:
        yield f"{state.nameless} of its entries have no name"
    for fault in state.faults:
        if fault.kind is not FaultKind.UNUSED:
            yield f"the {_named(fault)} {fault.kind.value}: {fault.detail}"
    for name, stored in state.stored.items():
        if why := _of_tensor(name, stored, state):
            yield f"the tensor {quote(name)} {why}"


def _is_else(state: StateDict) -> str:
    """What a file is instead of a state dict; empty where it is one."""
    if state.module is not None:
        return f"it is a whole module, of which only the class {quote(state.module)} knows the parameters"
    if state.nested is not None:
        return f"it is a checkpoint with its state dict at {quote(state.pointer)}, where from_pretrained does not look"
    return "" if state.root is Root.MAPPING else f"it is {state.root.value}, and no mapping of names to tensors"


def _named(fault: Fault) -> str:
    return f"tensor {quote(fault.tensor)}" if fault.tensor is not None else f"storage {quote(fault.storage or '')}"


def _of_tensor(name: str, stored: StoredTensor, state: StateDict) -> str | None:
    """Why a tensor cannot be copied; None where it can."""
    storage = state.storages.get(stored.storage) if stored.storage is not None else None
    if stored.kind is not TensorKind.DENSE:
        return f"is {stored.kind.value}, and safetensors holds dense ones"
    if stored.dtype not in ORDER:
        return f"is of a type that safetensors does not have ({stored.dtype})"
    if stored.shape is None or storage is None:
        return "has no bytes of its own in the file"
    if storage.offset is None or storage.found is None or storage.found != storage.nbytes:
        return "has bytes that are compressed or not all there"
    if 0 not in stored.shape and stored.extent[1] > storage.nbytes:
        return "ends behind the end of its storage"
    if stored.dtype == "F4" and not stored.shape:
        return "is a single byte of two numbers, which safetensors cannot hold"
    if name == "__metadata__" or any("\ud800" <= char <= "\udfff" for char in name):
        return "has a name that safetensors cannot hold"
    return None


def _in_two_shards(source: Source) -> Iterator[Obstacle]:
    """A loader takes the one that it reads last; the index of safetensors has one place for each name."""
    seen: dict[str, str] = {}
    for path in source.files:
        reading = source.facts.reading(path)
        state = reading.pickled.state if reading is not None and reading.pickled is not None else None
        for name in state.stored if state is not None else ():
            if (other := seen.setdefault(name, path)) != path:
                yield Obstacle(path, f"the tensor {quote(name)} is in {quote(other)} as well")
