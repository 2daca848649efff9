"""Whether a zip archive is one of torch's, and what torch 2.13 expects of such: `PyTorchStreamReader::init`.

https://github.com/pytorch/pytorch/blob/v2.13.0/caffe2/serialize/inline_container.cc
"""

from dataclasses import dataclass

from hfcheck.finding import quote
from hfcheck.formats.zip_ import UTF8, Member, ZipFacts, is_unicode
from hfcheck.formats.zip_kinds import Difference, Differences, Kind


@dataclass(frozen=True, slots=True)
class TorchZipFacts:
    """A zip archive with a `data.pkl`, wherever it is.

    `root` is the folder that torch looks into, None where the first member is in none. `pickles` are all members
    called `data.pkl`, also those that torch does not find; `storages` are the tensors' bytes, by the key that the
    pickle has for them. `torchscript`: torch hands the archive to `torch.jit.load`. `byteorder` is the record of that
    name. `differences` are what makes torch refuse or misread it.
    """

    root: str | None
    pickles: tuple[Member, ...]
    storages: tuple[tuple[str, Member], ...]
    torchscript: bool
    code: bool
    version: Member | None
    byteorder: Member | None
    differences: tuple[Difference, ...] = ()

    @property
    def is_like_torch(self) -> bool:
        """Whether there is more that speaks for torch than a file called `data.pkl` in a folder."""
        return self.root is not None and (self.version is not None or bool(self.storages))


def describe(facts: ZipFacts) -> TorchZipFacts | None:
    """The archive as torch reads it; None for another one (npz, Keras, a document), which is as good."""
    pickles = tuple(member for member in facts.members if _fold(member.name).split("/")[-1] == "data.pkl")
    if not pickles:
        return None
    root = _root(facts.members[0])
    records = {} if root is None else _records(facts, root)
    version = records.get(".data/version") or records.get("version")
    storages = tuple((name[len("data/") :], records[name]) for name in records if name.startswith("data/"))
    differences = Differences(facts.size)
    _check_names(facts, root, differences)
    if root is not None and "data.pkl" not in records:
        detail = f"data.pkl is not in the folder {quote(root)}"
        differences.add(Kind.NO_PICKLE, pickles[0].header_offset, detail, pickles[0].name)
    if root is not None and version is None:
        differences.add(Kind.NO_VERSION, 0, f"no record `version` is in the folder {quote(root)}")
    for _, member in storages:
        if member.method and member.uncompressed:
            detail = f"the tensor data {quote(member.name)} is compressed"
            differences.add(Kind.DEFLATED_TENSOR, member.header_offset, detail, member.name)
    return TorchZipFacts(
        root,
        pickles,
        storages,
        # `_is_torchscript_zip` looks into the list of names, which nobody folds.
        torchscript=any(member.name == f"{root}/constants.pkl" for member in facts.members),
        code=any(name.startswith("code/") for name in records),
        version=version,
        byteorder=records.get("byteorder"),
        differences=tuple(differences.kept),
    )


def _root(first: Member) -> str | None:
    root, slash, _ = first.name.partition("/")
    return root if slash else None


def _records(facts: ZipFacts, root: str) -> dict[str, Member]:
    """What torch finds below the root, by its name without the root, folded: the first of each, for want of better."""
    prefix = _fold(root) + "/"
    records: dict[str, Member] = {}
    for member in facts.members:
        if (name := _fold(member.name)).startswith(prefix):
            records.setdefault(name[len(prefix) :], member)
    return records


def _check_names(facts: ZipFacts, root: str | None, differences: Differences) -> None:
    """What stops `PyTorchStreamReader::getAllRecords`, which `torch.load` calls first of all."""
    if root is None:
        first = facts.members[0]
        detail = f"the first member {quote(first.name)} is in no folder"
        differences.add(Kind.NO_ROOT, first.header_offset, detail, first.name)
    for member in facts.members:
        if root is not None and not member.name.startswith(f"{root}/"):
            detail = f"member {quote(member.name)} is not in the folder {quote(root)}"
            differences.add(Kind.SEVERAL_ROOTS, member.header_offset, detail, member.name)
        if not member.flags & UTF8 and not is_unicode(member.name):  # with the flag, every reader's: zip_ tells
            detail = f"member {quote(member.name)} has a name that is not UTF-8"
            differences.add(Kind.ENCODING, member.header_offset, detail, member.name)


def _fold(name: str) -> str:
    """The name with ASCII letters in lower case, and no others: `str.lower` makes a k of the Kelvin sign."""
    if name.isascii():
        return name.lower()
    return name.encode("utf-8", "surrogateescape").lower().decode("utf-8", "surrogateescape")
