"""What the name of a file promises of its content, where loaders go by the name."""

import re
from posixpath import basename

from hfcheck.formats.sniff import Content

C = Content

MAGIC = frozenset({
    C.SAFETENSORS, C.GGUF, C.ZIP, C.PICKLE, C.TAR, C.GZIP, C.BZIP2, C.XZ, C.ZSTD, C.LZ4, C.SEVEN_ZIP, C.RAR, C.HDF5,
    C.NPY, C.NPY_OBJECTS, C.TFLITE, C.PNG, C.JPEG, C.PDF, C.ELF, C.PE, C.MACH_O,
})  # fmt: skip
"""Contents that their first bytes give away. ONNX has no such bytes, and text is told by what is not in it."""

MARKUP = frozenset({C.HTML, C.XML, C.JSON})

_TORCH = re.compile(
    r"[^/]*\.(?:pt|pth)|(?:pytorch_model|diffusion_pytorch_model|adapter_model|training_args)[^/]*\.bin"
)
"""What a loader hands to `torch.load`. Other `.bin` files are anything: CRF models, float arrays, vocabularies."""


PICKLE_SUFFIXES = (".pkl", ".pickle", ".joblib", ".dill", ".pt", ".pth", ".ckpt")


def is_for_unpicklers(path: str) -> bool:
    """Whether something may hand a file of this name to an unpickler, whatever is in it."""
    name = basename(path).lower()
    return name.endswith((*PICKLE_SUFFIXES, ".bin"))


def is_for_torch_load(path: str) -> bool:
    """Whether a loader hands a file of this name to `torch.load`."""
    return _TORCH.fullmatch(basename(path).lower()) is not None


def broken_promise(path: str, content: Content) -> str | None:
    """What the name promises, as a message calls it, where the content is known and something else; None elsewhere.

    safetensors files are not among them: FMT006 has those.
    """
    name = basename(path).lower()
    if name.endswith(".json"):
        return "JSON" if content in MAGIC else None
    if name.endswith(".gguf"):
        return "a GGUF file" if content is not C.GGUF and content in MAGIC | MARKUP | {C.TEXT} else None
    if name.endswith(".onnx"):
        return "an ONNX model" if content in MAGIC | MARKUP | {C.TEXT} else None
    if is_for_torch_load(name):
        # A pickle of protocol 0 is text, and torch.load also takes the tar archives of its first versions.
        wrong = content in MAGIC - {C.ZIP, C.PICKLE, C.TAR} or content in MARKUP
        # `train.en-pt.pt` is the Portuguese half of a corpus, and a line of it may begin with a bracket.
        if name.endswith(".pt") and content is C.JSON:
            wrong = False
        return "a file of torch.save" if wrong else None
    return None
