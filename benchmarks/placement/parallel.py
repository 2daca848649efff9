"""What hfcheck says of parallel loads against transformers, for every class that has a parallel plan.

    python -m benchmarks.placement.parallel [--forward] [--processes] [TYPE ...]

Each class is divided under its tiny config (`tools/atlas/tiny.py`) at several sizes, and the shape of each parameter on
each rank is compared, and whether the load stops. `--forward` runs text through the first and the last rank as well,
with heads, intermediate sizes and vocabularies that are and are not divisible. Both go through a fake process group;
`--processes` takes a sample through two real ones, from a checkpoint to logits.

Three things look like differences of `--forward` and are none: heads of a tower, which text does not run through; wrong
numbers, which a fake group cannot tell (a tied head, an odd vocabulary: LFM2); and what is not about sizes.
"""

import argparse
import copy
import logging
import sys
import warnings
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any

import torch
import transformers

from benchmarks.placement.processes import (
    Case,
    Seen,
    as_rank,
    first_forward,
    in_processes,
    predicted,
    undivided,
)
from hfcheck.loading import atlas
from hfcheck.loading.draft import ConfigRaises, Unresolvable
from hfcheck.loading.expand import NotCertain
from hfcheck.placement.outline import outline
from hfcheck.placement.parallel import Parallel
from tools.atlas import classes
from tools.atlas.tiny import tiny

SIZES = ({"tp": 2}, {"tp": 3}, {"tp": 2, "ep": 2})
BASE: dict[str, Any] = {
    "vocab_size": 96,
    "hidden_size": 64,
    "intermediate_size": 48,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "pad_token_id": 0,
    "bos_token_id": 1,
    "eos_token_id": 2,
}


def main() -> int:
    options = _options()
    warnings.simplefilter("ignore")
    transformers.logging.set_verbosity_error()  # type: ignore[no-untyped-call]
    logging.getLogger("torch.distributed").setLevel(logging.ERROR)
    torch.set_num_threads(1)
    if options.processes:
        return _report("sample in two processes", (outcome for _, outcome in real_sample()))
    pairs = [pair for one in options.types or classes.types() for pair in planned(one)]
    wrong = _report("shares", (one for pair in pairs for one in shares(*pair)))
    if options.forward:
        wrong += _report("first forward", (one for pair in pairs for one in forwards(*pair)))
    return min(wrong, 1)


def planned(model_type: str) -> Iterator[tuple[str, str]]:
    """The classes of a type that have a plan and that hfcheck judges."""
    entry = atlas.entry(model_type)
    for name in entry.classes if entry is not None else ():
        found = outline(entry, name) if entry is not None and entry.certified(name) else None
        if found is not None and (found.tp or found.ep):
            yield model_type, name


def shares(model_type: str, class_name: str) -> Iterator[str]:
    """For each size and rank, "same" or what is different."""
    config = tiny(model_type, class_name)
    for sizes in SIZES:
        case = Case(model_type, class_name, config, **sizes)
        found = ours(case)
        for rank in range(case.ranks):
            yield compared(case, found, as_rank(case, rank), rank) if not isinstance(found, str) else found


def ours(case: Case) -> tuple[Parallel, Mapping[str, list[int]], frozenset[str]] | str:
    """What is predicted, with the whole shapes and the parameters that are tied to others; or why nothing is."""
    try:
        found, model, load = predicted(case)
    except (NotCertain, Unresolvable, ConfigRaises) as error:
        return f"not predicted: {type(error).__name__}"
    shapes = load.spec.state if load.spec is not None else {}
    return found, {name: list(shape) for name, shape in shapes.items()}, frozenset(model.ties)


def compared(case: Case, found: tuple[Parallel, Mapping[str, list[int]], frozenset[str]], seen: Seen, rank: int) -> str:
    """Whether a rank holds what it should; a stop of the load counts where both have one."""
    prediction, whole, tied = found
    if "requires the" in seen.loads and "library" in seen.loads:
        return "not installed"
    stops = any(fault.when == "load" for fault in prediction.faults)
    if stops or seen.loads:
        same = stops and bool(seen.loads)
        return "same" if same else f"{case.class_name} {_sizes(case)}: stops {stops}, really {seen.loads[:100]!r}"
    held = prediction.stages.holders if case.pp > 1 else lambda _: None
    expected = {
        name: share(prediction, name, shape, rank % case.tp)
        for name, shape in whole.items()
        if (stages := held(name)) is None or rank // case.tp in stages
    }
    wrong = [name for name, shape in seen.shapes.items() if name not in tied and expected.get(name) != list(shape)]
    return f"{case.class_name} {_sizes(case)} rank {rank}: {wrong[:2]}" if wrong else "same"


def share(prediction: Parallel, name: str, shape: list[int], rank: int) -> list[int]:
    cut = prediction.cuts.get(name)
    return shape if cut is None else [*shape[: cut.axis], cut.width(rank), *shape[cut.axis + 1 :]]


def forwards(model_type: str, class_name: str) -> Iterator[str]:
    """For each variation, "same" where hfcheck and transformers agree on whether text gets through."""
    if not class_name.endswith(("ForCausalLM", "ForConditionalGeneration", "Model")):
        return
    for label, case in variations(model_type, class_name):
        found = ours(case)
        if isinstance(found, str) or undivided(case):
            yield "not predicted, or no text"
            continue
        seen = [first_forward(case, rank) for rank in sorted({0, case.tp - 1})]
        really = any(one.loads or one.computes for one in seen)
        said = any(not fault.runs for fault in found[0].faults)
        why = next((one.loads or one.computes for one in seen if one.loads or one.computes), "")
        yield "same" if really == said else f"{class_name} {label}: stops {said}, really {why[:90]!r}"


