"""The pickles of a stream: what each would import, call and build, in every way in which an unpickler may read it.

https://github.com/python/cpython/blob/3.13/Lib/pickletools.py describes the opcodes; nothing here is decided by it.
"""

from collections.abc import Iterable
from dataclasses import replace

from hfcheck.finding import quote
from hfcheck.formats.pickle_compat import imported
from hfcheck.formats.pickle_expansion import MAX_SIZE, unfolded
from hfcheck.formats.pickle_facts import (
    CallUse,
    Consumer,
    Event,
    EventKind,
    GlobalUse,
    MethodUse,
    PersistentUse,
    PickleFacts,
    Stopped,
)
from hfcheck.formats.pickle_frames import dropped
from hfcheck.formats.pickle_machine import MAX_OPCODES, run
from hfcheck.formats.pickle_run import Load, Method, Run, Wrapped
from hfcheck.formats.pickle_source import Source
from hfcheck.formats.pickle_values import Call, Global, Persistent, Value

MAX_STACKED = 64
"""Pickles one behind the other that are followed."""

MAX_USES = 1000
"""Uses of one sort that are kept with their place; a million different names say no more."""

SHARED = 16
"""Times that a container is put to another use, from which on it is worth a look how large it all would be."""

DEEPEST = 1000
"""Containers inside each other: Python stops at about so many when it walks them."""

_BLANK = b"\0 \t\r\n"
_STEP = 2**16


def read(  # noqa: PLR0913 - where the stream lies, and what its loader adds to the machine
    source: Source,
    consumer: Consumer,
    *,
    member: str | None = None,
    origin: int | None = 0,
    begin: int = 0,
    wrapped: Wrapped | None = None,
    load: Load | None = None,
) -> tuple[PickleFacts, ...]:
    """The pickle at byte `begin` and those stacked behind it, each with a memo of its own.

    `member` and `origin` are as in PickleFacts; `wrapped` and `load` as in `pickle_machine.run`.
    """
    found: list[PickleFacts] = []
    pending, seen, spent = [begin], {begin}, 0
    while pending and len(found) < MAX_STACKED:
        begin = pending.pop(0)
        first = run(source, begin, wrapped, load, opcodes=MAX_OPCODES - spent)
        spent += first.opcodes
        complete = complete_run(source, first, wrapped, load)
        if found and not _is_pickle(complete):
            found[-1] = _with(found[-1], Event(EventKind.TRAILING, begin, f"{source.size - begin} bytes follow"))
            continue
        facts = facts_of(complete, consumer, member=member, origin=origin, number=len(found))
        if found:
            found[-1] = _with(found[-1], Event(EventKind.TRAILING, begin, "another pickle follows"))
        found.append(facts)
        following = (_next(source, place) for place in first.ends)
        pending += (new := [place for place in following if place < source.size and place not in seen])
        seen.update(new)
    return tuple(found)


def complete_run(source: Source, first: Run, wrapped: Wrapped | None = None, load: Load | None = None) -> Run:
    """A run with what other ways to read the same stream add to it, and what is to be said of it as a whole."""
    for other, reading, at in dropped(source, first, wrapped, load):
        start = other.offset(at) - source.offset(0)
        _move(reading, other, source)
        _add(first, reading, start)
    arrays = [event.offset for event in first.events if event.kind is EventKind.ARRAY]
    if arrays:
        _add(first, _plausible(run(source, first.begin, None, load)), arrays[0])
    _look_inside(source, first)
    if first.shared > SHARED:
        _measure(first)
    elif first.depth > DEEPEST:
        first.events.append(Event(EventKind.DEPTH, first.begin, f"{first.depth} containers are open at once"))
    return first


