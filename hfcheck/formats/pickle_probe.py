"""Whether bytes without a magic number are a pickle: the machine itself is asked, and text is told from it.

Every word list that begins with `c` imports something, to an unpickler. A call, or an end with nothing behind it, is
what text does not come to.
"""

from io import BytesIO

from hfcheck.formats.pickle_facts import EventKind, PickleFacts
from hfcheck.formats.pickle_machine import Source, run
from hfcheck.formats.pickle_run import Run

JUDGED = 2**16
"""Bytes by which it is told whether more of them are worth a look."""

_BLANK = b"\0 \t\r\n"
_MARGIN = 16


def may_be_pickle(head: bytes, *, whole: bool) -> bool:
    """Whether the machine comes to a call, to an end, or through all of this. `whole`: nothing follows."""
    source = Source(BytesIO(head))
    found = run(source)
    if any(_is_named(call.callee) for call in found.calls):
        return True
    if found.end is not None:
        return not head[found.end :].strip(_BLANK)
    return not whole and _ran_out(found, source)


def is_pickle(facts: tuple[PickleFacts, ...]) -> bool:
    """The same of what was followed to its end."""
    return bool(facts) and (
        any(_is_named(use.call.callee) for one in facts for use in one.calls)
        or (facts[0].complete and not any(event.kind is EventKind.TRAILING for event in facts[-1].events))
    )


def _ran_out(found: Run, source: Source) -> bool:
    """Whether a stream ended for want of bytes, and not for what is in it."""
    if found.error is None or found.error.budget is not None:
        return True
    if any(event.kind is EventKind.LENGTH for event in found.events) or "the stream ends" in found.error.expected:
        return True
    return found.error.offset >= source.size - _MARGIN


def _is_named(callee: object) -> bool:
    """Whether a callee has a name that Python could have; one that is computed may have any."""
    module, name = getattr(callee, "module", ""), getattr(callee, "name", "")
    if module is None or name is None:
        return True
    return all(word.isidentifier() for word in (*str(module).split("."), *str(name).split(".")))
