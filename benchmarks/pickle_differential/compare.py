"""Whether what a real unpickler did is in our facts at the same place, and whether what it did not do is excused."""

from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from io import BytesIO
from typing import Any

from benchmarks.pickle_differential.oracle import Answer, Load, Note
from hfcheck.formats import pickle as pickle_
from hfcheck.formats import pickle_machine
from hfcheck.formats.pickle_facts import Consumer, Event, EventKind, PickleFacts
from hfcheck.formats.pickle_machine import run
from hfcheck.formats.pickle_run import Run
from hfcheck.formats.pickle_source import WINDOW, Source
from hfcheck.formats.pickle_values import Bulk, Call, Dict, Global, How, Opaque, Persistent, Set, Value

EXCUSES = frozenset({
    EventKind.DIVERGENCE, EventKind.FRAME, EventKind.COMPUTED_NAME, EventKind.EXTENSION, EventKind.OUT_OF_BAND,
    EventKind.ENCODING, EventKind.KEY_EXPANSION, EventKind.BIG_INTEGER,
})  # fmt: skip
"""Events behind which we may see more than any one machine does: they say that the machines part, or that what comes
next depends on a registry, on buffers or on an encoding that is not in the stream."""

_WINDOW = "WINDOW"
"""The name of the constant in the module of the machine, which exports it to nobody."""

_STUBS = ("Kind", "Stub", "Thing", "keywords must be strings", "'memoryview' object")
"""What an error says where it lies with a stub, or with the view of a buffer, of which we know no more than of one."""

_LINES = {How.GLOBAL, How.INST}
_EXTENSIONS = {0x82: 2, 0x83: 3, 0x84: 5}
_INST = 0x69
_LINE_OPCODES = b"ciP"
_METHODS = {"setstate": b"b", "setitem": b"su", "append": b"ae", "extend": b"ae", "add": b"\x90"}
"""The opcodes that call a method."""


@dataclass(frozen=True, slots=True)
class Disagreement:
    """`sort` is short and the same for what has one cause; `detail` is for a reader."""

    sort: str
    detail: str


@dataclass(slots=True)
class Fact:
    """Something that our machine found, in the form in which a note has it."""

    kind: str
    at: int
    end: int
    rest: list[Any]
    met: bool = False


@dataclass(slots=True)
class Ours:
    """All that hfcheck says of a stream: one run for each pickle, what it adds of other readings included."""

    pickles: tuple[PickleFacts, ...]
    runs: list[Run]
    facts: list[Fact] = field(default_factory=list)


def ours(data: bytes, window: int = WINDOW) -> Ours:
    """What hfcheck makes of a stream, read in windows of so many bytes: nothing may depend on where one ends."""
    setattr(pickle_machine, _WINDOW, window)
    try:
        return _ours(data)
    finally:
        setattr(pickle_machine, _WINDOW, WINDOW)


def _ours(data: bytes) -> Ours:
    pickles = pickle_.read(Source(BytesIO(data)), Consumer.PICKLE)
    source = Source(BytesIO(data))
    runs = [pickle_.complete_run(source, run(source, one.offset)) for one in pickles]
    return Ours(pickles, runs, [fact for one in runs for fact in _facts(data, one)])


def disagreements(data: bytes, found: Ours, answers: Sequence[Answer]) -> Iterator[Disagreement]:
    index: dict[tuple[str, str, int], list[Fact]] = defaultdict(list)
    for fact in found.facts:
        index[fact.kind, "at", fact.at].append(fact)
        index[fact.kind, "end", fact.end].append(fact)
    for answer in answers:
        plain = answer.variant.split(",")[2] not in ("class", "object")
        for load in answer.loads:
            missed = list(_missed(answer, load, index, found.facts, plain=plain))
            if not load.begin or _is_pickle(load):
                yield from missed
    yield from _unfounded(found, answers)
    yield from _ends(data, found, answers)
    yield from _grouped(found)


def _missed(
    answer: Answer, load: Load, index: dict[Any, list[Fact]], facts: list[Fact], *, plain: bool
) -> Iterator[Disagreement]:
    """What a real machine did and we do not have."""
    for note in load.notes:
        if note.kind == "hash":
            continue
        if note.at is not None:
            candidates = index.get((note.kind, "at", note.at), [])
        elif note.end is not None:
            candidates = index.get((note.kind, "end", note.end), [])
        else:
            candidates = [fact for fact in facts if fact.kind == note.kind]
        matching = [fact for fact in candidates if _matches(note, fact, plain=plain)]
        for fact in matching:
            fact.met = fact.met or note.at is not None or note.end is not None
        if not matching:
            other = " with other contents" if candidates else ""
            mine = [fact.rest for fact in candidates]
            detail = f"{answer.variant} at {note.at}, end {note.end}: {note.rest}; ours: {mine}"
            yield Disagreement(f"missed {note.kind}{other}", detail)


