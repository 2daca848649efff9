"""From a symbolic place to line, column and byte offset, for findings that are shown."""

from collections.abc import Iterable
from dataclasses import dataclass

from hfcheck.finding import At, Finding, pointer
from hfcheck.formats import json_, safetensors
from hfcheck.repository import Entry, Repository, Unreadable

TEXT_SUFFIXES = (".json", ".py", ".md", ".txt", ".jinja", ".gitattributes", ".yaml", ".yml")


@dataclass(frozen=True, slots=True)
class Located:
    """A finding with its place in numbers: line and column from 1 in text, offset in bytes from 0 in binary files."""

    finding: Finding
    line: int | None = None
    column: int | None = None
    offset: int | None = None


Numbers = tuple[int | None, int | None, int | None]


def locate(repository: Repository, findings: Iterable[Finding]) -> tuple[Located, ...]:
    """The findings, in the order given, each with the numbers that its file allows."""
    found = list(findings)
    by_path: dict[str, list[int]] = {}
    for index, finding in enumerate(found):
        if finding.at.pointer is not None or finding.at.tensor is not None or finding.at.offset is not None:
            by_path.setdefault(finding.at.path, []).append(index)
    numbers: list[Numbers] = [(None, None, finding.at.offset) for finding in found]
    entries = {entry.path: entry for entry in repository.entries}
    for path, group in by_path.items():
        if path in entries:
            places = _in_file(repository, entries[path], [found[index].at for index in group])
            for index, place in zip(group, places, strict=False):  # none where the file can no longer be read
                numbers[index] = place
    return tuple(Located(finding, *place) for finding, place in zip(found, numbers, strict=True))


def _in_file(repository: Repository, entry: Entry, places: list[At]) -> list[Numbers]:
    try:
        with repository.open(entry) as stream:
            if entry.path.endswith(".safetensors"):
                length = min(int.from_bytes(stream.read(8), "little"), safetensors.MAX_HEADER, entry.size)
                return _in_header(stream.read(length), places)
            if entry.path.endswith(TEXT_SUFFIXES):
                return _in_text(stream.read(min(entry.size, json_.MAX_BYTES)), places)
    except Unreadable:  # it was readable a moment ago: the rules say what became of it
        pass
    return []


def _in_header(header: bytes, places: list[At]) -> list[Numbers]:
    text = header.decode(errors="replace")
    pointers = [at.pointer or (pointer(at.tensor) if at.tensor is not None else None) for at in places]
    found = json_.positions(text, {target for target in pointers if target is not None})
    return [
        (None, None, 8 + len(text[: found[target]].encode()) if target in found else at.offset)
        for at, target in zip(places, pointers, strict=True)
    ]


def _in_text(data: bytes, places: list[At]) -> list[Numbers]:
    bom = len(json_.BOM) if data.startswith(json_.BOM) else 0
    text = data[bom:].decode(errors="replace")
    if all(at.offset is None for at in places):
        data = b""  # of the largest tokenizer the text takes 130 MB
    wanted = {at.pointer for at in places if at.pointer is not None}
    found = json_.positions(text, wanted) if wanted else {}
    numbers: list[Numbers] = []
    for at in places:
        index = found.get(at.pointer) if at.pointer is not None else None
        if index is None and at.offset is not None:
            index = len(data[bom : at.offset].decode(errors="replace"))
        if index is None:
            numbers.append((None, None, None))
        else:
            start = text.rfind("\n", 0, index) + 1
            numbers.append((text.count("\n", 0, index) + 1, index - start + 1, None))
    return numbers
