"""What was not checked, and why: a file is checked where its reader understood it, or a finding says why it did not.

A pickle that was not followed to its end and an archive that was not opened never pass, whatever they are called: a
loader goes by its own rules.
"""

from hfcheck.facts import Facts
from hfcheck.finding import quote
from hfcheck.formats.pickled import PickledFacts
from hfcheck.formats.python_ import PythonInvalid
from hfcheck.formats.sniff import Content
from hfcheck.formats.zip_ import ZipInvalid
from hfcheck.promises import PICKLE_SUFFIXES, is_for_torch_load
from hfcheck.report import Reason, Skipped
from hfcheck.repository import SPECIAL, Entry, Form
from hfcheck.shelf import Reading

KERAS_SUFFIXES = (".h5", ".hdf5", ".keras")
"""Weights that can bring code along (a Lambda layer), in a form that is not read. TFLite and raw arrays cannot."""


def skipped(facts: Facts, entry: Entry) -> Skipped | None:
    """Why a file was not checked; None where it was, as far as that does not depend on a finding."""
    if entry.form in SPECIAL:
        return Skipped(entry.path, Reason.SPECIAL, entry.form.value)
    if entry.form in (Form.UNREADABLE, Form.UNKNOWN):
        return Skipped(entry.path or ".", Reason.UNREADABLE, entry.form.value)
    if entry.form is Form.ENVIRONMENT:
        return Skipped(entry.path, Reason.ENVIRONMENT)
    reading = facts.reading(entry.path)
    if reading is None:
        return Skipped(entry.path, Reason.LINK, entry.form.value)
    if reading.unreadable is not None:
        return Skipped(entry.path, Reason.UNREADABLE, reading.unreadable)
    if reading.exceeded is not None:
        return Skipped(entry.path, Reason.LIMIT, reading.exceeded)
    if reading.pickled is not None and (left := _not_unpickled(entry, reading.pickled)) is not None:
        return left
    reason = _not_understood(reading)
    return Skipped(entry.path, reason) if reason else None


def unexplained(facts: Facts, entry: Entry) -> Skipped | None:
    """How a file counts that its reader refused, where no finding says so: it may be something else to its loader."""
    reading = facts.reading(entry.path)
    if reading is None:
        return None
    if reading.pickled is not None and (error := _fault(reading.pickled)) is not None:
        return Skipped(entry.path, Reason.PICKLE, error)
    if reading.invalid is None or isinstance(reading.invalid, PythonInvalid):
        return None
    return Skipped(entry.path, Reason.INVALID, f"expected {reading.invalid.expected}")


def _fault(pickled: PickledFacts) -> str | None:
    """Where a pickle ends before its STOP, for a fault of its own."""
    error = next((pickle.error for pickle in pickled.pickles if pickle.error is not None), None)
    return f"expected {error.expected}" if error is not None else None


def _not_unpickled(entry: Entry, pickled: PickledFacts) -> Skipped | None:
    """What was left out of a file that holds pickles or may hold some."""
    budgets = [part.budget for part in pickled.unread] + [
        pickle.error.budget for pickle in pickled.pickles if pickle.error
    ]
    if limit := next(filter(None, budgets), None):
        return Skipped(entry.path, Reason.LIMIT, limit)
    if pickled.unread:
        first = pickled.unread[0]
        where = "" if first.member is None else f"{quote(first.member)}: "
        return Skipped(entry.path, Reason.ARCHIVE, f"{where}{first.why}")
    return None


def _not_understood(reading: Reading) -> Reason | None:
    name = reading.path.lower()
    if reading.content is Content.POINTER:
        return Reason.POINTER
    if reading.content is Content.EMPTY:
        return None
    if name.endswith(KERAS_SUFFIXES):
        return Reason.WEIGHTS
    if reading.pickled is not None:
        return None
    unpickled = name.endswith(PICKLE_SUFFIXES) or is_for_torch_load(name)
    if unpickled and not isinstance(reading.invalid, ZipInvalid):
        return Reason.WEIGHTS
    if isinstance(reading.invalid, PythonInvalid):
        return Reason.UNKNOWN
    return None if reading.facts is not None or reading.invalid is not None else Reason.UNKNOWN
