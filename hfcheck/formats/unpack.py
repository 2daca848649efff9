"""What comes out of a compressed stream, as far as an unpickler would want it and the budgets allow."""

from collections.abc import Iterator
from io import BytesIO

from hfcheck.formats.compressed import CompressedInvalid, Missing
from hfcheck.formats.parts import MAX_INFLATED, MAX_MEMBER, Gathered, Part
from hfcheck.formats.pickle_probe import JUDGED, may_be_pickle
from hfcheck.formats.pickled import MARKED, OddityKind, may_be_packed, may_hold
from hfcheck.formats.sniff import HEAD, content

MAX_RATIO = 100
MIN_BOMB = 100 * 2**20
"""Sparse weights compress well: a ratio counts above this size only."""

_ENDLESS = 2**62

_STAGES = (HEAD, JUDGED)
"""Bytes at which it is asked whether a stream is worth more of them."""


def unpacked(stream: Iterator[bytes], packed: Part, gathered: Gathered, *, always: bool) -> Part | None:
    """What a stream unpacks to, in memory; None where it is nothing that an unpickler would take.

    `packed` is what the stream is made of, under the name that its content shall have. `always`: it is wanted
    whatever it is. The caller gives `kept` back when the part is done with.
    """
    if gathered.inflated > MAX_INFLATED:
        gathered.leave(packed.member, f"more than {MAX_INFLATED} bytes were unpacked before", "pickled.inflated")
        return None
    buffer, size, cut, seen = BytesIO(), 0, None, 2 if always else 0
    fault: CompressedInvalid | None = None
    try:
        for chunk in stream:
            buffer.write(chunk)
            size += len(chunk)
            gathered.inflated += len(chunk)
            gathered.kept += len(chunk)
            if seen < len(_STAGES) and size >= _STAGES[seen]:  # most members are told by their first bytes
                seen += 1
                if not _is_worth_more(buffer.getvalue()):
                    gathered.kept -= size
                    return None
            if (cut := _exceeded(gathered)) is not None:
                break
    except CompressedInvalid as error:
        fault = error
    except Missing:
        gathered.leave(packed.member, "needs pip install hfcheck[archives]")
        return None
    _note(fault, cut, size, packed, gathered)
    if seen < len(_STAGES) and not is_worth(buffer.getvalue(), whole=fault is None):
        gathered.kept -= size
        return None
    return Part(buffer, 0, size, packed.member, None, packed.depth, cut)


def _is_worth_more(head: bytes) -> bool:
    if len(head) >= JUDGED:
        return is_worth(head[:JUDGED], whole=False)
    kind = content(head[:HEAD], _ENDLESS)
    return kind in MARKED or may_hold(head[:HEAD], kind)


def _exceeded(gathered: Gathered) -> str | None:
    if gathered.kept > MAX_MEMBER:
        return "pickled.member"
    return "pickled.inflated" if gathered.inflated > MAX_INFLATED else None


def _note(fault: CompressedInvalid | None, cut: str | None, size: int, packed: Part, gathered: Gathered) -> None:
    if fault is not None:
        gathered.leave(packed.member, f"expected {fault.expected}")
    if cut is not None:
        most = MAX_MEMBER if cut == "pickled.member" else MAX_INFLATED
        gathered.leave(packed.member, f"it unpacks to more than {most} bytes", cut)
    if size > MIN_BOMB and size > MAX_RATIO * packed.size:
        detail = f"{packed.size} bytes unpack to {'more than ' if cut else ''}{size}"
        gathered.odd(OddityKind.BOMB, packed, 0, detail)


def is_worth(head: bytes, *, whole: bool) -> bool:
    """Whether something that begins so may hold a pickle. `whole`: this is all of it."""
    kind = content(head[:HEAD], len(head) if whole else _ENDLESS)
    if kind in MARKED or not may_hold(head[:HEAD], kind):
        return kind in MARKED
    return may_be_packed(head[:HEAD]) or may_be_pickle(head, whole=whole)


def is_part_worth(part: Part) -> bool:
    """The same of a part that need not be unpacked, of which no more is read than it takes."""
    head = part.at(0, HEAD)
    kind = content(head, part.size)
    if kind in MARKED or not may_hold(head, kind):
        return kind in MARKED
    return may_be_packed(head) or may_be_pickle(part.at(0, JUDGED), whole=part.size <= JUDGED)
