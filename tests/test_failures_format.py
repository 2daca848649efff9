"""Real failures of file formats, pointers, placeholders and names, rebuilt in small: each is found at its place.

The numbers are those of a collection of reports, each with the thread it comes from.
"""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest

from hfcheck import engine, registry, testing
from hfcheck.config import Settings
from hfcheck.example import Archive, Content, Cut, Example, Gguf, Header, Pointer, TorchLegacy, TorchZip
from hfcheck.finding import At, Severity
from hfcheck.rule import Rule

GITHUB = "https://github.com/"
ONE, TWO = testing.LLAMA_SHARDS
SINGLE = "model.safetensors"
TORCH = Archive({"consolidated/data.pkl": b"\x80\x02}q\x00.", "consolidated/data/0": bytes(4096)})

Files = dict[str, Content]

FIRST, SECOND = testing.llama_tensors()
K_PROJ = "model.layers.1.self_attn.k_proj.weight"


def in_one_file(content: Content) -> Files:
    return {**testing.llama_without_weights(), SINGLE: content}


def with_cut_shard() -> Files:
    files = testing.llama()
    return files | {TWO: Cut(files[TWO], 100)}


def pipeline_with_cut_text_encoder() -> Files:
    """The second text encoder of a pipeline was not downloaded to its end."""
    return {
        "model_index.json": {
            "_class_name": "FluxPipeline",
            "_diffusers_version": "0.42.1",
            "text_encoder_2": ["transformers", "T5EncoderModel"],
        },
        "text_encoder_2/config.json": {"architectures": ["T5EncoderModel"], "model_type": "t5"},
        "text_encoder_2/model.safetensors": Cut({"shared.weight": ("BF16", [64, 16])}, 100),
    }


def without_format(metadata: dict[str, str] | None) -> Files:
    files = testing.llama()
    return files | {shard: {**files[shard], "__metadata__": metadata} for shard in (ONE, TWO)}


def clone_without_lfs(*names: str) -> Files:
    return testing.llama() | dict.fromkeys(names, Pointer(4_976_698_672))


def placeholders(shape: list[int]) -> Files:
    """Every tensor as one process has it between two steps of ZeRO-3."""
    return testing.llama(dict.fromkeys(FIRST, ("BF16", shape)), dict.fromkeys(SECOND, ("BF16", shape)))


def as_bin(files: Files) -> Files:
    """The same in the format in which it was reported: the shards as files of torch, and the index of them."""
    shards = {name: TorchZip(files[name]) for name in (ONE, TWO)}
    index = files[testing.LLAMA_INDEX]
    weight_map = {tensor: bin_name(shard) for tensor, shard in index["weight_map"].items()}
    kept = {name: content for name, content in files.items() if name not in {*shards, testing.LLAMA_INDEX}}
    renamed = {bin_name(name): content for name, content in shards.items()}
    return {**kept, "pytorch_model.bin.index.json": {**index, "weight_map": weight_map}, **renamed}


def bin_name(shard: str) -> str:
    """`pytorch_model-1-of-2.bin`, as trainers of their own have it."""
    return f"pytorch_{shard.replace('0000', '').replace('.safetensors', '.bin')}"


QWEN_VISION = {
    "blocks.0.attn.proj": [8, 8], "blocks.0.attn.qkv": [24, 8], "blocks.0.mlp.fc1": [16, 8],
    "blocks.0.mlp.fc2": [8, 16], "merger.mlp.0": [32, 32], "merger.mlp.2": [16, 32], "blocks.0.norm1": [8],
    "blocks.0.norm2": [8], "merger.ln_q": [8],
}  # fmt: skip


