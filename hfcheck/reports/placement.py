"""The report of a dry run for people: the verdict first, a bar for each device, what is where and why, the remedy last.

As in the report of a check, every line begins with a word, a sign or spaces of ours: no name of a repository stands at
the start of one.
"""

from collections import Counter
from collections.abc import Container, Iterator

from hfcheck.finding import Severity, printable, quote, shorten, visible
from hfcheck.placement.offload import Offload
from hfcheck.placement.parallel import Parallel
from hfcheck.placement.result import Change, DeviceUse, DryRun, Largest
from hfcheck.placement.size import size, span
from hfcheck.report import Report, RepositoryReport
from hfcheck.reports import rehearsal, sink, text
from hfcheck.reports.bar import ASCII, COLOURS, FREE, MEANING, OVER, Bar, Signs, bar
from hfcheck.reports.placement_device import block
from hfcheck.reports.placement_words import about, label, name_of, number, on
from hfcheck.reports.text import BOLD, DIM, Paint, plural, wrapped

WORDS = {"fits": "fits", "tight": "tight", "does-not-fit": "does not fit", "incomplete": "not known"}
VERDICT_COLOURS = {"fits": "32", "tight": "33", "does-not-fit": "31", "incomplete": "33"}

LISTED, SHARED = 10, 3
"""Sentences of a kind, and files in one of them; the JSON report has all."""

LONG = 400
"""Characters of a sentence."""

NARROWEST, WIDEST = 10, 48
"""Columns of a bar."""


def render(report: Report, width: int = text.WIDTH, paint: Paint = text.plain, signs: Signs = ASCII) -> str:
    """The report of the one repository of a dry run, in lines of at most `width` columns where no name is longer."""
    (repository,) = report.repositories
    lines = [f"settings: {visible(report.settings)}", ""] if report.settings else []
    lines += _head(repository, width, paint)
    if repository.dry_run is not None and repository.load.outcome != "raises":
        lines += _planned(repository.dry_run, width, paint, signs)
    if repository.rehearsed is not None:
        said = (printable(f"rehearsal: {shorten(line, LONG)}") for line in rehearsal.sentences(repository.rehearsed))
        lines += ["", *(part for line in said for part in _indented(line, width))]
    lines += _end(repository, width, paint)
    return sink.unforged("\n".join([*lines, ""]))


def _head(repository: RepositoryReport, width: int, paint: Paint) -> Iterator[str]:
    word = paint(_verdict(repository), f"1;{VERDICT_COLOURS[repository.fit]}")
    yield f"{word}  {paint(text.path_of(repository, '.'), BOLD)}  {text.kind(repository)}"
    dry_run = repository.dry_run
    if repository.load.outcome != "loads":
        yield from _indented(text.loaded(repository), width)
    if dry_run is None or repository.load.outcome == "raises":
        return
    yield from _indented(_asked(dry_run), width)
    for line in _reservations(dry_run, repository.load.reason):
        yield from _indented(printable(shorten(line, LONG)), width)


def _reservations(dry_run: DryRun, said: str) -> Iterator[str]:
    """Why there is no plan, or none that is exact; not what was `said` before."""
    if dry_run.raises is not None:
        stops = "the planner of {} raises" if dry_run.plan is None else "{} raises"
        yield f"{stops.format(dry_run.stamp)} {dry_run.raises.error}: {dry_run.raises.reason}"
    elif dry_run.incomplete and dry_run.incomplete != said:
        yield f"nothing could be planned: {dry_run.incomplete}"
    if dry_run.model is not None and not dry_run.model.exact:
        yield f"approximate: {dry_run.model.inexact}"


def _verdict(repository: RepositoryReport) -> str:
    """A model that is loaded with random weights, or not at all, is not told to fit without a word about it."""
    dry_run, load = repository.dry_run, repository.load
    if load.outcome == "raises":
        return "does not load"
    if dry_run is not None and dry_run.raises is not None:
        return "does not work"
    word = WORDS[repository.fit]
    if dry_run is not None and repository.fit == "fits" and not dry_run.target.devices:
        word = "planned, with no size to compare"
    elif repository.fit in {"fits", "tight"}:
        word += " (estimated)" if dry_run is None or dry_run.model is None or dry_run.model.exact else " (approximate)"
    if load.outcome == "loads-reinitialised":
        word += ", with random weights"
    errors = sum(located.finding.severity is Severity.ERROR for located in repository.findings)
    return f"{word}, but with {plural(errors, 'error')}" if errors and repository.fit in {"fits", "tight"} else word


