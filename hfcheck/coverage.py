"""What was not checked, and why: a file is checked where its reader understood it, or a finding says why it did not.

A pickle or an archive of a kind that is not opened never passes, whatever it is called: a loader goes by its own rules.
"""

from hfcheck.facts import Facts
from hfcheck.formats import torch_zip
from hfcheck.formats.python_ import PythonInvalid
from hfcheck.formats.sniff import ARCHIVES, Content
from hfcheck.formats.zip_ import ZipFacts, ZipInvalid
from hfcheck.promises import is_for_torch_load
from hfcheck.report import Reason, Skipped
from hfcheck.repository import SPECIAL, Entry, Form
from hfcheck.shelf import Reading

PICKLE_SUFFIXES = (".pkl", ".pickle", ".joblib", ".dill", ".pt", ".pth", ".ckpt")

KERAS_SUFFIXES = (".h5", ".hdf5", ".keras")
"""Weights that can bring code along (a Lambda layer), in a form that is not read. TFLite and raw arrays cannot."""

PICKLES = frozenset({Content.PICKLE, Content.NPY_OBJECTS})


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
    reason = _not_understood(reading)
    return Skipped(entry.path, reason) if reason else None


def unexplained(facts: Facts, entry: Entry) -> Skipped | None:
    """How a file counts that its reader refused, where no finding says so: it may be something else to its loader."""
    reading = facts.reading(entry.path)
    if reading is None or reading.invalid is None or isinstance(reading.invalid, PythonInvalid):
        return None
    return Skipped(entry.path, Reason.INVALID, f"expected {reading.invalid.expected}")


def _not_understood(reading: Reading) -> Reason | None:
    name = reading.path.lower()
    if reading.content is Content.POINTER:
        return Reason.POINTER
    if reading.content is Content.EMPTY:
        return None
    if holds_pickle(reading):
        return Reason.PICKLE
    if is_closed_archive(reading):
        return Reason.ARCHIVE
    unpickled = name.endswith(PICKLE_SUFFIXES) or is_for_torch_load(name)
    if unpickled and not isinstance(reading.invalid, ZipInvalid):
        # Whatever else it is: the same bytes can be a pickle, and these names are for unpicklers.
        return Reason.WEIGHTS
    if isinstance(reading.invalid, PythonInvalid):
        return Reason.UNKNOWN
    if reading.facts is not None or reading.invalid is not None:
        return None
    return Reason.WEIGHTS if name.endswith(KERAS_SUFFIXES) else Reason.UNKNOWN


def holds_pickle(reading: Reading) -> bool:
    """Whether a loader would unpickle something in a file: by its content, or by a name that promises nothing else."""
    if reading.content in PICKLES:
        return True
    if isinstance(reading.facts, ZipFacts):
        return torch_zip.describe(reading.facts) is not None
    return reading.facts is None and reading.path.lower().endswith(PICKLE_SUFFIXES)


def is_closed_archive(reading: Reading) -> bool:
    """Whether a file is an archive whose members nobody looked at, under any name: loaders go by the content."""
    if reading.content in ARCHIVES:
        return True
    return reading.content is Content.ZIP and not isinstance(reading.invalid, ZipInvalid)
