"""Pickles for the examples of rules. What they call prints a word at worst, should anybody ever load one."""

from hfcheck.example import Archive, Content, Pickle

MARKER = "echo hfcheck-marker"
"""A command that harms nobody."""

_MAGIC = "LONG1 6cfc9c46f9206aa85019"


def pickle(*lines: str | bytes, protocol: int = 2) -> Pickle:
    """A pickle of this protocol that makes one value and stops."""
    return Pickle((f"PROTO {protocol}", *lines, "STOP"))


def call(module: str, name: str, *arguments: str) -> Pickle:
    """The pickle of an object that is made by a call with strings."""
    return pickle(f"GLOBAL {module} {name}", "MARK", *(f"BINUNICODE {text}" for text in arguments), "TUPLE", "REDUCE")


def imports(*names: str) -> Pickle:
    """The pickle of a list of what is imported, as `module name`, and nothing called."""
    return pickle("EMPTY_LIST", "MARK", *(f"GLOBAL {name}" for name in names), "APPENDS")


def torch_zip(content: Pickle, **records: Content) -> Archive:
    """A file of `torch.save` with this pickle; `records` are further members of the folder."""
    members: dict[str, Content] = {"data.pkl": content, "byteorder": b"little", "version": b"3\n", **records}
    return Archive({f"archive/{name}": data for name, data in members.items()})


def torch_legacy(content: Pickle, *, little_endian: bool = True) -> Pickle:
    """The same as it was written before torch 1.6: five pickles, of which the fourth is the object."""
    order = "NEWTRUE" if little_endian else "NEWFALSE"
    system = ("EMPTY_DICT", "MARK", "BINUNICODE protocol_version", "BININT2 1001", "BINUNICODE little_endian", order)
    head = (*pickle(_MAGIC).lines, *pickle("BININT2 1001").lines, *pickle(*system, "SETITEMS").lines)
    return Pickle((*head, *content.lines, *pickle("EMPTY_LIST").lines))


def joblib_array(data: bytes) -> tuple[str | bytes, ...]:
    """An array of float64 whose bytes stand in the stream, as joblib writes them."""
    dtype = ("GLOBAL numpy dtype", "BINUNICODE f8", "NEWFALSE", "NEWTRUE", "TUPLE3", "REDUCE")
    state = (
        "EMPTY_DICT", "MARK", "BINUNICODE dtype", *dtype, "BINUNICODE shape", f"BININT {len(data) // 8}", "TUPLE1",
        "BINUNICODE order", "BINUNICODE C", "BINUNICODE allow_mmap", "NEWTRUE", "SETITEMS",
    )  # fmt: skip
    wrapper = ("GLOBAL joblib.numpy_pickle NumpyArrayWrapper", "EMPTY_TUPLE", "NEWOBJ", *state, "BUILD")
    return (*wrapper, data)
