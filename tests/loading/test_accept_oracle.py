"""The real loader and the engine on the same checkpoints: verdict, and the exact names that are reported.

Tiny models with random weights are saved, the names and shapes of their tensors changed, and loaded again. The sets are
those that transformers makes its report of, which it does before it raises.
"""

import random
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from hfcheck.loading.accept import accept
from hfcheck.loading.order import natural
from hfcheck.loading.spec import Outcome, Shape, Spec

pytestmark = pytest.mark.loader

Checkpoint = dict[str, Shape]
Change = Callable[[Checkpoint, Spec, random.Random], Checkpoint]
"""A changed copy; one that is equal to the original means that the change does not apply."""

CLASSES = (
    "BartForConditionalGeneration", "BertForMaskedLM", "CLIPModel", "DeepseekV3ForCausalLM", "DistilBertForMaskedLM",
    "Ernie4_5_VLMoeForConditionalGeneration", "FalconForCausalLM", "GPT2LMHeadModel", "GPTNeoXForCausalLM",
    "Gemma2ForCausalLM", "Kimi_K25ForConditionalGeneration", "LlamaForCausalLM", "LlavaForConditionalGeneration",
    "MambaForCausalLM", "MixtralForCausalLM", "OPTForCausalLM", "Phi3ForCausalLM", "Qwen2VLForConditionalGeneration",
    "Qwen3MoeForCausalLM", "Qwen3VLMoeForConditionalGeneration", "RobertaForMaskedLM", "SiglipModel",
    "T5ForConditionalGeneration", "ViTForImageClassification", "Wav2Vec2ForCTC", "WhisperForConditionalGeneration",
)  # fmt: skip

SHARE = 14
"""Changes tried on each class, drawn anew for each: all of them on all classes need a minute of CPU time."""


class Report(NamedTuple):
    missing: set[str]
    unexpected: set[str]
    mismatched: set[tuple[str, Shape, Shape]]
    failed: set[str]


def one(stored: Checkpoint, rng: random.Random, kind: Callable[[str], bool] = lambda _: True) -> str:
    """A name of this kind, "" if there is none."""
    names = sorted(name for name in stored if kind(name))
    return rng.choice(names) if names else ""


def dropped(stored: Checkpoint, _: Spec, rng: random.Random) -> Checkpoint:
    gone = one(stored, rng)
    return {name: shape for name, shape in stored.items() if name != gone}


