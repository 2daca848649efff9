"""How many ids a model has room for: the rows of its input embedding in the weights, and what the config says.

Of a model with several parts the text model is what a tokenizer feeds: `text_config` and what it is called elsewhere
come before the top level, whose `vocab_size` is then a default that nothing reads.
"""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Literal

from hfcheck.finding import At, pointer
from hfcheck.formats.gguf import GgufFacts
from hfcheck.formats.tensor import Tensor

_EMBEDDING = re.compile(
    r"(?:^|\.)(?:embed_tokens|embed_in|wte|word_embeddings?|tok_embeddings|token_embeddings?|tokens_embed|shared"
    r"|text_embeddings?|embed_text_tokens|embeddings)\.weight$"
)
_OTHER_PART = re.compile(
    r"(?:^|[._])(?:vision|visual|image|img|audio|speech|codec|code|codes|vq|vqgan|vqmodel|video|depth|talker|token2wav"
    r"|bias|position|quantizer|mtp|draft|assistant|entity|lang|qformer|t2u|patcher|protein|per_layer)(?:[._]|$|\d)|_model\.encoder\.codebook"
)
"""Parts of a name that say that another part of the model than the text model has it."""

TEXT = (
    ("text_config",), ("thinker_config", "text_config"), ("llm_config",), ("language_config",), ("text_model_config",),
    ("text_encoder",), ("decoder",), ("text_cfg",), ("language_model_config",),
)  # fmt: skip
"""Where configs with parts have the one of the text model, in the order of preference."""

FLOATS = frozenset({"F64", "F32", "F16", "BF16", "F8_E4M3", "F8_E5M2"})
MATRIX = 2
MOST = 2**32


@dataclass(frozen=True, slots=True)
class Embedding:
    """So many rows, by the tensor `at` a weight file, or by a `vocab_size` at a place of the config.

    `name` is the tensor's, or the pointer. `is_text` is whether it belongs to the text model, as far as names tell.
    """

    rows: int
    name: str
    at: At
    source: Literal["tensor", "config"]
    is_text: bool = True


@dataclass(frozen=True, slots=True)
class Embeddings:
    """Every embedding of tokens that weights and config tell of, those of the weights first."""

    found: tuple[Embedding, ...] = ()

    @property
    def text(self) -> Embedding | None:
        """The input embedding of the text model; None where nothing tells of one, or two that differ.

        What is stored counts, and the config only where nothing is.
        """
        for source in ("tensor", "config"):
            rows = [one for one in self.found if one.source == source and one.is_text]
            if rows:
                return rows[0] if len({one.rows for one in rows}) == 1 else None
        return None

    @property
    def rows(self) -> int | None:
        """Rows of `text`: an id from here on has none."""
        return self.text.rows if self.text is not None else None

    @property
    def declared(self) -> Embedding | None:
        """The `vocab_size` of the text model in the config."""
        return next((one for one in self.found if one.source == "config" and one.is_text), None)


def embeddings(
    config: Mapping[str, Any], config_path: str, tensors: Mapping[str, Tensor], files: Mapping[str, str]
) -> Embeddings:
    """The embeddings of a model: `files` has the path of the file with each tensor."""
    return Embeddings((*_stored(tensors, files), *_declared(config, config_path)))


def _stored(tensors: Mapping[str, Tensor], files: Mapping[str, str]) -> Iterator[Embedding]:
    for name, tensor in tensors.items():
        is_matrix = len(tensor.shape) == MATRIX and tensor.shape[0] > 0 and tensor.dtype in FLOATS
        if is_matrix and name in files and name.endswith(".weight") and _EMBEDDING.search(name):
            other = _OTHER_PART.search(name.removesuffix(".weight").rpartition(".")[0]) is not None
            yield Embedding(tensor.shape[0], name, At(files[name], tensor=name), "tensor", not other)


def _declared(config: Mapping[str, Any], path: str) -> Iterator[Embedding]:
    nested = [one for one in (_vocab_size(config, path, keys) for keys in TEXT) if one is not None]
    top = _vocab_size(config, path, ())
    if nested:
        yield nested[0]
    if top is not None:
        yield Embedding(top.rows, top.name, top.at, "config", is_text=not nested)


def _vocab_size(config: Mapping[str, Any], path: str, keys: tuple[str, ...]) -> Embedding | None:
    part: Any = config
    for key in keys:
        part = part.get(key) if type(part) is dict else None
    size = part.get("vocab_size") if isinstance(part, Mapping) else None
    if type(size) is not int or not 0 < size < MOST:
        return None
    place = pointer(*keys, "vocab_size")
    return Embedding(size, place, At(path, place), "config")


def rows_of_gguf(facts: GgufFacts) -> int | None:
    """Rows of the input embedding in a GGUF file, whose shapes have the fastest dimension first."""
    tensor = facts.tensors.get("token_embd.weight")
    return tensor.shape[1] if tensor is not None and len(tensor.shape) == MATRIX else None