def _asked(dry_run: DryRun) -> str:
    """`device map auto of transformers 5.23.0, BF16, 1 sequence of 4,096 tokens (the default)`."""
    target = dry_run.target
    groups = ("tp", target.tp), ("ep", target.ep), ("pp", target.pp)
    parts = [f"{name} {ranks}" for name, ranks in groups if ranks > 1]
    if parts:
        parts.append(dry_run.stamp)
    elif target.explicit is not None:
        parts.append(f"the device map that was given, as {dry_run.stamp} reads it")
    else:
        parts.append(f"device map {target.mode} of {dry_run.stamp}")
    if dry_run.model is not None:
        parts.append(visible(dry_run.model.dtype))
    if dry_run.context:
        said = "" if target.context is not None else " (the default)"
        parts.append(f"{number(target.batch, 'sequence')} of {number(dry_run.context, 'token')}{said}")
    return ", ".join(parts)


def _planned(dry_run: DryRun, width: int, paint: Paint, signs: Signs) -> Iterator[str]:
    if dry_run.devices:
        yield ""
        yield from _bars(dry_run, width, paint, signs)
        yield ""
    for index in range(len(dry_run.devices)):
        yield from block(index, dry_run, width, paint)
    facts = list(_facts(dry_run))
    if facts:
        yield ""
    for line in facts:
        yield from _indented(line, width)


def _bars(dry_run: DryRun, width: int, paint: Paint, signs: Signs) -> Iterator[str]:
    """A line for each device, and what the signs mean."""
    labels = [label(use.device.key) for use in dry_run.devices]
    amounts = [_amount(use, dry_run) for use in dry_run.devices]
    left, amount = max(map(len, labels)), max(map(len, amounts))
    taken = len("  ") + left + len(" [") + len("] ") + amount + len("  does not fit")
    columns = max(NARROWEST, min(WIDEST, width - taken))
    seen: set[int] = set()
    for use, name, said in zip(dry_run.devices, labels, amounts, strict=True):
        drawn = bar(use, dry_run.plan, columns)
        seen |= set(drawn.parts) if drawn is not None else set()
        middle = f"[{_drawn(drawn, paint, signs)}]" if drawn is not None else " " * (columns + 2)
        verdict = paint(WORDS[use.fit], VERDICT_COLOURS[use.fit])
        yield f"  {name:>{left}} {middle} {said:<{amount}}  {verdict}"
    yield from (f"  {paint(line, DIM)}" for line in _legend(seen, width, signs))


def _legend(parts: Container[int], width: int, signs: Signs) -> Iterator[str]:
    """Several meanings on a line, as long as they fit."""
    line = ""
    for meaning in (f"{signs[part]} {meaning}" for part, meaning in MEANING.items() if part in parts):
        if line and len(line) + len(meaning) + 5 > width:
            yield line
            line = ""
        line = f"{line}   {meaning}" if line else meaning
    if line:
        yield line


def _drawn(drawn: Bar, paint: Paint, signs: Signs) -> str:
    return "".join(
        signs[part] * columns if part == FREE else paint(signs[part] * columns, OVER if is_over else COLOURS[part])
        for part, is_over, columns in drawn.runs()
    )


def _amount(use: DeviceUse, dry_run: DryRun) -> str:
    """`16.0 to 16.9 GiB of 24.0 GiB`."""
    word = about(dry_run)
    needs = f"{word}{span(use.low, use.high)}"
    if not use.is_listed:
        return f"{needs}, not listed"
    if use.device.size is None:
        return f"{needs}, no limit"
    return f"{needs} of {size(use.device.size)}{' free' if use.device.is_free else ''}"