def text_model_of_a_qwen() -> Files:
    """A whole Qwen2-VL, whose text model was saved with a prefix too many, twice."""
    text = {name: value for name, value in (FIRST | SECOND).items() if name != "lm_head.weight"}
    for layer in range(2):
        for name, size in (("q_proj", 16), ("k_proj", 8), ("v_proj", 8)):
            text[f"model.layers.{layer}.self_attn.{name}.bias"] = ("BF16", [size])
    tensors = {f"model.{'language_model.' * 3}{name.removeprefix('model.')}": value for name, value in text.items()}
    tensors["model.visual.patch_embed.proj.weight"] = ("BF16", [8, 3, 2, 14, 14])
    for name, shape in QWEN_VISION.items():
        tensors[f"model.visual.{name}.weight"] = ("BF16", shape)
        tensors[f"model.visual.{name}.bias"] = ("BF16", shape[:1])
    config = {
        "architectures": ["Qwen2VLForConditionalGeneration"],
        "model_type": "qwen2_vl",
        "text_config": {
            "hidden_size": 16, "intermediate_size": 32, "vocab_size": 64, "num_hidden_layers": 2,
            "num_attention_heads": 4, "num_key_value_heads": 2,
        },
        "vision_config": {"depth": 1, "embed_dim": 8, "hidden_size": 16, "num_heads": 2, "mlp_ratio": 2},
        "tie_word_embeddings": True,
    }  # fmt: skip
    return {**testing.llama_without_weights(), "config.json": config, SINGLE: tensors}


def named_gamma() -> Files:
    return in_one_file({**FIRST, **SECOND, "block.gamma": ("BF16", [16])})


def gguf(name: str) -> Files:
    """The last of three tensors of two kilobytes each is lost by half."""
    tensors = {"token_embd.weight": [16, 32], "blk.0.attn_q.weight": [16, 32], "blk.3.attn_qkv.weight": [16, 32]}
    return {name: Cut(Gguf(tensors), 1024)}


@dataclass(frozen=True, slots=True)
class Failure:
    """A failure that was reported, how to build it, and what hfcheck has to say about it."""

    number: str
    url: str
    build: Callable[[], Files]
    rule: str
    severity: Severity
    at: At

    def __str__(self) -> str:
        return f"{self.number}-{self.rule}"


ERROR, WARNING, NOTE = Severity.ERROR, Severity.WARNING, Severity.NOTE

