"""Random generation configs: what hfcheck says of them, against `GenerationConfig` itself.

    python benchmarks/tokenizer/generation_configs.py [--count 5000] [--seed 0]

Each config is made by the class, saved, and, if it can be made, loaded from its file. Prints how many were of which
outcome, and every config on which the two differ.
"""

import argparse
import json
import random
import sys
import tempfile
import warnings
from collections import Counter
from typing import Any

from transformers import GenerationConfig, logging

from hfcheck.generation_checks import verdict

VALUES: tuple[Any, ...] = (
    None, True, False, 0, 1, 2, 5, 50, -1, 0.0, 0.5, 1.0, 50.0, 1e-6, -0.5, float("nan"), "", "never", "always",
    "static", "dynamic", "paged", "lefthash", "1", [], [1], [1, 2], [[1]], [None], ["a"], {}, {"a": 1}, {"bias": 1.0},
    {"greenlist_ratio": 2}, {"seeding_scheme": "x"}, {"context_width": "1"}, {"dtype": "float32"}, {"dtype": 1},
    {"dtype": 1.5},
)  # fmt: skip
OTHERS = ("dtype", "x", "streamer", "assistant_model", "self", "top_kk", "validate")
PLAUSIBLE: dict[str, tuple[Any, ...]] = {
    "do_sample": (True, False, None, 1), "num_beams": (1, 2, 4, 1.0, None), "num_return_sequences": (1, 2, 5),
    "temperature": (0.0, 0.6, 1, 1.0, True), "top_k": (0, 1, 50, 50.0), "top_p": (0.9, 1.0, 1),
    "early_stopping": (True, False, "never", 0), "length_penalty": (1.0, 2.0), "use_cache": (True, False),
    "forced_eos_token_id": (1, 2, [1, 2], [3], []), "cache_implementation": ("static", "hybrid", "x"),
    "return_dict_in_generate": (True, False), "output_scores": (True, False, 1), "pad_token_id": (0, -1, 3),
    "suppress_tokens": ([], [1, 2], "ab", {"1": 2}),
}  # fmt: skip


def configs(count: int, seed: int) -> list[dict[str, Any]]:
    """Random configs, most of them with values that a file may have."""
    dice = random.Random(seed)
    fields = [*GenerationConfig().__dict__, *OTHERS]  # type: ignore[no-untyped-call]
    found = []
    for _ in range(count):
        values: dict[str, Any] = {}
        for key in dice.sample(list(PLAUSIBLE), dice.randint(0, 5)):
            values[key] = dice.choice(PLAUSIBLE[key])
        for key in dice.sample(fields, dice.choice((0, 0, 1, 2))):
            values[key] = dice.choice(VALUES)
        found.append(values)
    return found


def outcome(values: dict[str, Any], folder: str) -> str:
    """What the class does: refuse to be made, refuse to be saved, or neither."""
    try:
        config = GenerationConfig.from_dict(json.loads(json.dumps(values)))
    except Exception:  # noqa: BLE001 - whatever a value brings about
        return "refused"
    try:
        config.save_pretrained(folder)
    except ValueError:
        return "not saved"
    return "saved"


def said(values: dict[str, Any]) -> str | None:
    """What hfcheck says; None where it does not know."""
    found = verdict(json.loads(json.dumps(values)))
    if found is None:
        return None
    return "refused" if found.refused is not None else "not saved" if found.unused else "saved"


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--count", type=int, default=5000)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    warnings.simplefilter("ignore")
    logging.set_verbosity_error()  # type: ignore[no-untyped-call]
    counted: Counter[str] = Counter()
    differing = 0
    with tempfile.TemporaryDirectory() as folder:
        for values in configs(options.count, options.seed):
            is_so, is_said = outcome(values, folder), said(values)
            counted[is_so if is_said is not None else "not known"] += 1
            if is_said not in (is_so, None):
                differing += 1
                print(f"{is_so}, and hfcheck says {is_said}: {values}")
    print(", ".join(f"{number} {name}" for name, number in counted.most_common()), f"- {differing} differ")
    return 1 if differing else 0


if __name__ == "__main__":
    sys.exit(main())