def half(stored: Checkpoint, _: Spec, rng: random.Random) -> Checkpoint:
    return {name: stored[name] for name in rng.sample(sorted(stored), len(stored) // 2)}


def nothing(_: Checkpoint, __: Spec, ___: random.Random) -> Checkpoint:
    return {"x": (1,)}


def typo(stored: Checkpoint, _: Spec, rng: random.Random) -> Checkpoint:
    wrong = one(stored, rng)
    return {name + "x" * (name == wrong): shape for name, shape in stored.items()}


def respelt(old: str, new: str) -> Change:
    return lambda stored, _, __: {name.replace(old, new): shape for name, shape in stored.items()}


def prefixed(prefix: str) -> Change:
    return lambda stored, _, __: {prefix + name: shape for name, shape in stored.items()}


def base_added(stored: Checkpoint, spec: Spec, _: random.Random) -> Checkpoint:
    return {f"{spec.base_prefix}.{name}": shape for name, shape in stored.items()}


def base_stripped(stored: Checkpoint, spec: Spec, _: random.Random) -> Checkpoint:
    return {name.removeprefix(f"{spec.base_prefix}."): shape for name, shape in stored.items()}


def first_part_cut(stored: Checkpoint, _: Spec, __: random.Random) -> Checkpoint:
    return {name.partition(".")[2] or name: shape for name, shape in stored.items()}


def reshaped(change: Callable[[Shape], Shape]) -> Change:
    def apply(stored: Checkpoint, _: Spec, rng: random.Random) -> Checkpoint:
        name = one(stored, rng, lambda name: change(stored[name]) != stored[name])
        return stored | ({name: change(stored[name])} if name else {})

    return apply


def added(stored: Checkpoint, _: Spec, __: random.Random) -> Checkpoint:
    extra = ("extra.weight", "model.layers.0.self_attn.rotary_emb.inv_freq", "embeddings.position_ids", "extra.9.w")
    return {**stored, **dict.fromkeys(extra, (2, 2))}


def as_in_memory(_: Checkpoint, spec: Spec, __: random.Random) -> Checkpoint:
    return dict(spec.state)


def both_spellings(stored: Checkpoint, _: Spec, rng: random.Random) -> Checkpoint:
    name = one(stored, rng, lambda name: name.endswith("LayerNorm.weight"))
    return {**stored, **({name.replace("LayerNorm.weight", "LayerNorm.gamma"): (3,)} if name else {})}


def layer_copied(stored: Checkpoint, _: Spec, __: random.Random) -> Checkpoint:
    return {**stored, **{name.replace(".1.", ".7."): shape for name, shape in stored.items()}}


def of_experts(stored: Checkpoint) -> list[str]:
    return natural(name for name in stored if ".experts." in name)


def one_expert_part_gone(stored: Checkpoint, _: Spec, rng: random.Random) -> Checkpoint:
    gone = rng.choice(of_experts(stored) or [""])
    return {name: shape for name, shape in stored.items() if name != gone}


def all_experts_of_a_layer_gone(stored: Checkpoint, _: Spec, rng: random.Random) -> Checkpoint:
    layer = rng.choice(of_experts(stored) or [".experts."]).partition(".experts.")[0] + ".experts."
    return {name: shape for name, shape in stored.items() if not name.startswith(layer)}


def one_expert_more(stored: Checkpoint, _: Spec, __: random.Random) -> Checkpoint:
    last = (of_experts(stored) or [""])[-1]
    before, experts, index = last.partition(".experts.")
    number, _dot, part = index.partition(".")
    return {**stored, f"{before}{experts}{int(number) + 1}.{part}": stored[last]} if number.isdecimal() else stored


def fused_beside_single(stored: Checkpoint, spec: Spec, rng: random.Random) -> Checkpoint:
    fused = one(dict(spec.state), rng, lambda name: "experts" in name and name not in stored)
    return {**stored, **({fused: spec.state[fused]} if fused else {})}


def one_tied_side(side: int) -> Change:
    def apply(stored: Checkpoint, spec: Spec, _: random.Random) -> Checkpoint:
        ends = tuple(pair[side] for each in spec.tied for pair in each.keys.items())
        return {name: shape for name, shape in {**spec.state, **stored}.items() if not (ends and name.endswith(ends))}

    return apply


CHANGES: dict[str, Change] = {
    "dropped": dropped,
    "half of it": half,
    "nothing": nothing,
    "typo": typo,
    "module.": prefixed("module."),
    "_orig_mod.": prefixed("_orig_mod."),
    "base prefix added": base_added,
    "base prefix stripped": base_stripped,
    "first part cut": first_part_cut,
    "transposed": reshaped(lambda shape: shape[::-1]),
    "extra dimension": reshaped(lambda shape: (1, *shape)),
    "placeholder": reshaped(lambda _: (0,)),
    "scalar": reshaped(lambda _: ()),
    "one row more": reshaped(lambda shape: (shape[0] + 1, *shape[1:]) if shape else shape),
    "added": added,
    "names as in memory": as_in_memory,
    "gamma": respelt("LayerNorm.weight", "LayerNorm.gamma"),
    "both spellings": both_spellings,
    "layer moved": respelt(".1.", ".7."),
    "layer copied": layer_copied,
    "one expert part gone": one_expert_part_gone,
    "all experts of a layer gone": all_experts_of_a_layer_gone,
    "one expert more": one_expert_more,
    "fused beside single": fused_beside_single,
    "only sources of ties": one_tied_side(0),
    "only targets of ties": one_tied_side(1),
}


class Loader:
    """A tiny model of one class, saved, and `from_pretrained` of the class on what is put in place of its weights."""

    def __init__(self, name: str, folder: Path, reports: list[Any]) -> None:
        import transformers  # noqa: PLC0415
        from safetensors.torch import load_file  # noqa: PLC0415 - needs torch

        from tools.atlas import reality, tiny  # noqa: PLC0415 - needs transformers

        self._class: Any = getattr(transformers, name)
        model_type = self._class.config_class.model_type
        config = tiny.tiny(model_type, name)
        self._folder = folder
        self._reports = reports
        self.spec = reality.reality(name, config, model_type).spec
        self._class(reality.resolved_config(self._class, config, model_type)).save_pretrained(folder)
        self._weights = folder / "model.safetensors"
        self.stored: Checkpoint = {name: tuple(each.shape) for name, each in load_file(self._weights).items()}

    def load(self, stored: Checkpoint) -> tuple[str, Report | None]:
        """The verdict, and the report unless the load stopped before there was one."""
        import torch  # noqa: PLC0415
        from safetensors.torch import save_file  # noqa: PLC0415

        save_file({name: torch.zeros(shape) for name, shape in stored.items()}, self._weights, {"format": "pt"})
        self._reports.clear()
        try:
            self._class.from_pretrained(self._folder, local_files_only=True)
        except (RuntimeError, AttributeError):
            return "raises", self._report()
        report = self._report()
        return "loads-reinitialised" if report and report.missing else "loads", report

    def _report(self) -> Report | None:
        if not self._reports:
            return None
        info = self._reports[-1]
        mismatched = {(name, tuple(stored), tuple(expected)) for name, stored, expected in info.mismatched_keys}
        return Report(set(info.missing_keys), set(info.unexpected_keys), mismatched, set(info.conversion_errors))


def report(outcome: Outcome) -> Report:
    mismatched = {(each.name, each.stored, each.expected) for each in outcome.mismatched}
    failed = {each.target for each in outcome.failed}
    return Report(set(outcome.missing), set(outcome.unexpected), mismatched, failed)


@pytest.fixture(scope="module")
def reports() -> Iterator[list[Any]]:
    """What transformers is about to make its report of: listened to on the way, so that a load that raises has it."""
    pytest.importorskip("transformers")
    from transformers import modeling_utils  # noqa: PLC0415

    heard: list[Any] = []
    say: Callable[..., None] = vars(modeling_utils)["log_state_dict_report"]

    def listen(**told: Any) -> None:  # noqa: ANN401 - passed on as it is
        heard.append(told["loading_info"])
        say(**told)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(modeling_utils, "log_state_dict_report", listen)
        yield heard


@pytest.mark.parametrize("name", CLASSES)
def test_agrees_with_the_loader(name: str, tmp_path: Path, reports: list[Any]) -> None:
    loader = Loader(name, tmp_path, reports)
    rng = random.Random(name)
    assert loader.load(loader.stored) == ("loads", Report(set(), set(), set(), set()))
    assert report(accept(loader.spec, loader.stored)) == Report(set(), set(), set(), set())
    changed = {what: change(loader.stored, loader.spec, rng) for what, change in CHANGES.items()}
    telling = [what for what, stored in changed.items() if stored != loader.stored]
    for what in rng.sample(telling, min(SHARE, len(telling))):
        outcome = accept(loader.spec, changed[what])
        verdict, told = loader.load(changed[what])
        assert outcome.verdict == verdict, what
        if told is not None:
            assert report(outcome) == told, what
