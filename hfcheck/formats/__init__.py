"""One module for each file format: `read(stream)` gives its facts or raises its one error, a subclass of `Invalid`.

No reader runs anything, allocates what a file demands before it was compared with the file's size, or knows a rule.
"""

from collections.abc import Callable
from typing import IO

from hfcheck.formats import gguf, gitattributes, json_, lfs, onnx, python_, safetensors, zip_
from hfcheck.formats.invalid import Invalid as Invalid
from hfcheck.formats.sniff import Content

Reader = Callable[[IO[bytes]], object]

BY_SUFFIX: dict[str, Reader] = {
    ".safetensors": safetensors.read,
    ".json": json_.read,
    ".py": python_.read,
    ".gitattributes": gitattributes.read,
    ".gguf": gguf.read,
    ".onnx": onnx.read,
}
"""What the name promises: the loader of such a file uses this reader whatever is in it."""

BY_CONTENT: dict[Content, Reader] = {
    Content.SAFETENSORS: safetensors.read,
    Content.ZIP: zip_.read,
    Content.GGUF: gguf.read,
}
"""What the first bytes say, where the name promises nothing."""


def reader_of(path: str, content: Content) -> Reader | None:
    """The reader for a file of this name with this content; None for an empty file and where there is none."""
    if content is Content.POINTER:
        return lfs.read
    if content is Content.EMPTY:
        return None
    name = path.rsplit("/", 1)[-1]
    suffix = name[name.rfind(".") :].lower() if "." in name else ""
    return BY_SUFFIX.get(suffix) or BY_CONTENT.get(content)