def facts_of(
    found: Run, consumer: Consumer, *, member: str | None = None, origin: int | None = 0, number: int = 0
) -> PickleFacts:
    """The facts of one run, grouped: what a rule needs, without the values themselves."""
    globals_, calls, methods = _globals(found.globals), _calls(found.calls), _methods(found.methods)
    error = found.error
    if error is None and max(len(globals_), len(calls), len(methods)) >= MAX_USES:
        error = Stopped(found.begin, f"fewer than {MAX_USES} different imports and calls", "pickle.uses")
    return PickleFacts(
        member=member,
        origin=origin,
        number=number,
        offset=found.begin,
        consumer=consumer,
        protocol=found.protocol,
        opcodes=found.opcodes,
        globals=globals_,
        calls=calls,
        methods=methods,
        persistent=_persistent(found),
        events=_events(found.events),
        stop=None if found.end is None else found.end - 1,
        error=error,
        refused_opcode=found.refused_opcode,
    )


def _next(source: Source, at: int) -> int:
    """The first byte from `at` on that is neither blank nor zero."""
    while at < source.size:
        part = source.read(at, _STEP)
        if not part:
            break
        if rest := part.lstrip(_BLANK):
            return at + len(part) - len(rest)
        at += len(part)
    return source.size


def _is_pickle(found: Run) -> bool:
    """Whether what follows a pickle is another one: it comes to an end, or has imported something by its name."""
    return found.end is not None or any(map(_is_named, found.globals))


def _is_named(found: Global) -> bool:
    """Whether a global has a name that something in Python can have. An import of any other fails, and nothing runs."""
    return all(
        part is not None and all(word.isidentifier() for word in part.split(".")) for part in (found.module, found.name)
    )


def _with(facts: PickleFacts, event: Event) -> PickleFacts:
    return replace(facts, events=(*facts.events, event))


# Other readings.


def _move(found: Run, source: Source, target: Source) -> None:
    """Make the places in a run those of another source, of which the first one is a part."""
    start = target.offset(0)

    def moved(offset: int) -> int:
        return source.offset(offset) - start

    uses: tuple[Global | Call | Method | Persistent, ...] = (
        *found.globals,
        *found.calls,
        *found.methods,
        *found.persistent,
    )
    for use in uses:
        use.offset = moved(use.offset)
    found.events[:] = [replace(event, offset=moved(event.offset)) for event in found.events]
    found.ends[:] = [moved(end) for end in found.ends]
    found.end = None if found.end is None else moved(found.end)


def _add(found: Run, other: Run, start: int) -> None:
    """Add to a run what another reading of the same stream has from byte `start` on: before it, they are the same."""
    imports = {(use.offset, use.module, use.name) for use in found.globals}
    found.globals += [
        use for use in other.globals if use.offset >= start and (use.offset, use.module, use.name) not in imports
    ]
    found.calls += [use for use in other.calls if use.offset >= start]
    found.methods += [use for use in other.methods if use.offset >= start]
    found.persistent += [use for use in other.persistent if use.offset >= start]
    found.events += [event for event in other.events if event.offset >= start]
    found.ends += other.ends
    if found.end is None and other.end is not None:
        found.end, found.error = other.end, None


def _plausible(found: Run) -> Run:
    """A reading of array bytes as opcodes, without what only chance can have made: names that nothing can have."""
    named = [use for use in found.globals if _is_named(use)]
    for use in named:
        use.doubtful = True
    known = {id(use) for use in named}
    calls = [use for use in found.calls if id(use.callee) in known]
    methods = [use for use in found.methods if id(use.target) in known]
    return Run(found.begin, globals=named, calls=calls, methods=methods)


def _look_inside(source: Source, found: Run) -> None:
    """The constants that look like pickles: those that call something are."""
    left = MAX_OPCODES // 4
    for at, length in found.inner:
        if left <= 0:
            break
        inner = run(source.part(at, length), opcodes=left)
        left -= inner.opcodes
        if inner.calls or any(map(_is_named, inner.globals)):
            names = [f"{quote(f'{use.module}.{use.name}')}" for use in inner.globals[:1]]
            detail = f"{length} bytes that are a pickle" + (f", which imports {names[0]}" if names else "")
            found.events.append(Event(EventKind.INNER_PICKLE, at, detail))


