"""`hfcheck convert`: what it says, its bar and its exit codes."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager

import click

from hfcheck.budget import TimeUp
from hfcheck.conversion.convert import InTheWay, Prepared, Refused, convert, prepare
from hfcheck.conversion.source import NothingToConvert
from hfcheck.conversion.verify import Different
from hfcheck.conversion.write import Advance, Exists, Unwritable
from hfcheck.finding import MESSAGE, printable, quote, shorten, visible
from hfcheck.reports import sink
from hfcheck.repository import Unreadable
from hfcheck.rule import Rule

DONE, REFUSED, USAGE, INCOMPLETE = 0, 1, 2, 3

LISTED = 20
"""Obstacles, and tensors, that are named."""


def run(path: str, rules: tuple[Rule, ...], *, output: str | None, max_shard_size: int | None, force: bool) -> int:
    """Convert, say what was done or why not, and give the exit code."""
    try:
        prepared = prepare(path, rules, output=output, max_shard_size=max_shard_size, force=force)
    except (NothingToConvert, InTheWay) as error:
        return _stopped(str(error), USAGE)
    except TimeUp:
        return _stopped("it took too long to look at it", INCOMPLETE)
    return _refused(prepared) if isinstance(prepared, Refused) else _converted(prepared, force=force)


def _converted(prepared: Prepared, *, force: bool) -> int:
    _announced(prepared)
    try:
        convert(prepared, _bar, force=force)
    except Exists as error:
        return _stopped(f"{visible(str(error))} came into being meanwhile", USAGE)
    except Unreadable as error:
        return _stopped(f"a file could not be read: {error}", INCOMPLETE)
    except Different as error:
        return _stopped(f"what was written is not what was read, {error}", INCOMPLETE)
    except Unwritable as error:
        return _stopped(f"the folder cannot be written to: {error}", USAGE)
    for written in prepared.plan.outputs:
        size = f"{len(written.pieces)} tensors, {written.layout.size} bytes"
        click.echo(sink.unforged(f"written: {visible(written.name)} ({size}, compared with the source)"))
    if prepared.plan.index is not None:
        click.echo(sink.unforged(f"written: {visible(prepared.plan.index[0])}"))
    return DONE


def _refused(refused: Refused) -> int:
    for obstacle in refused.obstacles[:LISTED]:
        _say(f"not converted: {visible(obstacle.path)}: {printable(shorten(obstacle.why, MESSAGE))}")
    if (more := len(refused.obstacles) - LISTED) > 0:
        _say(f"not converted: {more} more reasons")
    return INCOMPLETE if all(obstacle.unread for obstacle in refused.obstacles) else REFUSED


def _announced(prepared: Prepared) -> None:
    plan = prepared.plan
    for name, kept in plan.dropped[:LISTED]:
        _say(f"left out: {quote(name)}, which the model ties to {quote(kept)}")
    for name in plan.copied[:LISTED]:
        _say(f"copied: {quote(name)} shares its bytes with another tensor, and gets its own")
    if (more := len(plan.dropped[LISTED:]) + len(plan.copied[LISTED:])) > 0:
        _say(f"{more} more tensors are left out or copied in this way")


def _stopped(why: str, code: int) -> int:
    _say(f"not converted: {printable(shorten(why, MESSAGE))}")
    return code


@contextmanager
def _bar(length: int) -> Iterator[Advance]:
    """A bar on stderr, where somebody sees it."""
    if not sys.stderr.isatty():
        yield lambda _: None
        return
    with click.progressbar(length=length, label="converting", file=sys.stderr) as bar:
        yield bar.update


def _say(line: str) -> None:
    click.echo(f"hfcheck: {sink.unforged(line)}", err=True)
