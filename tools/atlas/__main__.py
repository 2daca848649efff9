"""Writes the atlas: `python -m tools.atlas` makes every entry, `python -m tools.atlas llama t5` these.

Interpreting the constructors takes minutes, certifying (tools/atlas/validate.py) builds each class on several configs
and takes an hour; `--record FILE` keeps what the real classes said and is resumed, so that a second run is fast.
`--check N` makes N random entries again, certificates included, and compares them with the files (`--seed`).
"""

import argparse
import difflib
import json
import os
import random
import sys
import time
import warnings
from collections.abc import Iterable
from pathlib import Path
from typing import Any, Final

os.environ.setdefault("HF_HUB_OFFLINE", "1")  # a few constructors would ask the Hub

import torch

from tools.atlas import build, classes, config_schema, conversions, provenance
from tools.atlas.recorded import Record, append, read
from tools.atlas.validate import certified, record

ROOT: Final = Path(__file__).resolve().parent.parent.parent
SCHEMAS: Final = ROOT / "schemas"
ENTRIES: Final = SCHEMAS / "architectures"
CASES: Final = 5
SEED: Final = 0


def main() -> int:
    options = _options()
    warnings.simplefilter("ignore")
    torch.set_num_threads(1)
    wanted = options.types or list(classes.types())
    if options.check:
        return _check(random.Random(options.seed).sample(wanted, min(options.check, len(wanted))))  # noqa: S311 — a sample
    ENTRIES.mkdir(exist_ok=True)
    made: dict[str, dict[str, Any]] = {}
    for name in _shown(wanted):
        made[name] = build.entry(name)
        _write(ENTRIES / f"{name}.json", build.text(made[name]))
    if not options.types:
        conversions.write()
        _write(SCHEMAS / "auto.json", classes.index())
        _write(ROOT / "NOTICE", provenance.notice())
        for path in ENTRIES.glob("*.json"):
            if path.stem not in made:
                path.unlink()
    if options.certify:
        known = {(one.model_type, one.class_name): one for one in read(options.record)} if options.record else {}
        for name in _shown(wanted):
            _certify(made[name], known, options.record)
            _write(ENTRIES / f"{name}.json", build.text(made[name]))
    return 0


def _certify(entry: dict[str, Any], known: dict[tuple[str, str], Record], path: Path | None) -> None:
    """Hold every class of an entry against the real one on `CASES` configs, and note the outcome in the entry."""
    name = entry["model_type"]
    for class_name, cls in entry["classes"].items():
        found = known.get((name, class_name))
        if found is None:
            found = record(name, class_name, CASES, SEED)
            if path is not None:
                append(path, found)
        certificate = certified(found)
        why_not = [*cls.get("why_not", ()), *entry["config"].get("why_not", ()), *certificate.why_not]
        cls["oracle"] = {"cases": certificate.cases, "agree": certificate.agree}
        cls["why_not"] = why_not
        cls["certified"] = not why_not


def _check(names: Iterable[str]) -> int:
    """Make entries and config schemas again, and compare them with the files; exit code 1 if any differs."""
    stale = _differs(SCHEMAS / "conversions.json", conversions.render())
    stale += _differs(SCHEMAS / "auto.json", classes.index())
    stale += _differs(ROOT / "NOTICE", provenance.notice())
    for name in names:
        path = ENTRIES / f"{name}.json"
        written = json.loads(path.read_text(encoding="utf-8"))
        entry = json.loads(build.text(build.entry(name)))
        _certify(entry, {}, None)
        stale += _differing(path, *(build.text(_without_cases(found)) for found in (written, entry)))
        schema = config_schema.text(config_schema.schema(name))
        stale += _differs(SCHEMAS / "config" / f"{name}.schema.json", schema)
    return int(stale > 0)


def _without_cases(entry: dict[str, Any]) -> dict[str, Any]:
    """An entry without how many configs it was tried on, and what was seen in them: that is the doing of `vary`.

    Whether a class is certified stays in.
    """
    apart = {"oracle", "why_not"}
    classes = entry["classes"].items()
    return {**entry, "classes": {name: {k: v for k, v in cls.items() if k not in apart} for name, cls in classes}}


def _differs(path: Path, text: str) -> int:
    """Whether a file is stale, with the beginning of what differs on standard output."""
    return _differing(path, path.read_text(encoding="utf-8"), text)


def _differing(path: Path, before: str, text: str) -> int:
    same = before == text
    if not same:
        lines = difflib.unified_diff(before.splitlines(), text.splitlines(), path.name, "made again", lineterm="")
        print(*list(lines)[:40], sep="\n")
    print(f"{path.relative_to(ROOT)}: {'the same' if same else 'STALE'}", flush=True)
    return int(not same)


def _shown(names: Iterable[str]) -> Iterable[str]:
    started = time.process_time()
    for number, name in enumerate(names, 1):
        yield name
        if number % 50 == 0:
            print(f"{number} types, {time.process_time() - started:.0f} CPU seconds", file=sys.stderr, flush=True)


def _write(path: Path, text: str) -> None:
    path.write_text(text, encoding="utf-8")


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tools.atlas", description=__doc__)
    parser.add_argument("types", nargs="*", help="model types; all of them by default")
    parser.add_argument("--no-certify", dest="certify", action="store_false", help="only interpret the constructors")
    parser.add_argument("--record", type=Path, help="keep what the real classes said in this file, and use it again")
    parser.add_argument("--check", type=int, metavar="N", help="make N random entries again and compare")
    parser.add_argument("--seed", type=int, default=SEED, help="of the sample to check")
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
