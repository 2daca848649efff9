"""What a rehearsal came to, in sentences: what went wrong is told by the findings."""

from collections.abc import Iterator

from hfcheck.finding import quote, visible
from hfcheck.placement.rehearsed import Copied, FileRead, Rehearsed
from hfcheck.placement.size import size
from hfcheck.reports.text import SENTENCE, SHORT, plural

META = "meta"
"""The device of torch that takes no bytes: it stands for one that is not here."""

LISTED = 5


def sentences(rehearsed: Rehearsed) -> Iterator[str]:
    read = [file for file in rehearsed.files if not file.failed]
    looked = f", values looked at with {visible(rehearsed.scanner)}" if rehearsed.scanner else ""
    amount = f"{size(rehearsed.nbytes)} of {plural(len(rehearsed.files), 'file')}"
    yield f"{amount} read in {rehearsed.seconds:.1f} s{looked}"
    if any(file.sha256 for file in read):
        yield _digests(read)
    for copied in rehearsed.copied:
        yield _copied(copied)
    for skip in rehearsed.skipped[:LISTED]:
        where = f" {quote(skip.path, SHORT)}" if skip.path is not None else ""
        yield f"not done: {skip.what}{where}: {skip.reason[:SENTENCE]}"
    if (more := len(rehearsed.skipped) - LISTED) > 0:
        yield f"not done: {plural(more, 'more thing')}"


def _digests(read: list[FileRead]) -> str:
    computed = [file for file in read if file.sha256]
    known = [file for file in computed if file.promised is not None]
    right = sum(file.promised is not None and file.promised.sha256 == file.sha256 for file in known)
    compared = f"{right} of {len(known)} known ones are right" if known else "none is known here to compare it with"
    return f"sha256 of {plural(len(computed), 'file')} computed, and {compared}"


def _copied(copied: Copied) -> str:
    device = f"device {copied.device}" if isinstance(copied.device, int) else visible(copied.device)
    amount = f"{plural(copied.tensors, 'tensor')} ({size(copied.nbytes)})"
    if copied.on == META:
        return f"{amount} for {device}, which is not here"
    peak = f", {size(copied.peak)} at most at a time by its own counter" if copied.peak is not None else ""
    return f"{amount} copied to {device} ({visible(copied.on)}){peak}"
