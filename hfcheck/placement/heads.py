"""Attention heads against the size of a tensor parallel group.

transformers 5.23 cuts a projection by its rows, wherever heads begin and end, and reads the share of a rank as whole
heads (`.view(*shape, -1, head_dim)`): where they are not whole, the first forward raises RuntimeError. A plan that
gathers the output, or has no rule for it, is not concerned. vLLM refuses heads that tp does not divide at start
(`config/model.py:verify_with_parallel_config`), and takes key-value heads that divide tp: it repeats them
(`layers/linear.py:QKVParallelLinear`).
"""

from collections.abc import Iterator, Sequence
from math import gcd
from typing import NamedTuple

from hfcheck.loading.draft import Resolved
from hfcheck.placement.cut import Cut
from hfcheck.placement.fault import Fault, Kind, divisors, number, spelled, text
from hfcheck.placement.piece import Piece
from hfcheck.placement.scheme import Scheme

HEADS, KV_HEADS = "num_attention_heads", "num_key_value_heads"

MATRIX = 2

_PROJECTIONS = {
    "q_proj": HEADS,
    "q_b_proj": HEADS,
    "kv_b_proj": HEADS,
    "query_key_value": HEADS,
    "k_proj": KV_HEADS,
    "v_proj": KV_HEADS,
}
_LATENT = "kv_lora_rank"
"""What a config has whose keys and values are made from one latent vector: they have no heads of their own."""

_OUTPUTS = ("o_proj", "out_proj", "dense")


def head_faults(scheme: Scheme, pieces: Sequence[Piece], whole: Resolved, tp: int) -> Iterator[Fault]:
    """Heads that these plans cut through, and those that vLLM refuses; `whole` is the config of the model."""
    said = set()
    for split in _split(scheme, pieces, tp):
        said.add((split.config.pointer, split.attribute))
        yield _fault(split, tp, runs=False)
    words = text(whole)
    for attribute in (HEADS, KV_HEADS):
        heads = number(words, attribute)
        if heads and (words.pointer, attribute) not in said and _is_refused(words, attribute, heads, tp):
            yield _fault(Split(words, attribute, heads), tp, runs=True)


class Split(NamedTuple):
    """Heads that do not go into the shares of a group: how many, and the attribute of the config that says so."""

    config: Resolved
    attribute: str
    heads: int


def _split(scheme: Scheme, pieces: Sequence[Piece], tp: int) -> list[Split]:
    """The heads that transformers cuts through, each once."""
    beside = _queries(pieces)
    seen: set[tuple[str, int, int | None]] = set()
    found: dict[tuple[str, str], Split] = {}
    for piece in pieces:
        rule = piece.given
        if rule is None or rule.style != "colwise" or len(piece.shape) != MATRIX:
            continue
        projection = _projection(piece.name)
        attribute, rows = _PROJECTIONS.get(projection), piece.shape[0]
        if attribute is None:
            continue
        queries = beside.get(_attention(piece, projection)) if attribute == KV_HEADS else None
        if (rule.pattern, rows, queries) in seen:
            continue
        seen.add((rule.pattern, rows, queries))
        owner = scheme.owner(rule.pattern)
        split = _judged(owner.config, attribute, rows, queries, tp) if owner is not None else None
        if split is not None:
            found.setdefault((split.config.pointer, split.attribute), split)
    return sorted(found.values(), key=lambda split: (split.config.pointer, split.attribute))


def _queries(pieces: Sequence[Piece]) -> dict[str, int]:
    """The rows of the queries of each attention whose output is as wide: heads there are as wide as those of keys."""
    rows = {module: piece.shape[0] for piece in pieces if (module := _attention(piece, "q_proj"))}
    return {
        module: piece.shape[1]
        for piece in pieces
        for name in _OUTPUTS
        if (module := _attention(piece, name)) and rows.get(module) == piece.shape[1]
    }


def _projection(name: str) -> str:
    """The projection whose weight it is: `q_proj` of `self_attn.q_proj.weight` and `self_attn.q_proj.linear.weight`."""
    parts = [part for part in name.split(".")[:-1] if part != "linear"]
    return parts[-1] if parts else ""


def _attention(piece: Piece, projection: str) -> str:
    """The module around the weight of a projection, empty for anything else."""
    module, found, _ = piece.name.rpartition(f".{projection}.")
    return module if found and len(piece.shape) == MATRIX else ""


def _judged(config: Resolved, attribute: str, rows: int, queries: int | None, tp: int) -> Split | None:
    """The heads of a projection of that many rows, where a rank gets a part of one.

    `queries` are the rows of the queries of the same layer: layers may differ in the width of a head, and then in the
    number of key-value heads as well. Nothing is said of rows that are no whole heads to begin with.
    """
    heads = _count(config, attribute)
    width = queries // (number(config, HEADS) or queries + 1) if queries else 0
    if width and not rows % width:
        heads = rows // width
    if heads is None or not rows or rows % heads:
        return None
    if not any(share % (rows // heads) for share in Cut(0, rows, tp).widths()):
        return None
    if heads != _count(config, attribute):
        named = (name for name in config.names() if name.endswith(attribute.removeprefix("num_")))
        attribute = next((name for name in named if number(config, name) == heads), attribute)
    return Split(config, attribute, heads)


def _count(config: Resolved, attribute: str) -> int | None:
    return number(config, attribute) or number(config, HEADS)


def _is_refused(config: Resolved, attribute: str, heads: int, tp: int) -> bool:
    """Whether vLLM stops: at start for heads, when it builds the layers for key-value heads."""
    if attribute == KV_HEADS and number(config, _LATENT) is not None:
        return False
    return bool(heads % tp) and (attribute == HEADS or bool(tp % heads))


def _fault(split: Split, tp: int, *, runs: bool) -> Fault:
    config, attribute, heads = split
    name, pointer = spelled(config, attribute if number(config, attribute) is not None else HEADS)
    repeats = attribute != HEADS and not tp % heads
    vllm = "vLLM repeats them" if repeats else "vLLM refuses to start"
    what = (
        "transformers does not cut them, but " + vllm
        if runs
        else f"transformers loads, cuts through a head and stops in the first forward with RuntimeError; {vllm}"
    )
    message = f"{name}={heads} is not divisible by tp={tp}; valid: {divisors(heads)}; {what}"
    kind: Kind = "heads" if attribute == HEADS else "kv-heads"
    return Fault(kind, message, pointer, _hint(config), "never" if runs else "forward")


def _hint(config: Resolved) -> str:
    """The sizes that suit all heads of the config."""
    counts = [found for name in config.names() if name.endswith("key_value_heads") and (found := number(config, name))]
    heads = number(config, HEADS) or 0
    common = gcd(heads, *(() if number(config, _LATENT) is not None else counts))
    return f"Take a tp that divides the heads and the key-value heads: {divisors(common)}."
