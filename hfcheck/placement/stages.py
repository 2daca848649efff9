"""Pipeline stages: which of them holds which tensors.

After `distributed/pipeline_parallel.py` of transformers 5.23, which goes by the names `layers`, `embed_tokens`, `norm`
and `lm_head` alone: `base_model_pp_plan` is not read.
"""

from collections.abc import Iterable
from dataclasses import dataclass

HEAD = "lm_head."


@dataclass(frozen=True, slots=True)
class Stages:
    """`count` stages of `layers`, below the path `base`. The last one holds the embedding too where it is the head."""

    count: int
    base: str
    layers: int
    is_tied: bool = False

    def span(self, stage: int) -> tuple[int, int]:
        """The layers of a stage, begin and end: all have the same number, but the last takes the rest as well."""
        each = self.layers // self.count
        return stage * each, self.layers if stage == self.count - 1 else (stage + 1) * each

    def holders(self, name: str) -> tuple[int, ...] | None:
        """The stages that hold a tensor, None for what all of them hold."""
        last = self.count - 1
        if name.startswith(HEAD):
            return (last,)
        if not name.startswith(f"{self.base}."):
            return None
        part, _, rest = name.removeprefix(f"{self.base}.").partition(".")
        number = rest.partition(".")[0]
        if part == "layers" and number.isdecimal():
            each = self.layers // self.count
            return (min(int(number) // each, last) if each else last,)
        if part == "embed_tokens":
            return (0, last) if self.is_tied else (0,)
        return (last,) if part == "norm" else None


def count_layers(names: Iterable[str], base: str) -> int:
    """The layers that a pipeline would divide, 0 where it finds none."""
    prefix = f"{base}.layers."
    numbers = (name.removeprefix(prefix).partition(".")[0] for name in names if name.startswith(prefix))
    return max((int(number) + 1 for number in numbers if number.isdecimal()), default=0) if base else 0