def variations(model_type: str, class_name: str) -> Iterator[tuple[str, Case]]:
    """The tiny config with other heads, and with sizes that are not divisible."""
    base = tiny(model_type, class_name)

    def changed(**fields: int) -> dict[str, Any]:
        config = copy.deepcopy(base)
        _text(config).update(fields)
        return config

    for tp in (2, 4):
        yield f"tiny tp {tp}", Case(model_type, class_name, base, tp=tp)
    if isinstance(_text(base).get("num_key_value_heads"), int):
        yield "1 kv head tp 2", Case(model_type, class_name, changed(num_key_value_heads=1), tp=2)
    if isinstance(_text(base).get("num_attention_heads"), int):
        three = changed(num_attention_heads=3, num_key_value_heads=3, hidden_size=48)
        yield "3 heads tp 2", Case(model_type, class_name, three, tp=2)
        yield "3 heads tp 3", Case(model_type, class_name, three, tp=3)
    for name in ("intermediate_size", "vocab_size"):
        if isinstance(_text(base).get(name), int):
            yield f"odd {name} tp 2", Case(model_type, class_name, changed(**{name: _text(base)[name] + 1}), tp=2)


def _text(config: dict[str, Any]) -> dict[str, Any]:
    inner = next((config[key] for key in ("text_config", "thinker_config") if isinstance(config.get(key), dict)), None)
    return config if inner is None else _text(inner)


def real_sample() -> Iterator[tuple[Case, str]]:
    """Real processes, from a checkpoint to logits; a difference in numbers is told as well."""
    cases = [*sample(), *(replace(case, tp=1, pp=2) for case in sample()[:2])]
    for case, seen in zip(cases, in_processes(cases, 2), strict=True):
        found = ours(case)
        for rank, one in enumerate(seen):
            said = not isinstance(found, str) and any(not fault.runs for fault in found[0].faults)
            outcome = compared(case, found, one, rank) if not isinstance(found, str) else found
            if outcome == "same" and bool(one.loads or one.computes or one.difference > 1e-3) != said:  # noqa: PLR2004
                outcome = f"{case.class_name} {_sizes(case)}: stops {said}, really {one}"[:200]
            yield case, outcome


def sample() -> list[Case]:
    """Heads that are and are not divisible, uneven widths, packed and fused matrices, experts, a tower."""
    experts = {**BASE, "num_local_experts": 4, "num_experts_per_tok": 2}
    oss = {**experts, "intermediate_size": 64, "head_dim": 16}

    def text(model_type: str, class_name: str, config: Mapping[str, Any], **sizes: int) -> Case:
        return Case(model_type, class_name, {**config, "model_type": model_type}, **{"tp": 2, **sizes})

    return [
        text("llama", "LlamaForCausalLM", {**BASE, "intermediate_size": 65, "vocab_size": 97}),
        text("phi", "PhiForCausalLM", BASE),
        text("llama", "LlamaForCausalLM", {**BASE, "tie_word_embeddings": True}),
        text("llama", "LlamaForCausalLM", {**BASE, "num_key_value_heads": 1}),
        text(
            "llama", "LlamaForCausalLM", {**BASE, "hidden_size": 48, "num_attention_heads": 3, "num_key_value_heads": 3}
        ),
        text("qwen2", "Qwen2ForCausalLM", BASE),
        text("gemma", "GemmaForCausalLM", {**BASE, "head_dim": 16}),
        text("phi3", "Phi3ForCausalLM", {**BASE, "num_key_value_heads": 1}),
        text("mixtral", "MixtralForCausalLM", experts),
        text("mixtral", "MixtralForCausalLM", experts, ep=2),
        text("mixtral", "MixtralForCausalLM", {**experts, "num_local_experts": 5}, ep=2),
        text("gpt_oss", "GptOssForCausalLM", oss),
        text("gpt_oss", "GptOssForCausalLM", oss, ep=2),
        Case("llava", "LlavaForConditionalGeneration", tiny("llava", "LlavaForConditionalGeneration"), tp=2),
        text("bert", "BertForMaskedLM", BASE),
    ]


def _sizes(case: Case) -> str:
    return " ".join(f"{axis}={size}" for axis, size in (("tp", case.tp), ("ep", case.ep), ("pp", case.pp)) if size > 1)


def _report(what: str, outcomes: Iterator[str]) -> int:
    """The number of outcomes that are different, each of which is printed."""
    counts: Counter[str] = Counter()
    for outcome in outcomes:
        is_counted = outcome == "same" or outcome.startswith("not ")
        counts[outcome if is_counted else "different"] += 1
        if not is_counted:
            print(outcome, flush=True)
    print(f"{what}: {dict(counts)}", flush=True)
    return counts["different"]


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("types", nargs="*", metavar="TYPE", help="model types, all by default")
    parser.add_argument("--forward", action="store_true", help="run text through the ranks as well")
    parser.add_argument("--processes", action="store_true", help="a sample, in two real processes")
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
