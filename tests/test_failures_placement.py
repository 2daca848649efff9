"""Real failures of device maps and of memory, rebuilt in small: the dry run says before the load what would stop it.

The numbers are those of a collection of reports, each with the thread it comes from.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from hfcheck import engine, registry, testing
from hfcheck.company import Aim, Company
from hfcheck.config import Settings
from hfcheck.example import Content, Example
from hfcheck.example_models import LLAMA, llama_tensors, repository
from hfcheck.finding import At, Severity
from hfcheck.placement.device import devices
from hfcheck.placement.target import Target
from hfcheck.report import RepositoryReport
from hfcheck.rule import Rule

GITHUB = "https://github.com/"
CONFIG, SINGLE = "config.json", "model.safetensors"
HEADS = At(CONFIG, pointer="/num_attention_heads")
ENTRIES = 9
"""Of the classes device map and memory, and the two of dtype that depend on a device."""

Files = Mapping[str, Content]


def llama(**fields: object) -> Files:
    return repository(LLAMA, llama_tensors(), **fields)


def with_heads(heads: int, kv_heads: int) -> Files:
    """A Llama of one layer with so many heads."""
    width = {"hidden_size": 4 * heads, "intermediate_size": 64, "num_attention_heads": heads, "head_dim": 4}
    config = {**LLAMA, **width, "num_hidden_layers": 1, "num_key_value_heads": kv_heads, "vocab_size": 64}
    hidden, keys = 4 * heads, 4 * kv_heads
    shapes = {
        "model.embed_tokens": [64, hidden], "model.norm": [hidden], "lm_head": [64, hidden],
        "model.layers.0.input_layernorm": [hidden], "model.layers.0.post_attention_layernorm": [hidden],
        "model.layers.0.self_attn.q_proj": [hidden, hidden], "model.layers.0.self_attn.k_proj": [keys, hidden],
        "model.layers.0.self_attn.v_proj": [keys, hidden], "model.layers.0.self_attn.o_proj": [hidden, hidden],
        "model.layers.0.mlp.gate_proj": [64, hidden], "model.layers.0.mlp.up_proj": [64, hidden],
        "model.layers.0.mlp.down_proj": [hidden, 64],
    }  # fmt: skip
    return {CONFIG: config, SINGLE: {f"{name}.weight": ("BF16", shape) for name, shape in shapes.items()}}


@dataclass(frozen=True, slots=True)
class Failure:
    """A report, the repository and the target that it comes from in small, and what must be found."""

    number: str
    url: str
    build: Callable[[], Files]
    target: Target
    rule: str
    severity: Severity
    at: At | None = None
    says: str = ""

    def __str__(self) -> str:
        return f"{self.number} {self.rule}"


@dataclass(frozen=True, slots=True)
class Legal:
    """The same where nothing is wrong: one thing is another."""

    build: Callable[[], Files]
    target: Target
    why: str = field(default="")

    def __str__(self) -> str:
        return self.why


def explicit(device_map: Mapping[str, Any], dialect: Any = "transformers", *sizes: str) -> Target:  # noqa: ANN401
    return Target(devices(sizes or ("0=1GiB", "1=1GiB", "cpu=1GiB")), explicit=device_map, dialect=dialect)


TP = Target(devices(["0-7=1GiB"]), tp=8)
SMALL = devices(["0=1KB", "cpu=4KB"])

FAILURES = (
    Failure(
        "F225", f"{GITHUB}vllm-project/vllm/issues/2652", lambda: with_heads(52, 52), TP, "DEV040", Severity.ERROR,
        HEADS, "52",
    ),
    Failure(
        "F226", f"{GITHUB}vllm-project/vllm/issues/11797", lambda: with_heads(28, 4), TP, "DEV040", Severity.ERROR,
        HEADS, "1, 2, 4, 7, 14, 28",
    ),
    Failure(
        "F228", f"{GITHUB}gpustack/gpustack/issues/885", lambda: with_heads(28, 28), TP, "DEV040", Severity.ERROR,
        HEADS, "28",
    ),
    Failure(
        "F232", f"{GITHUB}huggingface/accelerate/issues/1281", llama,
        Target(SMALL, mode="sequential", dialect="accelerate"), "DEV007", Severity.WARNING, None, "offload",
    ),
    Failure(
        "F234", f"{GITHUB}databrickslabs/dolly/issues/46", llama, Target(SMALL, mode="sequential"), "DEV003",
        Severity.WARNING, At(SINGLE), "disk",
    ),
    Failure(
        "F236", f"{GITHUB}hiyouga/LlamaFactory/issues/8953", llama,
        explicit({"model.layers.0": 0, "model.layers.1": 1}), "DEV010", Severity.ERROR, None, "model.embed_tokens",
    ),
    Failure(
        "F237", f"{GITHUB}X-D-Lab/LangChain-ChatGLM-Webui/issues/117", llama,
        explicit({"transformer.word_embeddings": 0, "transformer.layers.0": 0, "transformer.layers.1": 1, "lm_head": 1},
                 "accelerate"),
        "DEV011", Severity.WARNING, None, "transformer.word_embeddings",
    ),
    Failure(
        "F229", f"{GITHUB}vllm-project/vllm/issues/1157", lambda: llama(dtype="bfloat16"),
        Target(devices(["0=1GiB:sm_75", "cpu=1GiB"])), "DEV032", Severity.NOTE, None, "bfloat16",
    ),
    Failure(
        "F231", f"{GITHUB}gpustack/gpustack/issues/1774", lambda: llama(dtype="bfloat16"),
        Target(devices(["0=1GiB:sm_70", "cpu=1GiB"])), "DEV032", Severity.NOTE, None, "bfloat16",
    ),
)  # fmt: skip

LEGAL = (
    Legal(lambda: with_heads(28, 4), Target(devices(["0-3=1GiB"]), tp=4), "28 heads on 4 devices"),
    Legal(llama, Target(devices(["0=2GiB", "cpu=1GiB"])), "all on one device"),
    Legal(llama, explicit({"": 0}), "a map of one key for all"),
    Legal(lambda: llama(dtype="bfloat16"), Target(devices(["0=2GiB:sm_80", "cpu=1GiB"])), "a device that has bfloat16"),
)


@pytest.fixture(scope="module")
def rules() -> tuple[Rule, ...]:
    return registry.load()


def report(files: Files, target: Target, folder: Path, rules: tuple[Rule, ...]) -> RepositoryReport:
    testing.write(Example("", files), folder)
    return engine.check(".", str(folder), rules, Settings(), Company(aim=Aim(target)))


@pytest.mark.parametrize("failure", FAILURES, ids=str)
def test_failure_is_found(failure: Failure, tmp_path: Path, rules: tuple[Rule, ...]) -> None:
    checked = report(failure.build(), failure.target, tmp_path, rules)
    findings = [located.finding for located in checked.findings]
    found = [finding for finding in findings if (finding.id, finding.severity) == (failure.rule, failure.severity)]
    assert found, [(finding.id, finding.message) for finding in findings]
    assert failure.at is None or found[0].at == failure.at
    assert failure.says in f"{found[0].message} {found[0].hint}"


@pytest.mark.parametrize("legal", LEGAL, ids=str)
def test_what_is_legal_is_no_error(legal: Legal, tmp_path: Path, rules: tuple[Rule, ...]) -> None:
    checked = report(legal.build(), legal.target, tmp_path, rules)
    assert [located.finding for located in checked.findings if located.finding.severity is not Severity.NOTE] == []


def test_each_failure_is_built() -> None:
    assert len({failure.number for failure in FAILURES}) == ENTRIES
