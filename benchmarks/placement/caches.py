"""Bytes of caches against real ones: `python -m benchmarks.placement.caches [TYPE ...] [--configs N] [--seed N]`.

Each class that generates is built with random weights from several valid configs, other ones than those that the
expressions of schemas/caches were read from, in bfloat16 and float32. It reads a prompt of two sequences and one token
more, with the cache that `generate` of transformers makes for it. What is allocated after the prompt, after the token,
and what is kept of it are compared with the arithmetic. Needs torch and transformers; about 10 minutes on one core.
"""

import argparse
import os
import random
import sys
import warnings
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

os.environ.setdefault("HF_HUB_OFFLINE", "1")

import torch
from transformers import PreTrainedConfig, logging

from hfcheck.loading import atlas
from hfcheck.loading.draft import ConfigRaises, Unresolvable
from hfcheck.loading.resolve import resolve
from hfcheck.placement.cache import Cache, Moment, Sequences, total
from hfcheck.placement.cache_data import cache_classes
from hfcheck.placement.cache_rules import cache_of
from tools.atlas import classes
from tools.atlas.caches import SPLIT, WIDE, WINDOWS, attribute, changed, decoder_of, mends
from tools.atlas.kv import FIELDS as MOVED
from tools.atlas.prompts import SOURCE, Filled, fill, read
from tools.atlas.reality import TooLong, time_limit
from tools.atlas.tiny import tiny

CACHES = Path(__file__).resolve().parents[2] / "schemas" / "caches"
PROMPT, BATCH = 23, 2
SECONDS = 60
FEW = 3
"""Moves of a config that are taken back one by one."""


@dataclass(frozen=True, slots=True)
class Bytes:
    """What is allocated at the end of the prompt and one token later, and what of that is still looked at."""

    prompt: int
    generating: int
    kept: int


@dataclass(frozen=True, slots=True)
class Result:
    """`real` is None where no model ran, `ours` where there is no rule for a layer."""

    name: str
    real: Bytes | None
    ours: Bytes | None

    @property
    def word(self) -> str:
        if self.real is None:
            return "did not run"
        if self.ours is None:
            return "no rule"
        return "exact" if self.real == self.ours else "WRONG"


def main() -> int:
    options = _options()
    warnings.simplefilter("ignore")
    logging.set_verbosity_error()  # type: ignore[no-untyped-call]
    torch.set_num_threads(1)
    words: Counter[str] = Counter()
    best: dict[str, str] = {}
    for model_type in options.types or [path.stem for path in sorted(CACHES.glob("*.json"))]:
        for class_name in cache_classes(model_type):
            results = list(compared_runs(model_type, class_name, options.configs, options.seed))
            counts = Counter(result.word for result in results)
            words += counts
            best[f"{model_type} {class_name}"] = _verdict(counts)
            print(f"{model_type} {class_name}: {', '.join(f'{n} {word}' for word, n in counts.items())}", flush=True)
            for result in results:
                if result.word == "WRONG":
                    print(f"    {result.name}: real {result.real}, ours {result.ours}")
    print(f"runs: {', '.join(f'{n} {word}' for word, n in sorted(words.items()))}")
    for word in ("exact", "WRONG", "no rule", "did not run"):
        names = [name for name, verdict in best.items() if verdict == word]
        types = {name.split()[0] for name in names}
        print(f"{word}: {len(names)} classes of {len(types)} types{'' if word == 'exact' else ': ' + ', '.join(names)}")
    return int(words["WRONG"] > 0)


def _verdict(counts: Mapping[str, int]) -> str:
    return next(word for word in ("WRONG", "exact", "no rule", "did not run") if counts.get(word))


def compared_runs(model_type: str, class_name: str, number: int, seed: int) -> Iterator[Result]:
    rng = random.Random(f"{seed} {class_name}")  # noqa: S311 - reproducible on purpose
    for index in range(number):
        for dtype in (torch.bfloat16, torch.float32):
            name = f"config {index}, {str(dtype).removeprefix('torch.')}"
            try:
                with time_limit(SECONDS):
                    yield _compared(name, model_type, class_name, rng, dtype)
            except TooLong:
                yield Result(name, None, None)


def _compared(name: str, model_type: str, class_name: str, rng: random.Random, dtype: torch.dtype) -> Result:
    """The first config that runs, of some that move less and less: one that builds need not make sense."""
    for config in _configs(model_type, class_name, rng):
        real = _real(model_type, class_name, config, dtype)
        if real is not None:
            return Result(f"{name}: {config}", real, _ours(model_type, class_name, config, dtype.itemsize))
    return Result(name, None, None)


