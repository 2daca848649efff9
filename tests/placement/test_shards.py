"""The shard plan: the bytes that each device reads, against what the two loaders read."""

from collections import defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from hfcheck import testing
from hfcheck.example import Archive, Example, TorchLegacy, TorchZip
from hfcheck.example_models import LLAMA, QWEN3_MOE, Tensors, llama_tensors, qwen3_moe_tensors, repository
from hfcheck.facts import Facts, units
from hfcheck.formats.tensor import Tensor
from hfcheck.formats.torch_state import StateDict
from hfcheck.placement.device import Key, devices
from hfcheck.placement.model import Model, Module
from hfcheck.placement.shards import ShardPlan, merged, owner, shard_plan
from hfcheck.placement.target import Dialect, Target
from hfcheck.repository import scan

EMPTY = Model("", Module(), {}, {}, frozenset(), frozenset(), "F32", exact=True)
DEVICES = devices(["0=1GiB", "1=1GiB", "cpu=1GiB", "disk"])
ONE, TWO = "model-00001-of-00002.safetensors", "model-00002-of-00002.safetensors"


def facts_of(files: Mapping[str, Any], folder: Path, target: Target | None = None) -> Facts:
    testing.write(Example("", files), folder)
    return replace(units(scan(str(folder)))[0], target=target)


def plan_of(facts: Facts) -> ShardPlan:
    assert facts.dry_run is not None
    assert facts.dry_run.shards is not None
    return facts.dry_run.shards


def sharded(tensors: Tensors, config: Mapping[str, Any]) -> dict[str, Any]:
    """The same tensors in two shards, every other one in each, so that each layer is in both."""
    names = list(tensors)
    shards = {ONE: names[::2], TWO: names[1::2]}
    weight_map = {name: file for file, inside in shards.items() for name in inside}
    return {
        "config.json": dict(config),
        "model.safetensors.index.json": {"metadata": {}, "weight_map": weight_map},
        **{file: {name: tensors[name] for name in inside} for file, inside in shards.items()},
    }


def nbytes(plan: ShardPlan) -> dict[Key, int]:
    return {device: sum(read.nbytes for read in reads) for device, reads in plan.reads.items()}


def test_touching_ranges_become_one_and_empty_ones_none() -> None:
    assert list(merged([(4, 6), (0, 2), (2, 4), (9, 9), (8, 9)])) == [(0, 6), (8, 9)]
    assert list(merged([(0, 8), (2, 4), (6, 9)])) == [(0, 9)]
    assert not list(merged([(5, 5)]))


def test_a_name_belongs_to_the_longest_key_that_ends_at_a_dot() -> None:
    device_map: dict[str, Key] = {"a": 0, "a.b": 1}
    assert [owner(device_map, name) for name in ("a.b.w", "a.bc.w", "a", "ab.w")] == [1, 0, 0, None]
    assert owner({**device_map, "": "cpu"}, "ab.w") == "cpu"


@pytest.mark.parametrize("dialect", ["transformers", "accelerate"])
def test_every_byte_is_read_once_behind_the_header(dialect: Dialect, tmp_path: Path) -> None:
    target = Target(DEVICES, explicit={"": 0}, dialect=dialect)
    facts = facts_of(repository(LLAMA, llama_tensors()), tmp_path, target)
    header = facts.safetensors("model.safetensors")
    assert header is not None
    (read,) = plan_of(facts).reads[0]
    assert read.ranges == ((header.data_start, (tmp_path / "model.safetensors").stat().st_size),)


def test_devices_share_shards(tmp_path: Path) -> None:
    device_map = {"model.embed_tokens": 0, "model.layers": 1, "model.norm": "cpu", "lm_head": "disk"}
    plan = plan_of(facts_of(sharded(llama_tensors(), LLAMA), tmp_path, Target(DEVICES, explicit=device_map)))
    assert {file: set(readers) for file, readers in plan.shared.items()} == {ONE: {0, 1, "disk"}, TWO: {1, "cpu"}}
    assert sum(nbytes(plan).values()) == 5024
    assert (plan.again, plan.held) == (0, 0)


def test_what_the_model_does_not_take_is_not_read_by_transformers(tmp_path: Path) -> None:
    files = repository(LLAMA, {**llama_tensors(), "extra": ("F32", [1000])})
    plan = plan_of(facts_of(files, tmp_path, Target(DEVICES, explicit={"": 0})))
    assert nbytes(plan) == {0: 5024}
    target = Target(DEVICES, explicit={"": 0}, dialect="accelerate")
    assert nbytes(plan_of(replace(units(scan(str(tmp_path)))[0], target=target))) == {0: 5024 + 4000}


