"""Writes what each model keeps between two tokens: `python -m tools.atlas.cache_files`, or `... llama t5` for these.

`schemas/caches/<model_type>.json` has for each class of the type that generates: `parts`, those of its cache as
tools/atlas/kv.py describes them; `attention`, its ways of attending beside "eager", which keeps all scores; `logits`,
"last" where `generate` has it make those of the last token alone, else "all". Running the models takes some minutes;
`--check N` makes N random files again.
"""

import argparse
import os
import random
import sys
import warnings
from collections.abc import Iterable
from importlib.metadata import version
from inspect import signature
from pathlib import Path
from typing import Any, Final

os.environ.setdefault("HF_HUB_OFFLINE", "1")  # a few constructors would ask the Hub

import torch
from transformers import PreTrainedModel

from tools.atlas import build, classes
from tools.atlas.caches import takes_cache
from tools.atlas.kv import kv
from tools.atlas.reality import TooLong, time_limit
from tools.atlas.tiny import tiny

ROOT: Final = Path(__file__).resolve().parent.parent.parent
CACHES: Final = ROOT / "schemas" / "caches"
SCHEMA_VERSION: Final = 1
SECONDS: Final = 120
"""For one class: its runs under all configs near the tiny one."""

UNKNOWN: Final = [{"layers": "", "kind": "unknown"}]


def main() -> int:
    options = _options()
    warnings.simplefilter("ignore")
    torch.set_num_threads(1)
    wanted = options.types or list(classes.types())
    if options.check:
        wanted = [path.stem for path in sorted(CACHES.glob("*.json"))]
        return _check(random.Random(options.seed).sample(wanted, min(options.check, len(wanted))))  # noqa: S311 — a sample
    CACHES.mkdir(exist_ok=True)
    for name in wanted:
        path, found = CACHES / f"{name}.json", document(name)
        if found["classes"]:
            path.write_text(build.text(found), encoding="utf-8")
        else:
            path.unlink(missing_ok=True)
        print(name, ", ".join(_kinds(found["classes"])) or "-", file=sys.stderr, flush=True)
    return 0


def document(model_type: str) -> dict[str, Any]:
    """The file of a type; its `classes` are empty where none of them generates with a cache."""
    found = {name: _class(model_type, name) for name in classes.classes(model_type) if _generates(model_type, name)}
    return {
        "schema_version": SCHEMA_VERSION,
        "model_type": model_type,
        "engine": {"transformers": version("transformers")},
        "classes": found,
    }


def traits(cls: type[PreTrainedModel]) -> dict[str, Any]:
    """What the class says of itself: how it may attend, and which logits `generate` has it make."""
    ways = [word for word, has in (("sdpa", cls._supports_sdpa), ("flash", cls._supports_flash_attn)) if has]
    return {"attention": ways, "logits": "last" if "logits_to_keep" in signature(cls.forward).parameters else "all"}


def _class(model_type: str, class_name: str) -> dict[str, Any]:
    return {**traits(classes.model_class(model_type, class_name)), "parts": _parts(model_type, class_name)}


def _generates(model_type: str, class_name: str) -> bool:
    cls = classes.model_class(model_type, class_name)
    return bool(cls.can_generate()) and takes_cache(cls)


def _parts(model_type: str, class_name: str) -> list[dict[str, Any]]:
    try:
        with time_limit(SECONDS):
            return kv(model_type, class_name, tiny(model_type, class_name))
    except (Exception, TooLong):  # noqa: BLE001 — a model that does not run here keeps what nobody knows
        return UNKNOWN


def _kinds(found: dict[str, dict[str, Any]]) -> list[str]:
    return sorted({part["kind"] for one in found.values() for part in one["parts"]})


def _check(names: Iterable[str]) -> int:
    """Run the models of these types again; exit code 1 if a file would be another one."""
    stale = [name for name in names if (CACHES / f"{name}.json").read_text("utf-8") != build.text(document(name))]
    print(f"caches: {', '.join(stale) + ' STALE' if stale else 'the same'}")
    return int(bool(stale))


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tools.atlas.cache_files", description=__doc__)
    parser.add_argument("types", nargs="*", help="model types; all of them by default")
    parser.add_argument("--check", type=int, metavar="N", help="make N random files again and compare")
    parser.add_argument("--seed", type=int, default=0, help="of the sample to check")
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
