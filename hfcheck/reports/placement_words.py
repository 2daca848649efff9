"""Names, devices and numbers, as the report of a dry run says them."""

import re

from hfcheck.finding import quote
from hfcheck.placement.device import Key
from hfcheck.placement.result import DryRun
from hfcheck.reports.text import SHORT

_PLAIN = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_./-]*")


def about(dry_run: DryRun) -> str:
    """A word before every figure that stands on names alone."""
    return "" if dry_run.model is None or dry_run.model.exact else "about "


def number(count: int, noun: str) -> str:
    return f"{count:,} {noun}{'' if count == 1 else 's'}" if count else f"no {noun}"


def label(key: Key) -> str:
    return str(key) if isinstance(key, int) else name_of(key)


def on(key: Key) -> str:
    return f"device {key}" if isinstance(key, int) else name_of(key)


def name_of(name: str) -> str:
    """A module, a file or a device; what is not spelt as such stands in quotes."""
    return name if _PLAIN.fullmatch(name) and len(name) <= SHORT else quote(name, SHORT)