def test_a_tensor_for_a_fused_one_is_read_by_its_device(tmp_path: Path) -> None:
    device_map = {"model": 0, "model.layers.0.mlp": 1, "lm_head": 0}
    facts = facts_of(repository(QWEN3_MOE, qwen3_moe_tensors()), tmp_path, Target(DEVICES, explicit=device_map))
    experts = sum(t.nbytes for name, t in facts.loaded_headers["model.safetensors"].tensors.items() if ".mlp." in name)
    assert nbytes(plan_of(facts))[1] == experts


@pytest.mark.parametrize("kind", [TorchZip, TorchLegacy])
def test_a_torch_file_is_mapped_or_held(kind: type[TorchZip], tmp_path: Path) -> None:
    files = {"config.json": dict(LLAMA), "pytorch_model.bin": kind(llama_tensors())}
    facts = facts_of(files, tmp_path, Target(DEVICES, explicit={"model": 0, "lm_head": "disk"}))
    plan = plan_of(facts)
    assert nbytes(plan) == {0: 4512, "disk": 512}
    assert all(read.ranges for reads in plan.reads.values() for read in reads)
    assert plan.held == (5024 if kind is TorchLegacy else 0)  # a file of the old format cannot be mapped
    again = replace(units(scan(str(tmp_path)))[0], target=replace(facts.target or Target(()), dialect="accelerate"))
    assert plan_of(again).held == 5024  # accelerate maps none


def test_tensors_that_are_not_found_in_a_torch_file_are_counted_without_a_place() -> None:
    state = StateDict({"a": Tensor("F32", (2,), 0, 8), "b": Tensor("F32", (2,), 64, 72)}, {}, {})
    plan = shard_plan("accelerate", EMPTY, {"": 0}, {}, {"pytorch_model.bin": state})
    assert [(read.ranges, read.unlocated, read.nbytes) for read in plan.reads[0]] == [(((64, 72),), 8, 16)]


PREFIXES = (
    "model", "model.embed_tokens", "model.layers", "model.layers.0", "model.layers.1", "model.layers.0.mlp",
    "model.layers.0.mlp.up_proj", "model.norm", "lm_head", "lm_head.weight",
)  # fmt: skip


@pytest.fixture(scope="module")
def llama_file(tmp_path_factory: pytest.TempPathFactory) -> Facts:
    return facts_of(repository(LLAMA, llama_tensors()), tmp_path_factory.mktemp("llama"))


@pytest.mark.loader
@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(device_map=st.dictionaries(st.sampled_from(PREFIXES), st.sampled_from([0, 1, "cpu", "disk"]), min_size=1))
def test_accelerate_reads_these_bytes(device_map: dict[str, Key], llama_file: Facts) -> None:
    """Each device but the CPU, which reads what is bound for the disk too, and all of them together."""
    if len(set(device_map.values())) == 1:
        return  # the whole file at once
    modeling = pytest.importorskip("accelerate.utils.modeling")
    header = llama_file.loaded_headers["model.safetensors"]
    theirs: dict[Key, int] = defaultdict(int)

    class Opened:
        def __init__(self, path: str, framework: str, device: Key = "cpu") -> None:
            self.real, self.device = safe_open(path, framework=framework), device

        def __enter__(self) -> "Opened":  # noqa: PYI034 - Self is of Python 3.11
            return self

        def __exit__(self, *_: object) -> None: ...

        def keys(self) -> list[str]:
            return list(self.real.keys())

        def metadata(self) -> dict[str, str]:
            found: dict[str, str] = self.real.metadata()
            return found

        def get_tensor(self, name: str) -> object:
            theirs[self.device] += header.tensors[name].nbytes
            return self.real.get_tensor(name)

    safe_open = modeling.safe_open
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(modeling, "safe_open", Opened)
        patch.setattr(modeling, "is_tqdm_available", lambda: False)
        modeling.load_state_dict(f"{llama_file.shelf.repository.root}/model.safetensors", device_map=device_map)
    plan = shard_plan("accelerate", EMPTY, device_map, {}, llama_file.loaded_headers)
    ours = nbytes(plan)
    for device in (0, 1):
        assert ours.get(device, 0) == unrepeated(theirs, device, device_map, header.tensors)
    assert sum(theirs.values()) == 5024 + plan.again


