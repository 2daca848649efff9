"""Real failures of weight indexes, rebuilt in small: each is found at its place, and no other error with it.

The numbers are those of a collection of reports, each with the thread it comes from.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

import pytest

from hfcheck import engine, registry, testing
from hfcheck.config import Settings
from hfcheck.example import Archive, Content, Example
from hfcheck.finding import At, Severity
from hfcheck.rule import Rule

INDEX = testing.LLAMA_INDEX
ONE, TWO = testing.LLAMA_SHARDS

Files = dict[str, Content]


SHARDS: dict[str, testing.Tensors] = dict(zip(testing.LLAMA_SHARDS, testing.llama_tensors(), strict=True))
WEIGHT_MAP = {tensor: shard for shard, tensors in SHARDS.items() for tensor in tensors}


def index(weight_map: Mapping[str, str] = WEIGHT_MAP) -> Files:
    return {INDEX: {"metadata": {"total_parameters": 6736, "total_size": 13472}, "weight_map": dict(weight_map)}}


def without(files: Files, *names: str) -> Files:
    return {name: content for name, content in files.items() if name not in names}


def stale_index() -> Files:
    return testing.llama() | index(
        {name: shard.replace("-of-00002", "-of-00004") for name, shard in WEIGHT_MAP.items()}
    )


def quantised_under_an_old_index() -> Files:
    """The same tensors in one shard of four bits, which the index does not know of."""
    packed = {name: ("I8", shape) for tensors in SHARDS.values() for name, (_, shape) in tensors.items()}
    return without(testing.llama(), ONE, TWO) | {"model-00001-of-00001.safetensors": packed}


def mapped_and_not_written(*tensors: str) -> Files:
    return testing.llama() | index(WEIGHT_MAP | dict.fromkeys(tensors, TWO))


def shards_from_zero_of_another_name() -> Files:
    """As colibri writes them, without the first."""
    names = {ONE: "out-00000.safetensors", TWO: "out-00001.safetensors"}
    weight_map = {tensor: names[shard] for tensor, shard in WEIGHT_MAP.items()}
    return without(testing.llama(), ONE, TWO) | index(weight_map) | {names[TWO]: SHARDS[TWO]}


def stray_single_file() -> Files:
    """Four bits to a weight, packed into 32, beside the shards in bfloat16."""
    tensors = {
        name: ("U32", [shape[0], max(shape[-1] // 8, 1)])
        for shard in SHARDS.values()
        for name, (_, shape) in shard.items()
    }
    return testing.llama() | {"model.safetensors": tensors}


def superseded_tensors_left() -> Files:
    """Old tensors of eight bits live on in the first shard; the new ones are in the second, as the map says."""
    old = {name: ("I8", shape) for name, (_, shape) in testing.llama_layer(1).items()}
    return testing.llama() | {ONE: {**SHARDS[ONE], **old}}


def saved_as_pickle_over_safetensors() -> Files:
    members = {"pytorch_model/data.pkl": b"\x80\x02}q\x00.", "pytorch_model/version": b"3\n"}
    return testing.llama() | {"pytorch_model.bin": Archive(members)}


def weights_of_another_name(name: str) -> Files:
    """A config without any weights is legal: it takes a weight file to see that the right one was forgotten."""
    members = {"archive/data.pkl": b"\x80\x02}q\x00.", "archive/version": b"3\n"}
    return without(testing.llama(), INDEX, ONE, TWO) | {name: Archive(members)}


def native_layout() -> Files:
    members = {"consolidated/data.pkl": b"\x80\x02}q\x00.", "consolidated/version": b"3\n"}
    return {
        "consolidated.00.pth": Archive(members),
        "params.json": {"dim": 16, "n_layers": 2, "n_heads": 4, "n_kv_heads": 2, "vocab_size": 64, "norm_eps": 1e-05},
        "tokenizer.model": "IQ== 0\nIg== 1\n",
    }


@dataclass(frozen=True, slots=True)
class Failure:
    """A failure that was reported, how to build it, and what hfcheck has to say about it."""

    number: str
    build: Callable[[], Files]
    rule: str
    at: At
    severity: Severity = Severity.ERROR

    def __str__(self) -> str:
        return f"{self.number}-{self.rule}"


def mapped(tensor: str) -> At:
    return At(INDEX, f"/weight_map/{tensor}")


FAILURES = (
    Failure("F001", stale_index, "IDX003", mapped("model.embed_tokens.weight")),
    Failure("F002", lambda: without(testing.llama(), TWO), "IDX001", mapped("model.layers.1.input_layernorm.weight")),
    Failure("F004", lambda: without(testing.llama(), INDEX), "IDX002", At(ONE)),
    Failure("F005", lambda: mapped_and_not_written("mtp.fc.weight"), "IDX005", mapped("mtp.fc.weight")),
    Failure(
        "F006",
        lambda: mapped_and_not_written(*(f"model.layers.{layer}.attn.wo_a.scale" for layer in (0, 1))),
        "IDX005",
        mapped("model.layers.0.attn.wo_a.scale"),
    ),
    Failure("F007", stray_single_file, "IDX012", At("model.safetensors", tensor="model.embed_tokens.weight")),
    Failure("F008", quantised_under_an_old_index, "IDX003", mapped("model.embed_tokens.weight")),
    Failure("F009", superseded_tensors_left, "IDX009", At(ONE, tensor="model.layers.1.input_layernorm.weight")),
    Failure("F010", shards_from_zero_of_another_name, "IDX001", mapped("model.embed_tokens.weight")),
    Failure(
        "F011",
        lambda: testing.llama() | index({name: shard for name, shard in WEIGHT_MAP.items() if shard == ONE}),
        "IDX008",
        At(TWO),
    ),
    Failure("F013", saved_as_pickle_over_safetensors, "IDX013", At("pytorch_model.bin"), Severity.NOTE),
    Failure("F014", lambda: without(testing.llama(), ONE), "IDX001", mapped("model.embed_tokens.weight")),
    Failure("F017", lambda: weights_of_another_name("projector.bin"), "REP008", At("config.json", "/architectures")),
    Failure("F019", native_layout, "REP009", At("consolidated.00.pth"), Severity.WARNING),
    Failure("F020", lambda: weights_of_another_name("seesr.pth"), "REP008", At("config.json", "/architectures")),
    Failure("F258", lambda: without(testing.llama(), INDEX), "IDX002", At(ONE)),
)


@pytest.fixture(scope="module")
def rules() -> tuple[Rule, ...]:
    return registry.load()


def found(files: Files, folder: Path, rules: tuple[Rule, ...]) -> list[tuple[str, At, Severity]]:
    testing.write(Example("", files), folder)
    findings = (located.finding for located in engine.check(".", str(folder), rules, Settings()).findings)
    return [(finding.id, finding.at, finding.severity) for finding in findings]


def test_the_model_before_anything_went_wrong(tmp_path: Path, rules: tuple[Rule, ...]) -> None:
    assert [finding for finding in found(testing.llama(), tmp_path, rules) if finding[2] is not Severity.NOTE] == []


@pytest.mark.parametrize("failure", FAILURES, ids=str)
def test_failure_is_found(failure: Failure, tmp_path: Path, rules: tuple[Rule, ...]) -> None:
    findings = found(failure.build(), tmp_path, rules)
    expected = (failure.rule, failure.at, failure.severity)
    assert expected in findings
    others = [finding for finding in findings if finding != expected]
    assert [finding for finding in others if finding[2] is Severity.ERROR] == [], "one cause, one error"
