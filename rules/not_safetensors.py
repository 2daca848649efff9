"""A file named `.safetensors` is something else.

## What it finds
Files with this name whose content is no safetensors file at all: pickles, archives, pages of a web server, text.

## Why it matters
safetensors 0.8.0 takes the first eight bytes of whatever it is for a length and says `header too large`, `header too
small` or `invalid header length`. A pickle under this name is worse than useless: a reader that tries one format
after the other would run it, and scanners that go by the name do not look into it
(https://nvd.nist.gov/vuln/detail/CVE-2025-10155).

## How to put it right
Convert the weights: load them with the library that wrote them and save them with `safetensors.torch.save_file`. A page
or a text comes from a download that failed: fetch the file again.
"""

from collections.abc import Iterator

from hfcheck.example import Archive, Pointer
from hfcheck.facts import Facts
from hfcheck.finding import At, Finding, Severity
from hfcheck.formats.safetensors import Fault
from hfcheck.formats.sniff import Content
from hfcheck.refusals import refused_safetensors
from hfcheck.rule import Example, Rule

F16 = ("F16", [2, 3])
PICKLE = b"\x80\x02}q\x00."  # an empty dict


class NotSafetensors(Rule):
    id = "FMT006"
    name = "not-safetensors"
    severity = Severity.ERROR
    since = "0.1"
    hint = "Save the weights with the safetensors library, or give the file the name of what it is."
    bad = (
        Example("a pickle", {"model.safetensors": PICKLE}, at=(At("model.safetensors"),)),
        Example(
            "a file of torch.save that was renamed",
            {"model.safetensors": Archive({"archive/data.pkl": PICKLE, "archive/version": b"3\n"})},
            at=(At("model.safetensors"),),
        ),
        Example(
            "the page that a server sent instead",
            {"vae/model.safetensors": "<!DOCTYPE html><html><title>404</title></html>"},
            at=(At("vae/model.safetensors"),),
        ),
        Example("a sentence", {"model.safetensors": "Entry not found"}, at=(At("model.safetensors"),)),
        Example("zeros that were never filled in", {"model.safetensors": bytes(64)}, at=(At("model.safetensors"),)),
    )
    good = (
        Example("what the name says", {"model.safetensors": {"a": F16}}),
        Example(
            "a Git LFS pointer stands for the file: REP001",
            {"model.safetensors": Pointer(9)},
            near_miss=True,
        ),
        Example("an empty file is FMT013", {"model.safetensors": ""}, near_miss=True),
        Example(
            "a pickle under its own name",
            {"model.safetensors": {"a": F16}, "optimizer.pt": PICKLE},
            near_miss=True,
        ),
    )

    def check(self, facts: Facts) -> Iterator[Finding]:
        for reading, error in refused_safetensors(facts, Fault.FOREIGN):
            known = reading.content not in {Content.UNKNOWN, Content.SAFETENSORS, Content.ONNX}
            what = reading.content.value if known else "something else"
            message = f"the content is {what} and no safetensors file: expected {error.expected}"
            yield self.finding(At(reading.path, offset=0), message)
