"""Tensors of a checkpoint and how to pick some: the embedding, the head, experts, one of a shape."""

import re
from collections.abc import Callable, Iterable, Mapping
from random import Random

import torch

from benchmarks.agreement.checkpoint import Tensors

EMBEDDINGS = (
    "embed_tokens.weight", "wte.weight", "word_embeddings.weight", "shared.weight", "token_embedding.weight",
    "tok_embeddings.weight", "embed_in.weight", "word_embedding.weight",
)  # fmt: skip
EXPERT = re.compile(r"(.*\.experts\.)(\d+)\.(.*)")

MATRIX = 2
"""Dimensions."""

Edit = Callable[[Tensors, Random], str | None]
"""Changes tensors in place and says what it changed; None where there is nothing of this kind to change."""


def choose(tensors: Tensors, rng: Random, fits: Callable[[torch.Tensor], bool]) -> str | None:
    names = sorted(name for name, tensor in tensors.items() if fits(tensor))
    return rng.choice(names) if names else None


def not_empty(tensor: torch.Tensor) -> bool:
    return tensor.numel() > 0


def floating(tensor: torch.Tensor) -> bool:
    return tensor.is_floating_point()


def matrix(tensor: torch.Tensor) -> bool:
    return tensor.dim() == MATRIX


def vector(tensor: torch.Tensor) -> bool:
    return tensor.dim() == 1


def oblong(tensor: torch.Tensor) -> bool:
    return tensor.dim() == MATRIX and tensor.shape[0] != tensor.shape[1]


def square(tensor: torch.Tensor) -> bool:
    return tensor.dim() == MATRIX and tensor.shape[0] == tensor.shape[1] > 1


def embedding(tensors: Tensors) -> str | None:
    return next((name for name in sorted(tensors) if name.endswith(EMBEDDINGS)), None)


def head(tensors: Tensors) -> str | None:
    """A tensor outside the trunk, which is where most names begin alike."""
    roots = [name.split(".")[0] for name in tensors]
    trunk = max(sorted(set(roots)), key=roots.count)
    outside = sorted(name for name in tensors if name.split(".")[0] != trunk)
    return next((name for name in outside if "head" in name), outside[0] if outside else None)


def expert_lists(names: Iterable[str]) -> dict[str, list[str]]:
    """The names of single experts, by the path of the list that they are in."""
    found: dict[str, list[str]] = {}
    for name in sorted(names):
        if match := EXPERT.fullmatch(name):
            found.setdefault(match.group(1), []).append(name)
    return found


def rename(tensors: Tensors, names: Mapping[str, str]) -> None:
    """Give tensors other names, all at once, in the order in which they were."""
    renamed = {names.get(name, name): tensor for name, tensor in tensors.items()}
    tensors.clear()
    tensors.update(renamed)


def removed(tensors: Tensors, names: Iterable[str]) -> str | None:
    gone = list(names)
    for name in gone:
        del tensors[name]
    more = f" and {len(gone[2:])} more" if gone[2:] else ""
    return ", ".join(gone[:2]) + more if gone else None


def row_more(tensor: torch.Tensor) -> torch.Tensor:
    return torch.cat([tensor, tensor[:1]])
