"""Real failures of configs, names, shapes, ties and dtypes, rebuilt in small: each is found, with its cause.

The numbers are those of a collection of reports, each with the thread it comes from.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path

import pytest

from hfcheck import engine, registry, testing
from hfcheck.config import Settings
from hfcheck.example import Content, Example
from hfcheck.finding import At, Severity
from hfcheck.report import Report, RepositoryReport
from hfcheck.reports import json_
from hfcheck.rule import Rule

GITHUB = "https://github.com/"
HUB = "https://huggingface.co/"
CONFIG, SINGLE = "config.json", "model.safetensors"
HEAD = "lm_head.weight"
FIRST, SECOND = testing.llama_tensors()
TENSORS = FIRST | SECOND

ENTRIES = 30
"""Of the classes shape, tied weights, config schema, dtype and naming."""

Files = dict[str, Content]


def llama(tensors: testing.Tensors = TENSORS, *, left_out: Iterable[str] = (), **fields: object) -> Files:
    """A tiny Llama in one file, with some fields of its config set and some left out."""
    files = testing.llama_without_weights()
    config = {key: value for key, value in {**files[CONFIG], **fields}.items() if key not in left_out}
    return {**files, CONFIG: config, SINGLE: tensors}


def in_float32() -> testing.Tensors:
    return {name: ("F32", shape) for name, (_, shape) in TENSORS.items()}


def clip_tower() -> testing.Tensors:
    """The vision tower of a tiny LLaVA, of one layer."""
    square: list[int] = [16, 16]
    shapes: dict[str, list[int]] = {
        "embeddings.class_embedding": [16],
        "embeddings.patch_embedding.weight": [16, 3, 8, 8],
        "embeddings.position_embedding.weight": [5, 16],
        "encoder.layers.0.mlp.fc1.bias": [32],
        "encoder.layers.0.mlp.fc1.weight": [32, 16],
        "encoder.layers.0.mlp.fc2.bias": [16],
        "encoder.layers.0.mlp.fc2.weight": [16, 32],
    }
    for norm in ("pre_layrnorm", "post_layernorm", "encoder.layers.0.layer_norm1", "encoder.layers.0.layer_norm2"):
        shapes |= {f"{norm}.weight": [16], f"{norm}.bias": [16]}
    for matrix in ("k_proj", "out_proj", "q_proj", "v_proj"):
        stem = f"encoder.layers.0.self_attn.{matrix}"
        shapes |= {f"{stem}.weight": square, f"{stem}.bias": [16]}
    return {name: ("BF16", shape) for name, shape in shapes.items()}


def llava(tower: str = "vision_tower.", *, tied: bool = False) -> Files:
    """The tiny Llama with a vision tower, whose tensors have this prefix; `tied` in the text config alone."""
    text = {key: value for key, value in llama()[CONFIG].items() if key not in {"architectures", "tie_word_embeddings"}}
    vision = {
        "model_type": "clip_vision_model", "hidden_size": 16, "intermediate_size": 32, "num_hidden_layers": 1,
        "num_attention_heads": 4, "image_size": 16, "patch_size": 8, "projection_dim": 16,
    }  # fmt: skip
    config = {
        "architectures": ["LlavaForConditionalGeneration"], "model_type": "llava", "dtype": "bfloat16",
        "image_token_index": 5, "text_config": text | ({"tie_word_embeddings": True} if tied else {}),
        "vision_config": vision,
    }  # fmt: skip
    projector = {f"multi_modal_projector.linear_{number}.weight": ("BF16", [16, 16]) for number in (1, 2)}
    projector |= {f"multi_modal_projector.linear_{number}.bias": ("BF16", [16]) for number in (1, 2)}
    language = {f"language_model.{name}": value for name, value in TENSORS.items() if not tied or name != HEAD}
    vision_tensors = {f"{tower}{name}": value for name, value in clip_tower().items()}
    return {**testing.llama_without_weights(), CONFIG: config, SINGLE: {**language, **projector, **vision_tensors}}


def bert(prefix: str = "") -> Files:
    """A tiny BERT of one layer whose tensors have a prefix."""
    layer = "bert.encoder.layer.0."
    outputs = {
        f"{layer}attention.output.dense": [16, 16],
        f"{layer}attention.self.key": [16, 16],
        f"{layer}attention.self.query": [16, 16],
        f"{layer}attention.self.value": [16, 16],
        f"{layer}intermediate.dense": [32, 16],
        f"{layer}output.dense": [16, 32],
        "cls.predictions.transform.dense": [16, 16],
    }
    shapes: dict[str, list[int]] = {
        "bert.embeddings.position_embeddings.weight": [64, 16],
        "bert.embeddings.token_type_embeddings.weight": [2, 16],
        "bert.embeddings.word_embeddings.weight": [64, 16],
        "cls.predictions.bias": [64],
    }
    for name, shape in outputs.items():
        shapes |= {f"{name}.weight": shape, f"{name}.bias": shape[:1]}
    for stem in ("bert.embeddings.", f"{layer}attention.output.", f"{layer}output.", "cls.predictions.transform."):
        shapes |= {f"{stem}LayerNorm.weight": [16], f"{stem}LayerNorm.bias": [16]}
    config = {
        "architectures": ["BertForMaskedLM"], "model_type": "bert", "dtype": "float32", "vocab_size": 64,
        "hidden_size": 16, "intermediate_size": 32, "num_hidden_layers": 1, "num_attention_heads": 4,
        "max_position_embeddings": 64, "type_vocab_size": 2, "pad_token_id": 2,
    }  # fmt: skip
    tokenizer = {name: text for name, text in testing.llama_without_weights().items() if name.startswith("tokenizer")}
    tensors = {f"{prefix}{name}": ("F32", shape) for name, shape in shapes.items()}
    return {**tokenizer, CONFIG: config, SINGLE: tensors}


@dataclass(frozen=True, slots=True)
class Failure:
    """A failure that was reported, how to build it, and what hfcheck has to say about it."""

    number: str
    url: str
    build: Callable[[], Files]
    rule: str
    severity: Severity
    at: At
    outcome: str = "loads"

    def __str__(self) -> str:
        return f"{self.number}-{self.rule}"


ERROR, WARNING, NOTE = Severity.ERROR, Severity.WARNING, Severity.NOTE
RAISES, RANDOM = "raises", "loads-reinitialised"


def field(name: str) -> At:
    return At(CONFIG, f"/{name}")


def tensor(name: str) -> At:
    return At(SINGLE, tensor=name)


FAILURES = (
    Failure(
        "F069",
        f"{GITHUB}arcee-ai/mergekit/issues/425",
        lambda: llama(vocab_size=65),
        "WGT006",
        ERROR,
        field("vocab_size"),
        RAISES,
    ),
    Failure(
        "F270",
        f"{HUB}lora-x/backpack-gpt2/commit/c8e2c0dea5224c0962bbee9f21d59b7c0580a392",
        lambda: llama(vocab_size=56),
        "WGT006",
        ERROR,
        field("vocab_size"),
        RAISES,
    ),
    Failure(
        "F083",
        f"{GITHUB}ggml-org/llama.cpp/issues/3900",
        lambda: llama(vocab_size=-1),
        "CFG012",
        ERROR,
        field("vocab_size"),
        RAISES,
    ),
    Failure(
        "F136",
        f"{GITHUB}thu-coai/SentiLARE/issues/11",
        lambda: llama(left_out=["model_type"]),
        "CFG002",
        ERROR,
        field("architectures"),
        RAISES,
    ),
    Failure(
        "F138",
        f"{GITHUB}huggingface/transformers/issues/44496",
        lambda: llama(model_type="llama9"),
        "CFG006",
        WARNING,
        field("model_type"),
        RAISES,
    ),
    Failure(
        "F139",
        f"{GITHUB}vllm-project/vllm/issues/10481",
        lambda: llama(architectures=["LlamaModel"]),
        "WGT014",
        WARNING,
        field("architectures/0"),
    ),
    Failure(
        "F141",
        f"{GITHUB}OpenBMB/MiniCPM/issues/241",
        lambda: llama(architectures=["LlamaModel"]),
        "WGT014",
        WARNING,
        field("architectures/0"),
    ),
    Failure(
        "F156",
        f"{GITHUB}huggingface/peft/pull/2972",
        lambda: llama(tie_word_embeddings=True),
        "WGT026",
        NOTE,
        tensor(HEAD),
    ),
    Failure(
        "F157",
        f"{GITHUB}unslothai/unsloth/issues/1971",
        lambda: llama(tie_word_embeddings=True),
        "WGT026",
        NOTE,
        tensor(HEAD),
    ),
    Failure(
        "F158",
        f"{GITHUB}hiyouga/LlamaFactory/issues/6749",
        lambda: llama(tie_word_embeddings=True),
        "WGT026",
        NOTE,
        tensor(HEAD),
    ),
    Failure(
        "F206",
        f"{GITHUB}huggingface/transformers/pull/45361",
        lambda: llava("vision_tower.model."),
        "WGT016",
        ERROR,
        tensor("vision_tower.model.embeddings.class_embedding"),
        RANDOM,
    ),
    Failure(
        "F240",
        f"{GITHUB}axolotl-ai-cloud/axolotl/issues/904",
        lambda: llama(in_float32()),
        "WGT024",
        NOTE,
        tensor("model.embed_tokens.weight"),
    ),
    Failure(
        "F242",
        f"{GITHUB}huggingface/transformers/issues/33780",
        lambda: llama(in_float32()),
        "WGT024",
        NOTE,
        tensor("model.embed_tokens.weight"),
    ),
    Failure(
        "F271",
        f"{HUB}alycialee/m2-bert-110M/tree/4a1d153b4e00306b87610596d78597e3b6cd6166",
        lambda: bert("model."),
        "WGT016",
        ERROR,
        tensor("model.bert.embeddings.position_embeddings.weight"),
        RANDOM,
    ),
)

FOUND_ELSEWHERE = {"F040": "FMT016", "F204": "WGT003", "F207": "WGT004", "F208": "WGT004"}
"""Built beside the failures of formats, which they also are."""

LLAMA3 = {
    "rope_type": "llama3", "factor": 8.0, "low_freq_factor": 1.0, "high_freq_factor": 4.0,
    "original_max_position_embeddings": 32,
}  # fmt: skip
VERSION_5 = {"rope_theta": 500000.0, "rope_type": "default"}

LEGAL_HERE: dict[str, Callable[[], Files]] = {
    "F143": lambda: llama(left_out=["architectures"]),
    "F144": lambda: llama(rope_scaling=LLAMA3),
    "F147": lambda: llama(rope_scaling=LLAMA3),
    "F148": lambda: llama(rope_scaling={"factor": 8.0}),
    "F149": lambda: llama(rope_parameters=VERSION_5),
    "F150": lambda: llama(rope_parameters=VERSION_5),
    "F153": lambda: llava(tied=True),
}
"""transformers 5.23 loads these, every tensor in its place: it was another loader, or an older one, that failed."""

NOT_FROM_THE_FILES_ALONE = {
    "F021": "an adapter without a config is complete: only the reader knows that a model was wanted",
    "F022": "an adapter without a config is complete: only the reader knows that a model was wanted",
    "F203": "`model.layers.` is what transformers itself saves for this type, and it reads the other name as well",
    "F229": "the device decides whether bfloat16 can be used",
    "F231": "the device decides whether bfloat16 can be used",
}


@pytest.fixture(scope="module")
def rules() -> tuple[Rule, ...]:
    return registry.load()


def report(files: Files, folder: Path, rules: tuple[Rule, ...]) -> RepositoryReport:
    testing.write(Example("", files), folder)
    return engine.check(".", str(folder), rules, Settings())


def found(checked: RepositoryReport) -> list[tuple[str, At, Severity]]:
    findings = (located.finding for located in checked.findings)
    return [(finding.id, finding.at, finding.severity) for finding in findings]


def outcome(checked: RepositoryReport, rules: tuple[Rule, ...]) -> str:
    load = json_.document(Report((checked,), rules, ERROR))["repositories"][0]["load"]
    return str(load["outcome"])


@pytest.mark.parametrize("build", [llama, llava, bert])
def test_the_models_before_anything_went_wrong(
    build: Callable[[], Files], tmp_path: Path, rules: tuple[Rule, ...]
) -> None:
    checked = report(build(), tmp_path, rules)
    assert found(checked) == []
    assert outcome(checked, rules) == "loads"


@pytest.mark.parametrize("failure", FAILURES, ids=str)
def test_failure_is_found(failure: Failure, tmp_path: Path, rules: tuple[Rule, ...]) -> None:
    checked = report(failure.build(), tmp_path, rules)
    wanted = (failure.rule, failure.at, failure.severity)
    assert wanted in found(checked)
    others = [finding for finding in found(checked) if finding != wanted]
    assert [finding for finding in others if finding[2] is ERROR] == [], "one cause, one error"
    assert outcome(checked, rules) == failure.outcome


@pytest.mark.parametrize("number", LEGAL_HERE)
def test_what_this_loader_takes_is_no_error(number: str, tmp_path: Path, rules: tuple[Rule, ...]) -> None:
    checked = report(LEGAL_HERE[number](), tmp_path, rules)
    assert [finding for finding in found(checked) if finding[2] is ERROR] == []
    assert outcome(checked, rules) == "loads"


def test_each_failure_is_built_or_has_a_reason() -> None:
    groups = [{failure.number for failure in FAILURES}, FOUND_ELSEWHERE, LEGAL_HERE, NOT_FROM_THE_FILES_ALONE]
    numbers = [number for group in groups for number in group]
    assert len(numbers) == len(set(numbers)) == ENTRIES