FAILURES = (
    Failure("F025", f"{GITHUB}lyogavin/airllm/issues/137", with_cut_shard, "FMT001", ERROR, At(TWO)),
    Failure(
        "F026",
        f"{GITHUB}invoke-ai/InvokeAI/issues/7009",
        pipeline_with_cut_text_encoder,
        "FMT001",
        ERROR,
        At("text_encoder_2/model.safetensors"),
    ),
    Failure(
        "F027",
        f"{GITHUB}invoke-ai/InvokeAI/issues/7760",
        lambda: in_one_file(Cut({**FIRST, **SECOND}, 100)),
        "FMT001",
        ERROR,
        At(SINGLE),
    ),
    Failure(
        "F028",
        f"{GITHUB}Comfy-Org/ComfyUI/issues/3225",
        lambda: {"controlnet.safetensors": Cut({"input_blocks.0.0.weight": ("F16", [8, 4, 3, 3])}, 100)},
        "FMT001",
        ERROR,
        At("controlnet.safetensors"),
    ),
    Failure(
        "F032",
        f"{GITHUB}safetensors/safetensors/issues/278",
        lambda: testing.llama(FIRST, SECOND) | {ONE: {**FIRST, "__metadata__": {"step": 0}}},
        "FMT008",
        ERROR,
        At(ONE, "/__metadata__"),
    ),
    Failure(
        "F033",
        f"{GITHUB}safetensors/safetensors/issues/466",
        lambda: in_one_file({"__metadata__": {"format": "pt"}}),
        "FMT015",
        ERROR,
        At(SINGLE),
    ),
    Failure(
        "F033",
        f"{GITHUB}safetensors/safetensors/issues/466",
        lambda: in_one_file(Header('{},"__metadata__":{"format":"pt"}}')),
        "FMT007",
        ERROR,
        At(SINGLE),
    ),
    Failure("F035", f"{GITHUB}ml-explore/mlx/issues/743", lambda: without_format(None), "FMT009", NOTE, At(ONE)),
    Failure(
        "F037",
        f"{GITHUB}hiyouga/LlamaFactory/issues/1988",
        lambda: in_one_file({"__metadata__": None, **FIRST, **SECOND}),
        "FMT009",
        NOTE,
        At(SINGLE),
    ),
    Failure(
        "F038",
        f"{GITHUB}huggingface/diffusers/issues/10863",
        lambda: in_one_file({"__metadata__": {}, **FIRST, **SECOND}),
        "FMT009",
        NOTE,
        At(SINGLE),
    ),
    Failure(
        "F039",
        f"{GITHUB}foundation-model-stack/fastsafetensors/issues/88",
        lambda: without_format({}),
        "FMT009",
        NOTE,
        At(ONE),
    ),
    Failure(
        "F040",
        f"{GITHUB}city96/ComfyUI-GGUF/issues/21",
        lambda: in_one_file({**FIRST, **SECOND, K_PROJ: ("F8_E4M3", [8, 16])}),
        "FMT016",
        NOTE,
        At(SINGLE, tensor=K_PROJ),
    ),
    Failure(
        "F042",
        f"{GITHUB}janhq/jan/issues/3521",
        lambda: gguf("model-Q4_K_M.gguf"),
        "FMT040",
        ERROR,
        At("model-Q4_K_M.gguf", tensor="blk.3.attn_qkv.weight"),
    ),
    Failure(
        "F043",
        f"{GITHUB}moly-ai/moly-ai/issues/328",
        lambda: gguf("phi.gguf"),
        "FMT040",
        ERROR,
        At("phi.gguf", tensor="blk.3.attn_qkv.weight"),
    ),
    Failure(
        "F045",
        f"{GITHUB}Alpha-VLLM/LLaMA2-Accessory/issues/136",
        lambda: {"consolidated.05-of-08.model.pth": Cut(TORCH, 1024)},
        "FMT030",
        ERROR,
        At("consolidated.05-of-08.model.pth"),
    ),
    Failure(
        "F048",
        f"{GITHUB}AUTOMATIC1111/stable-diffusion-webui/issues/8123",
        lambda: {"v1-5-pruned.safetensors": Pointer(7_703_324_286)},
        "REP001",
        WARNING,
        At("v1-5-pruned.safetensors"),
    ),
    Failure(
        "F049",
        f"{GITHUB}microsoft/OmniParser/issues/34",
        lambda: {
            "icon_caption_florence/config.json": {
                "architectures": ["Florence2ForConditionalGeneration"],
                "model_type": "florence2",
            },
            "icon_caption_florence/model.safetensors": Pointer(1_083_916_964),
        },
        "REP001",
        WARNING,
        At("icon_caption_florence/model.safetensors"),
    ),
    Failure(
        "F050",
        f"{GITHUB}codefuse-ai/MFTCoder/issues/20",
        lambda: clone_without_lfs(ONE, TWO),
        "REP001",
        WARNING,
        At(ONE),
    ),
    Failure(
        "F051",
        f"{GITHUB}turboderp/exllama/issues/242",
        lambda: clone_without_lfs(ONE, TWO, "tokenizer.model"),
        "REP001",
        WARNING,
        At(ONE),
    ),
    Failure(
        "F055",
        f"{GITHUB}hhj1897/face_parsing/issues/3",
        lambda: {"weights/rtnet50-fcn-14.torch.pth": Pointer(124_000_000)},
        "REP001",
        WARNING,
        At("weights/rtnet50-fcn-14.torch.pth"),
    ),
    Failure(
        "F056",
        f"{GITHUB}tuanct1997/Federated-Learning-ASR-based-on-wav2vec-2.0/issues/7",
        lambda: {"model.pt": Pointer(377_000_000)},
        "REP001",
        WARNING,
        At("model.pt"),
    ),
    Failure(
        "F057",
        f"{GITHUB}chatchat-space/Langchain-Chatchat/issues/3103",
        lambda: clone_without_lfs("tokenizer.model"),
        "REP001",
        WARNING,
        At("tokenizer.model"),
    ),
    Failure(
        "F062",
        f"{GITHUB}OpenRLHF/OpenRLHF/issues/839",
        lambda: testing.llama(FIRST, {**SECOND, K_PROJ: ("BF16", [0])}),
        "WGT001",
        ERROR,
        At(TWO, tensor=K_PROJ),
    ),
    Failure(
        "F063",
        f"{GITHUB}FlagOpen/FlagEmbedding/issues/873",
        lambda: {
            **testing.llama_without_weights(),
            "pytorch_model.bin": TorchLegacy({**FIRST, **SECOND, K_PROJ: ("BF16", [0])}),
        },
        "WGT001",
        ERROR,
        At("pytorch_model.bin", tensor=K_PROJ),
    ),
    Failure(
        "F065",
        f"{GITHUB}deepspeedai/DeepSpeed/issues/7501",
        lambda: placeholders([0]),
        "WGT001",
        ERROR,
        At(TWO, tensor="lm_head.weight"),
    ),
    Failure(
        "F066",
        f"{GITHUB}deepspeedai/DeepSpeed/issues/1394",
        lambda: as_bin(placeholders([1])),
        "WGT001",
        ERROR,
        At(bin_name(TWO), tensor="lm_head.weight"),
    ),
    Failure(
        "F169",
        f"{GITHUB}tloen/alpaca-lora/issues/334",
        lambda: {"adapter_config.json": {"peft_type": "LORA"}, "adapter_model.bin": TorchZip({})},
        "FMT017",
        ERROR,
        At("adapter_model.bin"),
    ),
    Failure(
        "F204",
        f"{GITHUB}huggingface/transformers/pull/45314",
        text_model_of_a_qwen,
        "WGT003",
        ERROR,
        At(SINGLE, tensor=f"model.{'language_model.' * 3}embed_tokens.weight"),
    ),
    Failure(
        "F207",
        f"{GITHUB}huggingface/transformers/issues/29554",
        named_gamma,
        "WGT004",
        NOTE,
        At(SINGLE, tensor="block.gamma"),
    ),
    Failure(
        "F208",
        f"{GITHUB}2noise/ChatTTS/issues/732",
        named_gamma,
        "WGT004",
        NOTE,
        At(SINGLE, tensor="block.gamma"),
    ),
)