def _facts(dry_run: DryRun) -> Iterator[str]:
    word = about(dry_run)
    if dry_run.shards is not None and dry_run.shards.shared:
        named = [f"{name_of(file)} ({', '.join(map(label, keys))})" for file, keys in dry_run.shards.shared.items()]
        more = f" and {len(named) - SHARED} more" if len(named) > SHARED else ""
        yield f"read by several devices: {', '.join(named[:SHARED])}{more}"
    if dry_run.offload is not None:
        yield from _offload(dry_run.offload, word)
    if dry_run.parallel is not None and dry_run.parallel.ranks:
        yield from _parallel(dry_run.parallel, word)
    yield from _largest("context", "token", dry_run.largest_context)
    yield from _largest("batch", "sequence", dry_run.largest_batch)
    said = dry_run.model.inexact if dry_run.model is not None else ""
    open_ = [sentence for sentence in dry_run.not_checked if not said or said not in sentence]
    for sentence in open_[:LISTED]:
        yield printable(f"not checked: {sentence}")
    if (others := len(open_) - LISTED) > 0:
        yield f"not checked: {plural(others, 'more thing')}"


def _offload(offload: Offload, word: str) -> Iterator[str]:
    if offload.folder or offload.in_place:
        written = f"{word}{size(offload.folder)} are written there" if offload.folder else "nothing is written there"
        in_place = f", {word}{size(offload.in_place)} are read where they lie" if offload.in_place else ""
        without = f"; without one {offload.failure}" if offload.failure else ""
        yield f"offload folder: {written}{in_place}{without}"
    if offload.temporary:
        yield f"offload folder: {word}{size(offload.temporary)} go to a temporary one, for cpu"


def _parallel(parallel: Parallel, word: str) -> Iterator[str]:
    ranks = f"{len(parallel.ranks)} ranks"
    if parallel.shared:
        shared, whole = size(parallel.shared), size(parallel.nbytes - parallel.shared)
        yield f"parallel: {word}{shared} of weights are divided in {ranks}, {word}{whole} are whole"
    else:
        yield f"parallel: {ranks}, and no weight is divided"
    if parallel.cache_shares > 1:
        yield f"parallel: the cache of keys and values is divided by {parallel.cache_shares}"


def _largest(what: str, noun: str, largest: Largest | None) -> Iterator[str]:
    """`largest context: 9,000 tokens by the high end of the estimates, 12,000 by their low end; device 0 ...`."""
    if largest is None or (largest.surely is None and largest.perhaps is None):
        return
    surely, perhaps = largest.surely, largest.perhaps
    low, high = (number(end, noun) if end is not None else "any number" for end in (surely, perhaps))
    said = low if low == high else f"{low} by the high end of the estimates, {high} by their low end"
    full = f"; {on(largest.device)} is full then" if largest.device is not None else ""
    yield f"largest {what}: {said}{full}"


def _end(repository: RepositoryReport, width: int, paint: Paint) -> Iterator[str]:
    yield from text.findings(repository, width, paint) if repository.findings else ("",)
    counts = Counter(located.finding.severity for located in repository.findings)
    said = ", ".join(plural(counts[severity], severity.value) for severity in Severity)
    ignored = f"; {plural(len(repository.ignored), 'ignored finding')}" if repository.ignored else ""
    yield paint((said if repository.findings else "no findings") + ignored, BOLD)
    if repository.findings:
        worst = min(repository.findings, key=lambda located: located.finding.severity.rank).finding.id
        yield f"`hfcheck explain {worst}` says why it matters and how to put it right"
    lead = "remedy: "
    for line in wrapped(printable(_remedy(repository)), width - len(lead)) if _remedy(repository) else ():
        yield f"{paint(lead, BOLD)}{line}"
        lead = "      | "


def _remedy(repository: RepositoryReport) -> str:
    """What would help most; nothing where nothing has to be helped."""
    load = f"`hfcheck check {quote(repository.path)}` says why it is loaded in this way or not at all"
    if repository.load.outcome == "raises":
        return load
    if repository.dry_run is not None and (change := best(repository.dry_run.changes)) is not None:
        return f"{change.words} ({WORDS[change.verdict]} then)"
    errors = [located.finding for located in repository.findings if located.finding.severity is Severity.ERROR]
    if errors:
        return errors[0].hint
    return load if repository.load.outcome != "loads" else ""


def best(changes: tuple[Change, ...]) -> Change | None:
    """The first of those after which the verdict is best."""
    ranks = {"fits": 0, "tight": 1}
    return min(changes, key=lambda change: ranks.get(change.verdict, len(ranks)), default=None)


def _indented(line: str, width: int, paint: Paint = text.plain, colour: str = "") -> Iterator[str]:
    first, *others = wrapped(line, width - len("  | "))
    yield from (f"  {paint(first, colour)}", *(f"  | {paint(other, colour)}" for other in others))
