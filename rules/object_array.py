"""A NumPy array holds Python objects, and so a pickle.

## What it finds
`.npy` and `.npz` files with arrays of objects, also where objects are in one field of a structure. One finding for
each file, which names the members. What the pickle imports is judged as that of any other.

## Why it matters
`numpy.load` refuses it unless it is given `allow_pickle=True` (`Object arrays cannot be loaded when
allow_pickle=False`), which it has been asked for since https://nvd.nist.gov/vuln/detail/CVE-2019-6446; with it, a
pickle is run. Who has to give it for one file gives it for all.

## How to put it right
Save numbers as numbers, and lists of unequal length or texts as JSON.
"""

from collections.abc import Iterator

from hfcheck.example import Append, Archive, Example
from hfcheck.example_pickles import imports, pickle
from hfcheck.facts import Facts
from hfcheck.finding import At, Finding, Severity, quote
from hfcheck.pickle_wording import listed
from hfcheck.rule import Rule


def _npy(descr: str) -> bytes:
    header = f"{{'descr': {descr}, 'fortran_order': False, 'shape': (2,), }}".encode()
    return b"\x93NUMPY\x01\x00" + (118).to_bytes(2, "little") + header.ljust(117) + b"\n"


PAIR = pickle("EMPTY_LIST", "MARK", "NONE", "NONE", "APPENDS")
OBJECTS = Append(_npy("'|O'"), PAIR)
NUMBERS = Append(_npy("'<f4'"), bytes(8))
FIELD = Append(_npy("[('a', '<f4'), ('b', '|O')]"), PAIR)


class ObjectArray(Rule):
    id = "PKL028"
    name = "object-array"
    severity = Severity.WARNING
    since = "0.1"
    confidence = "high"
    hint = "Save numbers as numbers and everything else as JSON, so that no reader has to allow pickles."
    bad = (
        Example("an array of objects", {"vocab.npy": OBJECTS}, at=(At("vocab.npy"),)),
        Example("objects in one field", {"table.npy": FIELD}, at=(At("table.npy"),)),
        Example(
            "one array of an archive",
            {"data.npz": Archive({"a.npy": NUMBERS, "b.npy": OBJECTS})},
            at=(At("data.npz", member="b.npy"),),
        ),
    )
    good = (
        Example("an array of numbers", {"a.npy": NUMBERS}),
        Example("an archive of numbers", {"a.npz": Archive({"O.npy": NUMBERS})}, near_miss=True),
        Example("a field of this name", {"a.npy": Append(_npy("[('O', '<f4')]"), bytes(8))}, near_miss=True),
        Example(
            "a pickle is none", {"a.pkl": imports("collections OrderedDict"), "b.pkl": pickle("NONE")}, near_miss=True
        ),
    )

    def check(self, facts: Facts) -> Iterator[Finding]:
        for path, file in facts.pickled():
            if file.object_arrays:
                members = [quote(member, 60) for member in file.object_arrays if member is not None]
                where = f" {listed(members)}" if members else ""
                message = f"numpy.load needs allow_pickle=True: Python objects are in the array{where}"
                yield self.finding(At(path, member=file.object_arrays[0]), message)
