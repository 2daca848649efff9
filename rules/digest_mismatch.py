"""A weight file is not the one whose digest the repository gives.

## What it finds
Weight files whose sha256, reckoned by a rehearsal (`hfcheck dry-run --rehearse --sha256`), is not the one that the
download cache of the Hub has as the name of the file, that `hf download --local-dir` noted for it, or that a list such
as `SHA256SUMS` has.

## Why it matters
No loader looks at the digest of a file: the values are others than those that were published, and nobody is told. A
download may end well and leave a file of the right size with other bytes:
https://github.com/huggingface/huggingface_hub/issues/3643 .

## How to put it right
Delete the file and download it again. If it was changed on purpose, write the list again; a file of the cache is
shared by all who use it, and is not the place for a change.
"""

from collections.abc import Iterator

from hfcheck.example import Link, Sparse
from hfcheck.example_models import LLAMA, llama_tensors, repository
from hfcheck.facts import Facts
from hfcheck.finding import At, Finding, Severity, quote
from hfcheck.rule import Example, Rule

FILE = "model.safetensors"
NOTE = f".cache/huggingface/download/{FILE}.metadata"
LATER = 32503680000
OTHER = "0" * 64
EMPTY = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"


class DigestMismatch(Rule):
    id = "DEV062"
    name = "digest-mismatch"
    severity = Severity.ERROR
    since = "0.1"
    hint = "Delete the file and download it again; if it was changed on purpose, write the list of digests again."
    bad = (
        Example(
            "another digest in SHA256SUMS",
            {**repository(LLAMA, llama_tensors()), "SHA256SUMS": f"{OTHER}  {FILE}\n"},
            at=(At(FILE),),
            rehearsal=True,
        ),
        Example(
            "a list in a folder beside, with a path that leads back",
            {**repository(LLAMA, llama_tensors()), "meta/checksums.txt": f"{OTHER} *../{FILE}\n"},
            at=(At(FILE),),
            rehearsal=True,
        ),
        Example(
            "another digest in the note of the download",
            {**repository(LLAMA, llama_tensors()), NOTE: f"{OTHER[:40]}\n{OTHER}\n{LATER}.25\n"},
            at=(At(FILE),),
            rehearsal=True,
        ),
    )
    good = (
        Example("no digest anywhere", repository(LLAMA, llama_tensors()), rehearsal=True),
        Example(
            "the digest of the file",
            {"config.json": dict(LLAMA), FILE: Sparse(0), "SHA256SUMS": f"{EMPTY}  {FILE}\n"},
            near_miss=True,
            rehearsal=True,
        ),
        Example(
            "a file that was written to after its download",
            {**repository(LLAMA, llama_tensors()), NOTE: f"{OTHER[:40]}\n{OTHER}\n1712656091.25\n"},
            near_miss=True,
            rehearsal=True,
        ),
        Example(
            "a list of another folder",
            {**repository(LLAMA, llama_tensors()), "original/SHA256SUMS": f"{OTHER}  {FILE}\n"},
            near_miss=True,
            rehearsal=True,
        ),
        Example(
            "a link like those of the download cache, in a folder that is none",
            {
                "config.json": dict(LLAMA),
                f"blobs/{OTHER}": llama_tensors(),
                FILE: Link(f"blobs/{OTHER}"),
            },
            near_miss=True,
            rehearsal=True,
        ),
    )

    def check(self, facts: Facts) -> Iterator[Finding]:
        for file in facts.rehearsed.files if facts.rehearsed is not None else ():
            if file.promised is None or file.sha256 is None or file.sha256 == file.promised.sha256:
                continue
            source = file.promised.source
            by = "the download cache" if source is None else quote(source)
            message = f"its sha256 is {file.sha256}, and {by} has {file.promised.sha256} for it"
            yield self.finding(At(file.path), message)