def _is_pickle(load: Load) -> bool:
    """Whether what follows a pickle counts as another one: it ends, or imports something with a name."""
    named = [note.rest for note in load.notes if note.kind == "global" and note.rest[0][1] != "extension"]
    return load.error is None or any(
        all(part[2] == len(part[1]) and word.isidentifier() for part in rest[:2] for word in part[1].split("."))
        for rest in named
    )


def _unfounded(found: Ours, answers: Sequence[Answer]) -> Iterator[Disagreement]:
    """What we have and no machine did, without an event before it that would explain it."""
    if any(not answer.loads or _is_cut_short(answer.loads[-1]) for answer in answers):
        return
    excuses = [event.offset for one in found.runs for event in one.events if event.kind in EXCUSES]
    for fact in found.facts:
        if not fact.met and not any(offset <= fact.at for offset in excuses):
            errors = {load.error for answer in answers if _on_stubs(answer) for load in answer.loads[-1:]}
            if all(map(_is_of_a_stub, errors)):
                return
            yield Disagreement(f"more {fact.kind}", f"at {fact.at}: {fact.rest}; the machines: {errors}")
            return


def _ends(data: bytes, found: Ours, answers: Sequence[Answer]) -> Iterator[Disagreement]:
    """Whether the first pickle comes to its STOP."""
    first, events = found.runs[0], found.runs[0].events
    ends = {load.end for answer in answers if answer.loads and (load := answer.loads[0]).error is None}
    if ends and first.end is None and (first.error is None or first.error.budget is None):
        yield Disagreement("refused", f"a machine comes to its end at {ends}; ours: {first.error}")
    if first.end is not None and not ends and not any(event.kind in EXCUSES for event in events):
        errors = {answer.loads[0].error for answer in answers if answer.loads and _on_stubs(answer)}
        cut_short = any(not answer.loads or _is_cut_short(answer.loads[0]) for answer in answers)
        if not cut_short and not all(map(_is_of_a_stub, errors)):
            yield Disagreement("accepted", f"all machines stop: {errors}")
    framed = any(event.kind is EventKind.FRAME for event in events) or b"\x95" in data
    if first.end is not None and ends and first.end not in ends and not framed:
        yield Disagreement("other end", f"{ends}, ours {first.end}")


def _grouped(found: Ours) -> Iterator[Disagreement]:
    """Whether the facts for the rules have all that the runs have."""
    for facts, one in zip(found.pickles, found.runs, strict=True):
        for sort, groups, uses in (
            ("globals", facts.globals, one.globals),
            ("calls", facts.calls, one.calls),
            ("methods", facts.methods, one.methods),
            ("persistent", facts.persistent, one.persistent),
        ):
            if len(uses) < pickle_.MAX_USES and sum(group.count for group in groups) != len(uses):
                yield Disagreement(f"grouped {sort}", f"{sum(group.count for group in groups)} of {len(uses)}")


def _is_cut_short(load: Load) -> bool:
    """Whether it was not the stream that ended a run."""
    return load.error is not None and load.error.startswith(("Enough", "MemoryError", "RecursionError", "OSError"))


def _on_stubs(answer: Answer) -> bool:
    """Whether the results of calls were stubs, which let a machine go furthest."""
    return answer.variant.split(",")[2] == "class"


def _is_of_a_stub(error: str | None) -> bool:
    """Whether a machine stopped at a stub where it would go on with some real object."""
    return (
        error is not None
        and error.startswith(("TypeError", "AttributeError"))
        and any(word in error for word in _STUBS)
    )


def events(found: Ours) -> list[Event]:
    return [event for one in found.runs for event in one.events]


# Facts in the form of notes.


def _facts(data: bytes, one: Run) -> Iterator[Fact]:
    for use in one.globals:
        yield Fact(
            "global", use.offset, _end(data, use), [_shown(data, use.module), _shown(data, use.name), use.protocol]
        )
    for call in one.calls:
        rest = [_shown(data, call.callee), _shown(data, call.args), call.kwargs is not None]
        yield Fact("call", call.offset, _end(data, call), rest)
    for method in one.methods:
        argument = method.argument
        items = [_shown(data, item) for item in argument[:5000]] if method.opcode != 0x62 else _shown(data, argument)  # noqa: PLR2004 - BUILD
        yield Fact("method", method.offset, method.offset + 1, [_shown(data, method.target), method.opcode, items])
    for pid in one.persistent:
        yield Fact("persistent", pid.offset, _end(data, pid), [_shown(data, pid.id)])


def _end(data: bytes, use: Global | Call | Persistent) -> int:
    """The byte behind the opcode of a use."""
    at = use.offset
    code = data[at]
    if code in _LINE_OPCODES:
        for _ in range(1 if code == _LINE_OPCODES[2] else 2):
            found = data.find(b"\n", at)
            at = found + 1 if found >= 0 else len(data)
        return at
    return at + _EXTENSIONS.get(code, 1)