def unrepeated(
    theirs: Mapping[Key, int], device: Key, device_map: Mapping[str, Key], tensors: Mapping[str, Any]
) -> int:
    """Their bytes, but for what two nested keys of one device make them read twice: ranges have it once."""
    keys = [key for key, value in device_map.items() if value == device]
    twice = 0
    for name, tensor in tensors.items():
        times = sum(name == key or name.startswith(f"{key}.") for key in keys)
        twice += max(0, times - 1) * tensor.nbytes
    return theirs.get(device, 0) - twice


@pytest.mark.loader
@pytest.mark.parametrize("suffix", ["safetensors", "bin"])
def test_transformers_reads_these_tensors(suffix: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """With a device map over the CPU, the disk and the device without memory of torch."""
    torch = pytest.importorskip("torch")
    transformers = pytest.importorskip("transformers")
    loading = pytest.importorskip("transformers.core_model_loading")
    config = transformers.Qwen3MoeConfig(**{k: v for k, v in QWEN3_MOE.items() if k != "architectures"})
    transformers.Qwen3MoeForCausalLM(config).save_pretrained(tmp_path)
    if suffix == "bin":
        stored = pytest.importorskip("safetensors.torch").load_file(tmp_path / "model.safetensors")
        torch.save(stored, tmp_path / "pytorch_model.bin")
        (tmp_path / "model.safetensors").unlink()
    device_map = {
        "model.embed_tokens": "meta", "model.rotary_emb": "cpu", "model.layers.0.self_attn": "cpu",
        "model.layers.0.mlp": "disk", "model.layers.0.input_layernorm": "meta",
        "model.layers.0.post_attention_layernorm": "meta", "model.norm": "disk", "lm_head": "meta",
    }  # fmt: skip
    names: list[str] = []
    add = loading.WeightTransform.add_tensor

    def noted(self: Any, target: str, source: str, pattern: str, future: object) -> None:  # noqa: ANN401 - theirs
        names.append(source)
        add(self, target, source, pattern, future)

    monkeypatch.setattr(loading.WeightTransform, "add_tensor", noted)
    monkeypatch.setattr(transformers.modeling_utils, "accelerate_dispatch", lambda *_: None)
    transformers.Qwen3MoeForCausalLM.from_pretrained(tmp_path, device_map=device_map, offload_folder=tmp_path / "off")
    facts = replace(units(scan(str(tmp_path)))[0], target=Target(DEVICES, explicit={**device_map}))
    assert facts.dry_run is not None
    assert facts.dry_run.model is not None
    file, header = next(iter(facts.loaded_headers.items()))
    keys = {name: expand(device_map, target) for target, name in targets(facts)}
    plan = shard_plan("transformers", facts.dry_run.model, {}, placed(facts, device_map), {file: header})
    expected: dict[Key, int] = defaultdict(int)
    for name in names:
        expected[keys[name]] += header.tensors[name].nbytes
    assert nbytes(plan) == dict(expected)


def targets(facts: Facts) -> Iterator[tuple[str, str]]:
    """Every parameter with each stored tensor that it is made of."""
    assert facts.dry_run is not None
    assert facts.dry_run.model is not None
    for weight in facts.dry_run.model.weights.values():
        yield from ((weight.name, source) for source in weight.sources)


def expand(device_map: Mapping[str, Key], name: str) -> Key:
    """`expand_device_map` of transformers for one name."""
    accelerate = pytest.importorskip("transformers.integrations.accelerate")
    found: Key = accelerate.expand_device_map(dict(device_map), [name])[name]
    return found


def placed(facts: Facts, device_map: Mapping[str, Key]) -> dict[str, Key | None]:
    assert facts.dry_run is not None
    assert facts.dry_run.model is not None
    return {name: expand(device_map, name) for name in facts.dry_run.model.weights}


def test_an_archive_is_no_weight_file(tmp_path: Path) -> None:
    """A .bin that torch does not load has no header, so that there is no plan for it."""
    files = {"config.json": dict(LLAMA), "pytorch_model.bin": Archive({"a/data.pkl": b"\x80\x02N."})}
    facts = facts_of(files, tmp_path, Target(DEVICES))
    assert facts.dry_run is not None
    assert facts.dry_run.shards is None
