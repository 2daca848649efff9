"""Which embedding a tokenizer feeds: that of the model in its folder, or of the encoder beside it in a pipeline."""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from posixpath import basename, dirname, join
from typing import Any

from hfcheck import layout
from hfcheck.facts import Facts
from hfcheck.finding import At, pointer, quote
from hfcheck.formats.json_ import JsonFacts
from hfcheck.tokens.embeddings import TEXT, Embedding, Embeddings, embeddings
from hfcheck.tokens.table import TokenTable

TOKENIZER, ENCODER = "tokenizer", "text_encoder"
"""How the folders of a pipeline are called: `tokenizer_2` belongs to `text_encoder_2`."""

NO_INPUT = ("ForCTC", "TextToUnit")
"""Parts of the names of classes whose tokens are answers alone, or units of speech."""


GENERATION = "generation_config.json"
GENERATES = re.compile(r"ForCausalLM|ForConditionalGeneration|ForSeq2SeqLM|LMHeadModel|MTModel")

SPECIAL_IDS = (
    "bos_token_id", "eos_token_id", "pad_token_id", "decoder_start_token_id", "forced_bos_token_id",
    "forced_eos_token_id",
)  # fmt: skip
"""What `generate` of transformers 5.23 uses as the id of a token."""


@dataclass(frozen=True, slots=True)
class Fed:
    """A tokenizer, and the embedding that its ids are looked up in."""

    folder: str
    table: TokenTable
    embedding: Embedding

    @property
    def rows(self) -> str:
        """The embedding as a message names it."""
        one = self.embedding
        if one.source == "config":
            return f"the vocab_size of {one.at.path} ({one.rows})"
        return f"{quote(one.name)} ({one.rows} rows)"


def fed(facts: Facts) -> Iterator[Fed]:
    """The tokenizers of a unit of which the ids and the rows are both known for certain."""
    for folder, table in facts.token_tables.items():
        if table.raises is None and table.certain and not table.without_vocabulary:
            embedding = rows_of(facts) if folder == facts.folder else widest(_beside(facts, folder))
            if embedding is not None:
                yield Fed(folder, table, embedding)


def rows_of(facts: Facts) -> Embedding | None:
    """The embedding of the text model of a unit, the largest where there are several; None where none is known."""
    names = (facts.config or {}).get("architectures")
    classes = [name for name in names if isinstance(name, str)] if isinstance(names, list) else []
    if any(part in name for name in classes for part in NO_INPUT):
        return None
    found = facts.embeddings
    if facts.has_file(
        facts.inside(layout.ADAPTER_CONFIG)
    ):  # the config came along from the base: its rows may not be these
        found = Embeddings(tuple(one for one in found.found if one.source == "tensor"))
    return widest(found)


def widest(found: Embeddings) -> Embedding | None:
    """The text embedding, and of several with different rows the one with the most.

    That may be what the config says: a class for one of several parts stores the embedding of its own vocabulary.
    """
    stored = [one for one in found.found if one.source == "tensor" and one.is_text]
    sizes = [*([found.text] if found.text is not None else stored), *([found.declared] if found.declared else [])]
    return max(sizes, key=lambda one: one.rows, default=None)


def _beside(facts: Facts, folder: str) -> Embeddings:
    name = basename(folder)
    if TOKENIZER not in name:
        return Embeddings()
    path = join(dirname(folder), name.replace(TOKENIZER, ENCODER), layout.CONFIG)
    document = facts.of(path, JsonFacts)
    config = document.value if document is not None and type(document.value) is dict else {}
    return embeddings(config, path, {}, {})


def special_ids(facts: Facts) -> Iterator[tuple[At, str, list[int]]]:
    """The ids that `generate` takes from a unit: where they stand, the name of the field, and its numbers."""
    for path, place, values in _homes(facts):
        for name in SPECIAL_IDS:
            value = values.get(name)
            ids = [one for one in (value if isinstance(value, list) else [value]) if type(one) is int]
            if ids:
                yield At(path, place + pointer(name)), name, ids


def _homes(facts: Facts) -> Iterator[tuple[str, str, Mapping[str, Any]]]:
    """What `generate` takes its ids from: a file, a pointer in it, and the object there."""
    path = facts.inside(GENERATION)
    document = facts.json(path)
    if facts.has_file(path):
        if document is not None and type(document.value) is dict:
            yield path, "", document.value
        return
    config = facts.config or {}
    names = config.get("architectures")
    if facts.load.is_refused or not isinstance(names, list):
        return
    if not any(isinstance(name, str) and GENERATES.search(name) for name in names):
        return
    declared = facts.embeddings.declared
    keys = next((keys for keys in TEXT if declared is not None and declared.name == pointer(*keys, "vocab_size")), ())
    part: Any = config
    for key in keys:
        part = part[key]
    yield facts.inside(layout.CONFIG), pointer(*keys), part
