"""Requirement 5: no string of a repository reaches a sink raw. The oracle is a parser of each format.

Where a string can lie on a disk the repository is written there and goes through the real engine; anything else is put
into a `Report` by hand.
"""

import json
import os
import re
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from unicodedata import category
from urllib.parse import unquote_to_bytes

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hfcheck import engine, registry, testing
from hfcheck.config import Settings
from hfcheck.example import Archive, Cut, Example, Header, Link
from hfcheck.facts import Facts, Kind
from hfcheck.finding import At, Finding, Severity, printable, visible
from hfcheck.formats.safetensors import SafetensorsFacts
from hfcheck.locate import Located
from hfcheck.report import Ignored, Reason, Report, RepositoryReport, Skipped
from hfcheck.reports import FORMATS, sink, text
from hfcheck.rule import Rule

PIECES = (
    "\x00", "\x07", "\x1b[31m", "\x1b]8;;http://evil\x1b\\x", "\x1b]52;c;eA==\x07", "\x1b[2J", "\x9b31m", "\x7f", "\x85",
    "\r", "\n", "\r\n", "\t", "\x0b", "\u2028", "\u2029", "\u202e", "\u2066", "\u200b", "\u200d", "\ufeff", "\u00ad",
    "\U000e0041", "\ue000", "\u0378", "\udc80", "\udcff", "\ud800", "\udfff", "</script>", "<!--", "&lt;", "%0A", "%0D",
    "%25", "::error file=x::forged", "::stop-commands::x", "\n::error::forged", "##[error]forged", "###[", "##vso[task]",
    "##teamcity[x]", "|", "`", "```", "=cmd|' /C calc'!A0", "+1", "@here", "[x](http://evil)", "](", "{0}", "}}", "{",
    "\\", "\\n", "\\x1b", '"', "'", ",", ":", ";", "/", "//evil/", "../", " ", "  ", "\u00a0", "\u3000", "é", "漢", "a",
)  # fmt: skip
HOSTILE = st.lists(st.one_of(st.sampled_from(PIECES), st.characters()), min_size=1, max_size=6).map("".join)


def on_disk(string: str) -> str:
    """The string as far as it can be the name of a file."""
    kept = "".join(char for char in string if char not in "/\0" and not "\ud800" <= char < "\udc80" and char <= "\U0010ffff")
    data = kept.encode("utf-8", "surrogateescape") if all(not "\udd00" <= c <= "\udfff" for c in kept) else b"x"
    name = os.fsdecode(data[:120])
    return f"n{name}" if name in {"", ".", ".."} else name