def _configs(model_type: str, class_name: str, rng: random.Random) -> Iterator[dict[str, Any]]:
    """Valid configs, with sizes, heads, windows and layers other than those of the tiny one, and other kinds of layers.

    Each is followed by those that mend it: a size rarely goes without another.
    """
    known, base = classes.config_class(model_type), tiny(model_type, class_name)
    try:
        path, decoder = decoder_of(known, base)
    except Exception:  # noqa: BLE001 - whatever a config class raises
        return
    moves = [{name: value} for name in sorted(MOVED) if (value := _moved(attribute(decoder, name), rng)) is not None]
    moves += [{name: rng.choice((4, 9, 64))} for name in WINDOWS if isinstance(attribute(decoder, name), int)]
    wide = {name: 4 * value for name in WIDE if isinstance(value := attribute(decoder, name), int)}
    moves = [move | wide if SPLIT & set(move) else move for move in moves]  # heads of a few numbers make no sense
    moves += _layers(decoder, rng)
    rng.shuffle(moves)
    while moves:
        config = changed(base, path, {name: value for move in moves for name, value in move.items()})
        yield config
        try:
            _, live = decoder_of(known, config)
            yield from (changed(config, path, mend) for mend in mends(live))
        except Exception:  # noqa: BLE001, S110 - as above
            pass
        moves = moves[: len(moves) // 2] if len(moves) > FEW else moves[1:]
    yield base
    yield from (changed(base, path, mend) for mend in mends(decoder))


def _moved(value: object, rng: random.Random) -> int | None:
    """Another value of a size, for one in two of them."""
    if not isinstance(value, int) or isinstance(value, bool) or not value or rng.random() < 1 / 2:
        return None
    return value * rng.choice((2, 4))


def _layers(decoder: PreTrainedConfig, rng: random.Random) -> list[dict[str, Any]]:
    """Two to six layers, of the kinds that the config has, in any order."""
    number = rng.randint(2, 6)
    found: list[dict[str, Any]] = [{"num_key_value_heads": 1}] if rng.random() < 1 / 4 else []
    kinds = attribute(decoder, "layer_types")
    if isinstance(kinds, list) and kinds and "layer_types" in {one.name for one in fields(decoder)}:
        return [*found, {"layer_types": [rng.choice(kinds) for _ in range(number - 1)] + kinds[-1:], **_count(number)}]
    return [*found, _count(number)]


def _count(number: int) -> dict[str, int]:
    return {"num_hidden_layers": number}


def _real(model_type: str, class_name: str, values: Mapping[str, Any], dtype: torch.dtype) -> Bytes | None:
    torch.manual_seed(0)
    try:
        with torch.no_grad():
            config = classes.config_class(model_type)(**values)
            made: Any = classes.model_class(model_type, class_name)(config)  # `to` has no types in transformers 5.23
            model = made.train(mode=False).to(dtype)
            filled = fill(model, config, PROMPT, BATCH)
            prompt = _allocated(filled)
            read(model, config, filled, 1, BATCH)
            return Bytes(prompt, _allocated(filled), sum(map(_bytes, _tensors(filled))))
    except Exception:  # noqa: BLE001 - a config need not make sense, and a model may want images
        return None


def _tensors(filled: Filled) -> list[torch.Tensor]:
    """Every tensor that a layer holds, whatever it calls it."""
    found: list[torch.Tensor] = []
    for layer in (*filled.own.layers, *(filled.cross.layers if filled.cross is not None else ())):
        for value in vars(layer).values():
            inner = value.values() if isinstance(value, dict) else [value]
            found += [one for one in inner if isinstance(one, torch.Tensor) and one.is_floating_point()]
    return found


def _bytes(tensor: torch.Tensor) -> int:
    return tensor.numel() * tensor.element_size()


def _allocated(filled: Filled) -> int:
    storages = {one.untyped_storage().data_ptr(): one.untyped_storage().nbytes() for one in _tensors(filled)}
    return sum(storages.values())


def _ours(model_type: str, class_name: str, values: Mapping[str, Any], itemsize: int) -> Bytes | None:
    entry = atlas.entry(model_type)
    try:
        cache = cache_of(entry, class_name, resolve(values, model_type)) if entry is not None else None
    except (ConfigRaises, Unresolvable):
        return None
    if cache is None or cache.unknown:
        return None
    prompt, later = Sequences(PROMPT, BATCH, itemsize, SOURCE), Sequences(PROMPT + 1, BATCH, itemsize, SOURCE)
    generating = total(cache.kept, later, Moment.GENERATING)
    return Bytes(total(cache.kept, prompt, Moment.PROMPT), generating, generating - _dropped(cache, later))


def _dropped(cache: Cache, sequences: Sequences) -> int:
    """What sliding layers no longer look at: the first token of a window that is full."""
    full = [
        one for one in cache.kept if one.window is not None and one.kind == "sliding" and one.window <= sequences.tokens
    ]
    return sum(sequences.batch * one.per_token * sequences.itemsize for one in full)


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.placement.caches", description=__doc__)
    parser.add_argument("types", nargs="*", help="model types; all of them by default")
    parser.add_argument("--configs", type=int, default=3, help="configs of each class")
    parser.add_argument("--seed", type=int, default=0)
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
