"""Two readers of a zip archive see different things in it.

## What it finds
Archives whose directory is damaged, or says something else than the headers in front of the members: other names,
sizes, methods or flags, members that come twice or overlap, several directories, more or fewer members than are
counted, a pickle with another checksum; in files of `torch.save` also what torch refuses or maps wrongly. One finding
for each kind of difference in a file.

An error in what `torch.load` opens and where the archive is damaged for every reader, a warning in other archives and
where torch reads what others refuse.

## Why it matters
Scanners read archives with one library, torch 2.13 with another: a member that the scanner refuses or does not see is
loaded all the same (https://github.com/protectai/modelscan/issues/354 ,
https://nvd.nist.gov/vuln/detail/CVE-2025-10156 , https://nvd.nist.gov/vuln/detail/CVE-2025-1944). Without ill will,
such an archive was cut, patched or packed again by a tool that does not know the format: tensor data that was
compressed loads as other weights where the file is mapped into memory, as `from_pretrained` does it.

## How to put it right
Load the weights in a place where nothing can be harmed and save them again, as safetensors or with `torch.save`. An
archive that no tool of yours made like this should not be trusted.
"""

from collections.abc import Callable, Iterable, Iterator

from hfcheck.example import Append, Archive, Replace
from hfcheck.facts import Facts
from hfcheck.finding import At, Finding, Severity
from hfcheck.formats import torch_zip
from hfcheck.formats.zip_ import Difference, Effect, Fault, Kind, ZipFacts, ZipInvalid
from hfcheck.promises import broken_promise, is_for_torch_load
from hfcheck.refusals import refused
from hfcheck.rule import Example, Rule

DAMAGE = frozenset({Kind.MISSING, Kind.COUNT_MORE, Kind.ZIP64_EXTRA, Kind.LOCAL_HEADER, Kind.BEYOND_END})
"""Members that no reader gets whole."""

TORCH_ALONE = frozenset({Kind.CASE, Kind.FOLDER_WITH_DATA, Kind.BACKSLASH, Kind.GAP})
"""Ambiguous to torch, and everyday in archives of others: signed ones have gaps, old tools for Windows backslashes."""

PICKLE = b"\x80\x02}q\x00."
TORCH = Archive({"archive/data.pkl": PICKLE, "archive/data/0": bytes(8), "archive/version": b"3\n"})


