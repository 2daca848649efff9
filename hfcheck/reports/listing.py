"""An example of a rule as people read it: the files of a tiny repository, and where the fault is."""

import json
from collections.abc import Iterator

from hfcheck.example import (
    Append,
    Archive,
    Cut,
    Example,
    Header,
    Link,
    Pickle,
    Pipe,
    Pointer,
    Sparse,
    TorchLegacy,
    TorchZip,
)
from hfcheck.finding import shorten, visible

LINES = 16
"""Lines of the content of a file."""

COLUMNS = 72


def listing(example: Example) -> Iterator[str]:
    """The files with what is in them, and the places that the rule finds."""
    for name, content in example.files.items():
        yield visible(name)
        lines = list(_content(name, content))
        yield from (f"    {shorten(line, COLUMNS)}" for line in lines[:LINES])
        if len(lines) > LINES:
            yield "    ..."
    for at in example.at:
        yield f"found: {visible(at.path)}{f', {visible(at.logical)}' if at.logical else ''}"


def _content(name: str, content: object) -> Iterator[str]:
    match content:
        case str():
            yield from map(visible, content.splitlines()) if content else ("(empty)",)
        case bytes():
            yield f"({len(content)} bytes)"
        case Cut() | Append():
            yield from _edited(name, content)
        case Pickle() | Archive() | TorchZip():
            yield from _pickled(content)
        case Header():
            yield visible(content.text)
            yield f"(as the header, and {content.data} bytes)"
        case dict() if name.endswith(".safetensors"):
            yield from (visible(f"{tensor}: {_tensor(value)}") for tensor, value in content.items())
        case dict() | list():
            short = json.dumps(content)
            yield from (short if len(short) <= COLUMNS else json.dumps(content, indent=2)).splitlines()
        case _:
            yield _other(content)


def _edited(name: str, content: Cut | Append) -> Iterator[str]:
    yield from _content(name, content.content)
    if isinstance(content, Cut):
        yield f"(cut off by {content.by} bytes)"
    elif isinstance(content.data, bytes):
        yield f"(and {len(content.data)} bytes more)"
    else:
        yield from ("(and behind it)", *_content(name, content.data))


def _pickled(content: Pickle | Archive | TorchZip) -> Iterator[str]:
    """An opcode a line; an archive with those of its members that are pickles."""
    if isinstance(content, Pickle):
        yield from (f"({len(line)} bytes)" if isinstance(line, bytes) else visible(line) for line in content.lines)
    elif isinstance(content, TorchZip):
        yield from (visible(f"{tensor}: {_tensor(value)}") for tensor, value in content.tensors.items())
        yield f"(saved by torch{' before 1.6' if isinstance(content, TorchLegacy) else ''})"
    else:
        yield f"(zip archive of {', '.join(map(visible, content.members))})"
        for member, inner in content.members.items():
            if isinstance(inner, Pickle):
                yield from (f"{visible(member)}:", *(f"    {line}" for line in _pickled(inner)))


def _tensor(value: object) -> str:
    """`F16 [2, 3]`; the value of `__metadata__` as it is."""
    match value:
        case (str(dtype), [*shape]):
            return f"{dtype} {shape}"
    return json.dumps(value)


def _other(content: object) -> str:
    match content:
        case Pointer():
            return f"(Git LFS pointer to {content.size} bytes)"
        case Link():
            return f"(link to {visible(content.target)})"
        case Pipe():
            return "(named pipe)"
        case Sparse():
            return f"({content.size} bytes)"
    return f"({type(content).__name__.lower()})"
