"""What the commands say and where: reports on stdout or in a file, complaints and crashes on stderr."""

import os
import sys
import traceback

import click

from hfcheck.finding import visible
from hfcheck.reports import sink
from hfcheck.rule import Rule

NARROW = 50
"""Columns below which a terminal may wrap what it gets by itself."""


class Usage(click.ClickException):
    """A fault of the user: one line on stderr and exit code 2."""

    exit_code = 2


def say(line: str) -> None:
    """A line on stderr, which a CI runner reads as well: it begins with our name."""
    click.echo(f"hfcheck: {sink.unforged(line)}", err=True)


def one_line(rule: Rule, error: BaseException) -> None:
    """Of a rule that failed."""
    say(f"{rule.id} {rule.name} failed: {visible(type(error).__name__)}")


def with_traceback(rule: Rule, error: BaseException) -> None:
    """The same at length."""
    one_line(rule, error)
    say_traceback(error)


def say_traceback(error: BaseException) -> None:
    for line in traceback.format_exception(error):
        for part in line.splitlines():
            say(f"| {visible(part)}")


def write(path: str, report: str) -> None:
    """A report into a file; raises Usage."""
    try:
        with open(path, "w", encoding="utf-8", errors="backslashreplace", newline="\n") as stream:
            stream.write(report)
    except OSError as error:
        raise Usage(f"{path}: {error.strerror}") from error


def show(report: str) -> None:
    """The report on stdout. Who closes a pipe (`| head`) has seen enough, and the exit code is that of the verdict."""
    try:
        click.echo(
            report, nl=False, color=True
        )  # or click takes the colours out again: where none belong there are none
    except BrokenPipeError:
        # Or Python tries once more at the end, and says so.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    except OSError as error:
        raise Usage(f"stdout: {error.strerror}") from error


def is_terminal() -> bool:
    """Whether somebody looks at stdout."""
    return sys.stdout is not None and sys.stdout.isatty()


def appearance() -> tuple[int, bool]:
    """Columns of the terminal on stdout, and whether it gets colours."""
    from hfcheck.reports import text  # noqa: PLC0415 - as in `hfcheck.reports`

    try:
        columns = os.get_terminal_size(sys.stdout.fileno()).columns
    except OSError:
        columns = text.WIDTH
    is_plain = os.environ.get("NO_COLOR") or os.environ.get("TERM") == "dumb"
    return min(max(columns, NARROW), text.WIDTH), not is_plain