class ArchiveDirectoriesDisagree(Rule):
    id = "FMT031"
    name = "archive-directories-disagree"
    severity = Severity.ERROR
    since = "0.1"
    hint = "Save the content again with the library that reads it, and do not trust an archive that was made like this."
    bad = (
        Example(
            "the header in front of the pickle has another name",
            {"pytorch_model.bin": Replace(TORCH, b"archive/data.pkl", b"archive/data.txt")},
            at=(At("pytorch_model.bin", member="archive/data.pkl"),),
        ),
        Example(
            "two pickles, of which torch takes either",
            {"weights.pt": Archive({**TORCH.members, "archive/DATA.PKL": PICKLE})},
            at=(At("weights.pt", member="archive/DATA.PKL"),),
        ),
        Example(
            "the same name twice, in an archive of another kind: a warning",
            {
                "arrays.npz": Replace(
                    Replace(Archive({"a.npy": b"1", "b.npy": b"2"}), b"b.npy", b"a.npy"), b"b.npy", b"a.npy"
                )
            },
            at=(At("arrays.npz", member="a.npy"),),
        ),
        Example(
            "another byte in the pickle than its checksum says",
            {"weights.pt": Replace(TORCH, PICKLE, PICKLE.replace(b"q\x00", b"q\x01"))},
            at=(At("weights.pt", member="archive/data.pkl"),),
        ),
        Example(
            "two pickles, in an archive inside of another",
            {"model.zip": Archive({"weights.ckpt": Archive({**TORCH.members, "archive/DATA.PKL": PICKLE})})},
            at=(At("model.zip", member="weights.ckpt!/archive/DATA.PKL"),),
        ),
        Example(
            "the directory is damaged",
            {"weights.pth": Replace(TORCH, b"PK\x01\x02", b"PK\x01\x00")},
            at=(At("weights.pth"),),
        ),
    )
    good = (
        Example("in agreement", {"pytorch_model.bin": TORCH}),
        Example(
            "bytes behind the archive, which torch passes over", {"a.pt": Append(TORCH, bytes(100))}, near_miss=True
        ),
        Example(
            "names that differ by case, in an archive that torch does not open",
            {"texts.zip": Archive({"readme.md": b"a", "README.md": b"b"})},
            near_miss=True,
        ),
        Example(
            "a file of that name among others, in an archive that torch does not open",
            {
                "texts.zip": Archive({"readme.md": b"a", "data.pkl": PICKLE}),
                "more.zip": Archive({"texts/readme.md": b"a", "texts/data.pkl": PICKLE}),
            },
            near_miss=True,
        ),
        Example(
            "TorchScript, with code beside the data",
            {
                "m.pt": Archive(
                    {"m/constants.pkl": PICKLE, "m/data.pkl": PICKLE, "m/code/m.py": b"", "m/version": b"3\n"}
                )
            },
            near_miss=True,
        ),
        Example("an archive that was cut is FMT030", {"a.pt": b"PK\x03\x04" + bytes(60)}, near_miss=True),
    )

    def check(self, facts: Facts) -> Iterator[Finding]:
        for reading, error in refused(facts, ZipInvalid):
            if error.fault is Fault.DIRECTORY and broken_promise(reading.path, reading.content) is None:
                at = At(reading.path, offset=error.offset)
                yield self.finding(at, f"the file is {error.fault.value}: expected {error.expected}")
        archives = dict(facts.all_of(ZipFacts))
        pickled = dict(facts.pickled())
        for path in dict.fromkeys((*archives, *pickled)):
            archive, contents = archives.get(path), pickled.get(path)
            torch = _as_torch_reads_it(path, archive) if archive is not None else None
            differences = [
                *(archive.differences if archive is not None else ()),
                *(torch.differences if torch is not None else ()),
                *(contents.differences if contents is not None else ()),
            ]
            severity = _severity if torch is not None else _severity_elsewhere
            yield from self._findings(path, differences, severity)
            yield from self._findings(path, contents.inner if contents is not None else (), _severity)

    def _findings(
        self, path: str, differences: Iterable[Difference], severity_of: Callable[[Kind], Severity | None]
    ) -> Iterator[Finding]:
        """One for each kind."""
        found: dict[Kind, list[Difference]] = {}
        for difference in differences:
            found.setdefault(difference.kind, []).append(difference)
        for kind, same in found.items():
            severity = severity_of(kind)
            if severity is not None:
                at = At(path, member=same[0].member, offset=same[0].offset)
                more = f" (one of {len(same)} such places)" if len(same) > 1 else ""
                yield self.finding(at, f"{same[0].detail}{more}: {kind.reason}", severity=severity)


def _as_torch_reads_it(path: str, archive: ZipFacts) -> torch_zip.TorchZipFacts | None:
    """What torch makes of the archive; None where no loader would hand it to torch."""
    torch = torch_zip.describe(archive)
    if torch is None or is_for_torch_load(path):
        return torch
    # A data.pkl somewhere in an archive of files is a file; in the root folder of the first member it is torch's.
    is_elsewhere = any(difference.kind is Kind.NO_PICKLE for difference in torch.differences)
    return torch if torch.is_like_torch and not is_elsewhere else None


def _severity(kind: Kind) -> Severity | None:
    if kind.effect is Effect.OTHERS_REFUSE:
        return Severity.WARNING
    return Severity.ERROR if kind.effect in (Effect.AMBIGUOUS, Effect.TORCH_REFUSES) else None


def _severity_elsewhere(kind: Kind) -> Severity | None:
    """In an archive that torch does not open: what torch alone refuses is no fault of it."""
    if kind in DAMAGE:
        return Severity.ERROR
    return Severity.WARNING if kind.effect is Effect.AMBIGUOUS and kind not in TORCH_ALONE else None
