"""One module for each file format: `read(stream)` gives its facts or raises its one error, a subclass of `Invalid`.

No reader runs anything, allocates what a file demands before it was compared with the file's size, or knows a rule.
"""

import re
from collections.abc import Callable, Mapping
from typing import IO

from hfcheck.formats import (
    card,
    gguf,
    gitattributes,
    jinja,
    json_,
    lfs,
    onnx,
    python_,
    safetensors,
    sentencepiece,
    tekken,
    tiktoken,
    tokenizer_json,
    vocabulary,
    zip_,
)
from hfcheck.formats.invalid import Invalid as Invalid
from hfcheck.formats.sniff import Content

Reader = Callable[[IO[bytes]], object]

BY_SUFFIX: dict[str, Reader] = {
    ".safetensors": safetensors.read,
    ".json": json_.read,
    ".py": python_.read,
    ".gitattributes": gitattributes.read,
    ".gguf": gguf.read,
    ".tiktoken": tiktoken.read,
    ".jinja": jinja.read,
    ".onnx": onnx.read,
}
"""What the name promises: the loader of such a file uses this reader whatever is in it."""


def _read_model(stream: IO[bytes]) -> object:
    """A vocabulary under the name of a SentencePiece model: many are ranks of tiktoken."""
    stream.seek(0)
    head = stream.read(tiktoken.HEAD)
    return tiktoken.read(stream) if tiktoken.is_one(head) else sentencepiece.read(stream)


BY_NAME: Mapping[str, Reader] = {
    "README.md": card.read,
    "tokenizer.json": tokenizer_json.read,
    "tekken.json": tekken.read,
    "vocab.txt": vocabulary.read,
    "merges.txt": vocabulary.read_merges,
} | dict.fromkeys(
    (
        "tokenizer.model",
        "spiece.model",
        "sentencepiece.bpe.model",
        "sentencepiece.model",
        "spm.model",
        "tiktoken.model",
    ),
    _read_model,
)
"""Names that loaders look for, and that promise more than their suffix does."""

BY_CONTENT: dict[Content, Reader] = {
    Content.SAFETENSORS: safetensors.read,
    Content.ZIP: zip_.read,
    Content.GGUF: gguf.read,
}
"""What the first bytes say, where the name promises nothing."""


_PIECE = re.compile(
    r"\.(?:distcp|incomplete|part|partial|crdownload|download|[0-9]{3})$"
    r"|[._-]split-[a-z]{1,3}$"
    r"|[._-]part-?(?:[a-z]{2}|[0-9]+(?:of[0-9]+)?)$"
)
"""Names of what is no whole file: a download under way, the pieces of a file that was split, and the files of
`torch.distributed.checkpoint`, which are archives one behind the other."""


def reader_of(path: str, content: Content) -> Reader | None:
    """The reader for a file of this name with this content; None for an empty file and where there is none."""
    if content is Content.POINTER:
        return lfs.read
    if content is Content.EMPTY:
        return None
    name = path.rsplit("/", 1)[-1]
    suffix = name[name.rfind(".") :].lower() if "." in name else ""
    promised = BY_NAME.get(name) or BY_SUFFIX.get(suffix)
    return promised or (BY_CONTENT.get(content) if not _PIECE.search(name.lower()) else None)
