"""All kinds of damage, by name, in the order of the published table."""

from pathlib import Path
from random import Random

from benchmarks.agreement.checkpoint import Mutate
from benchmarks.agreement.mutations_config import BY_TYPE, CONFIGS
from benchmarks.agreement.mutations_files import FILES
from benchmarks.agreement.mutations_lost import LOST
from benchmarks.agreement.mutations_names import NAMES
from benchmarks.agreement.mutations_shapes import SHAPES

CLEAN, AUTO = "clean", "clean, by the Auto class"


def untouched(_folder: Path, _: Random) -> str:
    return ""


MUTATIONS: dict[str, Mutate] = {CLEAN: untouched, AUTO: untouched, **LOST, **NAMES, **SHAPES, **CONFIGS, **FILES}

__all__ = ["AUTO", "BY_TYPE", "CLEAN", "MUTATIONS"]