def _shown(data: bytes, value: Value, depth: int = 3) -> Any:  # noqa: ANN401, C901, PLR0911, PLR0912 - a case for each kind of value
    match value:
        case Global():
            return ["g", value.offset, _end(data, value), _shown(data, value.module), _shown(data, value.name)]
        case Call():
            return ["c", value.offset, _end(data, value)]
        case Persistent():
            return ["p", value.offset, _end(data, value)]
        case Opaque():
            return ["?"]
        case Bulk():
            return ["bulk", value.kind.__name__, value.length]
        case Dict():
            return ["dict"]
        case Set():
            return ["frozenset" if value.frozen else "set"]
        case bool() | None | float():
            return ["k", repr(value)]
        case int():
            return ["i", hex(value)[:200]]
        case str():
            return ["s", value[:200], len(value)]
        case bytes() | bytearray():
            return ["b", value[:100].hex(), len(value)]
        case tuple():
            return ["t", [_shown(data, item, depth - 1) for item in value[:8]] if depth else [], len(value)]
        case _:
            return [type(value).__name__]


def _matches(note: Note, fact: Fact, *, plain: bool) -> bool:
    real, mine = note.rest, fact.rest
    if note.kind == "global":
        names = zip(real[:2], mine[:2], strict=True)
        # None: a call computed it, or the registry of extensions has it.
        return all(mine_ == ["k", "None"] or _same(real_, mine_, plain=plain) for real_, mine_ in names) and (
            real[2] is None or real[2] == mine[2]
        )
    if note.kind == "call":
        return _same(real[0], mine[0], plain=plain) and (mine[1][0] != "t" or _same(real[1], mine[1], plain=plain))
    if note.kind == "persistent":
        return _same(real[0], mine[0], plain=plain)
    fits = mine[1] in _METHODS[real[1]] and _same(real[0], mine[0], plain=plain)
    return fits and _same_argument(real[1], real[2], mine[2], plain=plain)


def _same_argument(method: str, real: Any, mine: Any, *, plain: bool) -> bool:  # noqa: ANN401 - as JSON has it
    if method == "setstate":
        return _same(real, mine, plain=plain)
    if method == "setitem":
        pairs = zip(mine[::2], mine[1::2], strict=False)
        return any(_same(real[0], key, plain=plain) and _same(real[1], value, plain=plain) for key, value in pairs)
    if method == "extend":
        return bool(real == ["list"])
    return any(_same(real, item, plain=plain) for item in mine)


def _same_name(real: Any, mine: Any, *, plain: bool) -> bool:  # noqa: ANN401 - as JSON has it
    """A module or a name: ours is None where a call computed it."""
    return bool(mine == ["k", "None"] or (plain and mine[0] == "s")) or _same(real, mine, plain=plain)


def _same(real: Any, mine: Any, *, plain: bool) -> bool:  # noqa: ANN401, PLR0911 - as JSON has it, a case for each kind of value
    """Whether a value of a machine may be ours. `plain`: its results of calls are values, so ours match anything."""
    if mine[0] == "?" or (plain and mine[0] in "cp"):
        return True
    match real, mine:
        case [["g", at, end, *name], ["g", my_at, my_end, *my_name]]:
            placed = (at is None or at == my_at) and (end is None or end == my_end)
            if name[0] == ["s", "extension", 9]:  # where a number comes again the machines have the first stub
                return bool(my_name[0] == ["k", "None"])
            parts = zip(name, my_name, strict=True)
            return placed and all(_same_name(real_, part, plain=plain) for real_, part in parts)
        case [["c" | "p" as tag, at, end], ["c" | "p" as my_tag, my_at, my_end]]:
            return bool(tag == my_tag) and (at is None or at == my_at) and (end is None or end == my_end)
        case [["t", items, length], ["t", my_items, my_length]]:
            return bool(length == my_length) and all(
                _same(item, my_item, plain=plain) for item, my_item in zip(items, my_items, strict=False)
            )
        case [["s" | "b", _, length], ["bulk", _, my_length]]:
            return bool(length <= my_length)  # UTF-8 has more bytes than characters
        case [["s", text, _], ["s", my_text, _]] if not my_text.isascii():  # ours is decoded as Latin-1
            encoded = text.encode("utf-8", "replace")[:100]
            return bool(text == my_text or encoded == my_text.encode("latin-1", "replace")[:100])
        case [["b", text, length], ["s", my_text, my_length]]:  # the encoding "bytes"
            return bool(length == my_length) and bytes.fromhex(text)[:50] == my_text.encode("latin-1", "replace")[:50]
        case [["k", "True" | "False" as truth], ["i", number]]:  # "I+1" is True to the C machine
            return bool(int(number, 16) == (truth == "True"))
    return bool(real == mine)
