"""In what two repositories with the same weights differ for hfcheck, and a state dict from what torch reads."""

from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import torch

from benchmarks.agreement import oracle
from benchmarks.agreement.models import Architecture, TooLarge
from benchmarks.pickle_twins.twin import as_bin, as_safetensors, dtype
from hfcheck import engine
from hfcheck.config import Settings
from hfcheck.facts import Facts, units
from hfcheck.formats.tensor import Header
from hfcheck.repository import scan
from hfcheck.rule import Rule

FAMILIES = ("IDX", "WGT", "CFG")
"""Rules whose findings have to be the same; the others are about a format."""

STORED_TWICE = frozenset({"WGT021", "WGT026"})

Rules = tuple[Rule, ...]
Found = tuple[str, str, str, str, str]
"""Rule, severity, file, place in it and message of a finding, in the spelling of safetensors."""


class Seen:
    """What was compared, over all cases."""

    def __init__(self) -> None:
        self.tensors = 0
        self.outcomes: Counter[str] = Counter()
        self.findings: Counter[str] = Counter()
        self.loaded = 0


def differences(folder: Path, twin: Path, rules: Rules, seen: Seen) -> Iterator[str]:
    """What differs between the two for hfcheck."""
    mine, other = facts(folder), facts(twin)
    for path in sorted(entry.path for entry in mine.entries if entry.path.endswith(".safetensors")):
        first, second = mine.header(path), other.header(as_bin(path))
        if first is None or second is None:
            yield f"{path}: known is {first is not None} and {second is not None}"
            continue
        seen.tensors += len(second.tensors)
        if _described(first) != _described(second):
            yield f"{path}: other tensors"
        yield from (f"{as_bin(path)}: {what}" for what in unlike_torch(twin, as_bin(path), other))
    seen.outcomes[mine.load.outcome] += 1
    first_load, second_load = _load(mine), _load(other)
    if first_load != second_load:
        yield f"load: {_unlike(first_load, second_load)}"
    found, found_of_twin = findings(folder, rules), findings(twin, rules)
    seen.findings.update(finding[0] for finding in found)
    if found != found_of_twin:
        yield f"findings: {_unlike(found, found_of_twin)}"


def of_transformers(architecture: Architecture, folder: Path, twin: Path, kind: str, seen: Seen) -> Iterator[str]:
    """What differs between the two for the real loader."""
    try:
        first, second = (oracle.ask(path, architecture, {}, kind) for path in (folder, twin))
    except TooLarge:
        return
    seen.loaded += 1
    for name in ("outcome", "missing", "unexpected", "mismatched"):
        told = getattr(first, name), getattr(second, name)
        if told[0] != told[1]:
            yield f"transformers, {name}: {told[0]} of safetensors, {told[1]} of .bin ({first.error}) ({second.error})"


def of_tied(folder: Path, name: str, rules: Rules) -> Iterator[str]:
    """What hfcheck finds about names that share one storage, which is nothing."""
    yield from (str(finding) for finding in findings(folder, rules) if finding[0] in STORED_TWICE)
    yield from unlike_torch(folder, name, facts(folder))


def unlike_torch(folder: Path, name: str, found: Facts) -> Iterator[str]:
    """In what the state dict of a file differs from what `torch.load` gives."""
    state = found.state_dict(name)
    loaded: dict[str, torch.Tensor] = torch.load(folder / name, weights_only=True)
    if state is None or list(state.stored) != list(loaded):
        yield "other names than torch reads"
        return
    content = (folder / name).read_bytes()
    storages: dict[int, str | None] = {}
    for key, tensor in loaded.items():
        stored, described = state.stored[key], state.tensors[key]
        told = (stored.dtype, stored.shape, stored.stride, stored.start, stored.parameter)
        is_parameter = isinstance(tensor, torch.nn.Parameter)
        real = (dtype(tensor), tuple(tensor.shape), tensor.stride(), tensor.storage_offset(), is_parameter)
        if told != real:
            yield f"{key}: {told}, and torch says {real}"
        if (
            tensor.numel()
            and storages.setdefault(tensor.untyped_storage().data_ptr(), stored.storage) != stored.storage
        ):
            yield f"{key}: another storage than torch's"
        if tensor.is_contiguous() and content[described.begin : described.end] != _bytes(tensor):
            yield f"{key}: other bytes at {described.begin}"


def facts(folder: Path) -> Facts:
    return units(scan(str(folder)))[0]


def findings(folder: Path, rules: Rules) -> list[Found]:
    found = (located.finding for located in engine.check(".", str(folder), rules, Settings()).findings)
    return sorted(
        (
            finding.id,
            finding.severity.value,
            as_safetensors(finding.at.path),
            finding.at.logical,
            as_safetensors(finding.message),
        )
        for finding in found
        if finding.id.startswith(FAMILIES)
    )


def _described(header: Header) -> list[tuple[str, str, tuple[int, ...]]]:
    return sorted((name, tensor.dtype, tensor.shape) for name, tensor in header.tensors.items())


def _load(found: Facts) -> tuple[Any, ...]:
    load = found.load
    names = (tuple(sorted(names)) for names in (load.missing, load.unexpected, load.mismatched))
    return load.outcome, load.architecture, as_safetensors(load.reason), *names


def _unlike(first: Sequence[object], second: Sequence[object]) -> str:
    only = [[each for each in one if each not in other] for one, other in ((first, second), (second, first))]
    return f"safetensors {only[0]}, bin {only[1]}"[:600]


def _bytes(tensor: torch.Tensor) -> bytes:
    return tensor.detach().flatten().view(torch.uint8).numpy().tobytes() if tensor.numel() else b""