def _measure(found: Run) -> None:
    measured = unfolded(found.root)
    if measured is None:
        return
    size, depth = measured
    if size >= MAX_SIZE:
        found.events.append(Event(EventKind.EXPANSION, found.begin, f"more than {MAX_SIZE} values"))
    if depth > DEEPEST:
        found.events.append(Event(EventKind.DEPTH, found.begin, f"{depth} containers inside each other"))


# Grouping.


def _name(value: Value) -> object:
    """What uses of the same thing have in common: the name of a global, the callee of a result, else the thing."""
    if isinstance(value, Global):
        return value.module, value.name
    if isinstance(value, Call):
        callee = value.callee
        return ("result", callee.module, callee.name) if isinstance(callee, Global) else id(value)
    return id(value)


def _globals(found: Iterable[Global]) -> tuple[GlobalUse, ...]:
    firsts: dict[tuple[str | None, str | None, bool], list[Global]] = {}
    for use in found:
        # Below protocol 3 the same name may stand for another.
        firsts.setdefault((use.module, use.name, use.protocol < 3), []).append(use)
        if len(firsts) > MAX_USES:
            break
    return tuple(
        GlobalUse(
            module,
            name,
            _import(module, name, old=old),
            uses[0].offset,
            uses[0].how,
            len(uses),
            all(use.doubtful for use in uses),
        )
        for (module, name, old), uses in firsts.items()
    )


def _import(module: str | None, name: str | None, *, old: bool) -> tuple[str, str] | None:
    if module is None or name is None:
        return None
    return imported(module, name) if old else (module, name)


def _calls(found: Iterable[Call]) -> tuple[CallUse, ...]:
    firsts: dict[object, Call] = {}
    counts: dict[object, int] = {}
    for call in found:
        key = (*_called(call), call.opcode)
        if key in firsts:
            counts[key] += 1
        elif len(firsts) < MAX_USES:
            firsts[key], counts[key] = call, 1
    return tuple(CallUse(call, counts[key]) for key, call in firsts.items())


def _called(call: Call) -> tuple[object, ...]:
    """What calls have in common: the callee and what it is handed that can be called or looked up."""
    callee = call.callee
    if not isinstance(callee, Global):
        return (id(call),)
    if type(call.args) is not tuple:
        return (_name(callee),)
    handed = tuple(_name(part) for part in call.args if type(part) is Global)
    if callee.name == "getattr":
        handed += tuple(part for part in call.args if type(part) is str)
    return _name(callee), handed


def _methods(found: Iterable[Method]) -> tuple[MethodUse, ...]:
    firsts: dict[object, Method] = {}
    counts: dict[object, int] = {}
    for use in found:
        key = (_name(use.target), use.opcode)
        if key in firsts:
            counts[key] += 1
        elif len(firsts) < MAX_USES:
            firsts[key], counts[key] = use, 1
    return tuple(
        MethodUse(use.target, use.opcode, use.argument, use.offset, counts[key]) for key, use in firsts.items()
    )


def _persistent(found: Run) -> tuple[PersistentUse, ...]:
    """Ids by their form: a tuple by its first item and its length, where that is a constant."""
    firsts: dict[object, Persistent] = {}
    counts: dict[object, int] = {}
    for use in found.persistent:
        id_ = use.id
        first = id_[0] if type(id_) is tuple and id_ else None
        form = (first, len(id_)) if type(first) is str else type(id_)
        if form in firsts:
            counts[form] += 1
        elif len(firsts) < MAX_USES:
            firsts[form], counts[form] = use, 1
    return tuple(PersistentUse(use.id, use.offset, counts[form]) for form, use in firsts.items())


def _events(found: Iterable[Event]) -> tuple[Event, ...]:
    """Events of one kind and wording as one, the first, with their number."""
    firsts: dict[tuple[EventKind, str], Event] = {}
    for event in found:
        before = firsts.get((event.kind, event.detail))
        key = (event.kind, event.detail)
        firsts[key] = event if before is None else replace(before, count=before.count + event.count)
    return tuple(firsts.values())
