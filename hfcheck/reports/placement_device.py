"""What the report of a dry run says of one device: what it holds, needs and reads, and why it holds no more."""

import re
from collections.abc import Iterable, Iterator

from hfcheck.finding import visible
from hfcheck.placement.device import Device
from hfcheck.placement.parallel import Rank
from hfcheck.placement.plan import Stop
from hfcheck.placement.result import DeviceUse, DryRun, Term
from hfcheck.placement.size import size, span
from hfcheck.reports.placement_words import about, name_of, on
from hfcheck.reports.text import BOLD, DIM, Paint, plural, wrapped

MODULES, FILES = 4, 3
"""Runs of modules, and files, that are named; the JSON report has all."""

_NUMBER = re.compile("0|[1-9][0-9]{0,8}")


def block(number: int, dry_run: DryRun, width: int, paint: Paint) -> Iterator[str]:
    """The lines about the device of this number in the list of devices."""
    use = dry_run.devices[number]
    ranks = dry_run.parallel.ranks if dry_run.parallel is not None else ()
    rank = ranks[number] if number < len(ranks) <= len(dry_run.devices) else None
    yield f"  {paint(_title(use.device, rank), BOLD)}"
    word = about(dry_run)
    for line in (
        *(_parts(rank, len(ranks)) if use.weights and ranks else _holds(use, dry_run, word)),
        *_needs(use.terms, word),
        *_reads(use, word),
        *_stopped(use, dry_run, word),
    ):
        first, *others = wrapped(line, width - len("    |   "))
        yield from (f"    {paint('|', DIM)} {first}", *(f"    {paint('|', DIM)}   {other}" for other in others))


def _title(device: Device, rank: Rank | None) -> str:
    tags = [f"sm_{device.compute[0]}{device.compute[1]}"] if device.compute is not None else []
    tags += [device.backend] if device.backend in {"rocm", "xpu"} else []
    tags += ["integrated"] if device.is_integrated else []
    tags += [f"rank {rank.rank}"] if rank is not None else []
    return ", ".join([on(device.key), *tags])


def _parts(rank: Rank | None, ranks: int) -> Iterator[str]:
    if rank is None:
        yield f"holds the shares of {plural(ranks, 'rank')}"
        return
    layers = f"layers {rank.layers[0]} to {rank.layers[1] - 1}" if rank.layers is not None else "all layers"
    yield f"holds its share of {layers}"


def _holds(use: DeviceUse, dry_run: DryRun, word: str) -> Iterator[str]:
    if not use.modules:
        yield "holds what no key of the map covers" if use.weights or use.buffers else "holds nothing"
        return
    if word:  # or somebody would copy the map
        yield f"holds about {plural(len(use.modules), 'module')}"
        return
    runs = list(_runs(module for module in use.modules if module))
    if "" in use.modules:
        is_alone = dry_run.plan is None or len(dry_run.plan.device_map) == 1
        runs.insert(0, ("the whole model" if is_alone else "all that no other key covers", 1))
    more = sum(count for _, count in runs[MODULES:])
    named = ", ".join(words for words, _ in runs[:MODULES])
    yield f"holds {named}" + (f" and {plural(more, 'more module')}" if more else "")


def _runs(modules: Iterable[str]) -> Iterator[tuple[str, int]]:
    """Neighbours that differ in the number at their end as one: `model.layers.0 to 15`, and how many they are."""
    first, last, count = "", -1, 0
    for name in modules:
        stem, _, end = name.rpartition(".")
        number = int(end) if _NUMBER.fullmatch(end) else -1
        if count and number == last + 1 and last >= 0 and stem == first.rpartition(".")[0]:
            last, count = number, count + 1
            continue
        if count:
            yield _run(first, last, count), count
        first, last, count = name, number, 1
    if count:
        yield _run(first, last, count), count


def _run(first: str, last: int, count: int) -> str:
    return name_of(first) if count == 1 else f"{name_of(first)} to {last}"


def _needs(terms: tuple[Term, ...], word: str) -> Iterator[str]:
    """`needs weights 13.5 GiB, kv-cache 2.00 GiB; estimated 0.5 to 1.9 GiB for activations, runtime`."""
    exact = [f"{visible(term.name)} {word}{size(term.low)}" for term in terms if term.low == term.high and term.low]
    rest = [term for term in terms if term.low != term.high]
    parts = [", ".join(exact)] if exact else []
    if rest:
        amount = span(sum(term.low for term in rest), sum(term.high for term in rest))
        parts.append(f"estimated {word}{amount} for {', '.join(visible(term.name) for term in rest)}")
    if parts:
        yield f"needs {'; '.join(parts)}"


def _reads(use: DeviceUse, word: str) -> Iterator[str]:
    if not use.reads:
        return
    named = ", ".join(f"{word}{size(read.nbytes)} of {name_of(read.file)}" for read in use.reads[:FILES])
    rest = use.reads[FILES:]
    more = f" and {word}{size(sum(read.nbytes for read in rest))} of {plural(len(rest), 'more file')}" if rest else ""
    yield f"reads {named}{more}"


def _stopped(use: DeviceUse, dry_run: DryRun, word: str) -> Iterator[str]:
    """Why no more went there: `model.layers.17 needs 417 MiB, 205 MiB left: 3.1 GiB budget - 2.4 GiB used - ...`."""
    stops = dry_run.plan.stops if dry_run.plan is not None else ()
    stop = next((stop for stop in stops if stop.device == use.device.key), None)
    is_empty = use.minimum is not None
    parts = [_stop(stop, word)] if stop is not None else []
    if use.minimum is not None:
        parts.append(f"a budget of {word}{size(use.minimum)} would have taken {'it' if parts else 'the first module'}")
    if parts:
        yield f"{'empty' if is_empty else 'full'}: {'; '.join(parts)}"


def _stop(stop: Stop, word: str) -> str:
    tied = f" with {name_of(stop.tied_with[0])}, which is tied to it," if stop.tied_with else ""
    owner = name_of(stop.reserve_for) if stop.reserve_for else "a layer that visits"
    kept = f" - {word}{size(stop.reserve)} kept free for {owner}" if stop.reserve else ""
    return (
        f"{name_of(stop.module)}{tied} needs {word}{size(stop.needs)}, {word}{size(max(stop.room, 0))} left: "
        f"{size(stop.budget)} budget - {word}{size(stop.used)} used{kept}"
    )
