"""The sha256 that a repository itself gives for its files: from the download of each, or in a list beside them."""

import re
from collections.abc import Iterator, Mapping
from posixpath import basename, dirname, join, normpath

from hfcheck.facts import Facts
from hfcheck.placement.rehearsed import Promise
from hfcheck.repository import Entry, Form, Unreadable

LISTS = frozenset({"sha256sums", "sha256sums.txt", "sha256sum.txt", "sha256.txt", "checksums.txt", "checksums.sha256"})
"""Names, in lower case, of files that `sha256sum` wrote or would read."""

MAX_LIST = 2**20
"""Bytes of such a file: 10,000 lines."""

MAX_LISTS = 16

DOWNLOADS = ".cache/huggingface/download"
"""Where `hf download --local-dir` notes what it wrote: a file for each, of the commit, the digest and the time."""

MAX_NOTE = 1000

_CACHED = re.compile(r"\.\./\.\./blobs/([0-9a-f]{64})")
"""Where a file of the download cache lies: under the sha256 of its content, if the Hub keeps it in LFS or Xet."""

_LINE = re.compile(r"([0-9a-fA-F]{64}) [ *](.+)")
"""A line of `sha256sum`. One that begins with a backslash has a name that is written otherwise."""

_NOTE = re.compile(r"[0-9a-f]{40}\n([0-9a-f]{64})\n([0-9]{1,15})(?:\.[0-9]*)?\n?")


def promised(facts: Facts) -> Mapping[str, Promise]:
    """The sha256 of files, by path; a download is believed before a list."""
    found: dict[str, Promise] = {}
    entries = [entry for entry in facts.entries if entry.form is Form.FILE and basename(entry.path).lower() in LISTS]
    for entry in entries[:MAX_LISTS]:
        for line in _text(facts, entry, MAX_LIST).splitlines():
            if (match := _LINE.fullmatch(line)) is not None:
                path = normpath(join(dirname(entry.path), match[2]))
                found.setdefault(path, Promise(match[1].lower(), entry.path))
    return found | dict(_downloaded(facts))


def _downloaded(facts: Facts) -> Iterator[tuple[str, Promise]]:
    for path in facts.loaded:
        entry = facts.entry(path)
        if entry is None:
            continue
        if (match := _CACHED.fullmatch(entry.real)) is not None:
            yield path, Promise(match[1])
        note = facts.entry(f"{DOWNLOADS}/{path}.metadata")
        if note is None or note.form is not Form.FILE:
            continue
        match = _NOTE.fullmatch(_text(facts, note, MAX_NOTE))
        # huggingface_hub too takes a file for another one that was written to more than a second later.
        if match is not None and entry.stamp[2] // 10**9 - 1 <= int(match[2]):
            yield path, Promise(match[1], note.path)


def _text(facts: Facts, entry: Entry, most: int) -> str:
    """What is in a small file; nothing where it cannot be read."""
    try:
        with facts.shelf.repository.open(entry) as stream:
            return stream.read(most).decode("utf-8", "surrogateescape")
    except Unreadable:
        return ""