NOT_FROM_THE_FILES_ALONE = {
    "F165": "zeros as quantised weights: the bytes of the tensors decide",
    "F197": "NaN in weights: the bytes of the tensors decide",
    "F199": "NaN in an adapter: the bytes of the tensors decide",
}


@pytest.fixture(scope="module")
def rules() -> tuple[Rule, ...]:
    return registry.load()


def found(files: Files, folder: Path, rules: tuple[Rule, ...]) -> list[tuple[str, At, Severity]]:
    testing.write(Example("", files), folder)
    findings = (located.finding for located in engine.check(".", str(folder), rules, Settings()).findings)
    return [(finding.id, finding.at, finding.severity) for finding in findings]


def test_the_model_before_anything_went_wrong(tmp_path: Path, rules: tuple[Rule, ...]) -> None:
    assert found(testing.llama(), tmp_path, rules) == []


@pytest.mark.parametrize("failure", FAILURES, ids=str)
def test_failure_is_found(failure: Failure, tmp_path: Path, rules: tuple[Rule, ...]) -> None:
    findings = found(failure.build(), tmp_path, rules)
    wanted = (failure.rule, failure.at, failure.severity)
    assert wanted in findings
    assert [finding for finding in findings if finding[2] is ERROR and finding != wanted] == [], "one cause, one error"


def test_each_failure_is_built_or_has_a_reason() -> None:
    assert not NOT_FROM_THE_FILES_ALONE.keys() & {failure.number for failure in FAILURES}
