"""The names that loaders look for, and what each of them stands for."""

import re
from dataclasses import dataclass
from posixpath import basename, dirname

CONFIG = "config.json"
ADAPTER_CONFIG = "adapter_config.json"
MODEL_INDEX = "model_index.json"
MODULES = "modules.json"

READ_BY_LOADERS = frozenset({
    "adapter_config.json", "added_tokens.json", "audio_tokenizer_config.json", "chat_template.json", "config.json",
    "config_sentence_transformers.json", "feature_extractor_config.json", "generation_config.json",
    "image_processor_config.json", "model_index.json", "modules.json", "preprocessor_config.json",
    "processor_config.json", "quant_config.json", "quantization_config.json", "quantize_config.json",
    "scheduler_config.json", "sentence_bert_config.json", "special_tokens_map.json", "tokenizer.json",
    "tokenizer_config.json", "video_preprocessor_config.json", "vocab.json",
})  # fmt: skip
"""JSON files that a loader opens by this name, in the root or in the folder of a component."""

SHARED_NAMES = frozenset({"config.json", "modules.json", "tokenizer.json", "vocab.json"})
"""Those of them that web pages, tests and tools of every kind have too."""

WEIGHT_SUFFIXES = (".safetensors", ".bin", ".pt", ".pth", ".ckpt")

MODEL_SUFFIXES = (
    *WEIGHT_SUFFIXES, ".gguf", ".onnx", ".h5", ".keras", ".hdf5", ".msgpack", ".pkl", ".pickle", ".joblib", ".dill",
    ".nemo", ".npy", ".npz", ".tflite", ".pdparams", ".pdopt", ".model", ".tiktoken", ".mlmodel", ".ot", ".t7",
    ".safetensors.index.json", ".bin.index.json",
)  # fmt: skip
"""A folder that holds such a file is a model repository, whatever else is in it."""

STRONG_MARKERS = frozenset({CONFIG, ADAPTER_CONFIG, MODEL_INDEX, MODULES})

SINGLE_WEIGHTS = ("model.safetensors", "pytorch_model.bin")
"""What transformers 5.23 opens in a folder, each before the index of its own shards, in this order."""

DIFFUSERS_WEIGHTS = ("diffusion_pytorch_model.safetensors", "diffusion_pytorch_model.bin")
ADAPTER_WEIGHTS = ("adapter_model.safetensors", "adapter_model.bin")

LOADED_STEMS = frozenset({"model", "pytorch_model", "diffusion_pytorch_model"})
"""How the names of weight files begin that transformers and diffusers look for."""

_SHARD = re.compile(r"(?:(?P<stem>.*)[-_.])?(?P<number>[0-9]{1,9})-of-(?P<total>[0-9]{1,9})(?P<suffix>\.[^/]*)?")
_INDEX = re.compile(
    r"(?P<stem>[^/]*)(?P<suffix>\.safetensors|\.bin)(?:\.(?P<legacy>[^./]+))?\.index(?:\.(?P<variant>[^./]+))?\.json"
)


@dataclass(frozen=True, slots=True)
class ShardName:
    """`model.fp16-00001-of-00003.safetensors` is stem `model.fp16`, 1 of 3, suffix `.safetensors`."""

    stem: str
    number: int
    total: int
    suffix: str


def shard_name(path: str) -> ShardName | None:
    """What the name of a numbered shard says, in any of the spellings in use; None for another name.

    `pytorch_model-1-of-3.bin`, bloom's `model_00001-of-00072` and numbers from zero are such spellings: the numbers
    alone never tell that one is missing.
    """
    match = _SHARD.fullmatch(basename(path))
    if match is None:
        return None
    return ShardName(match["stem"] or "", int(match["number"]), int(match["total"]), match["suffix"] or "")


@dataclass(frozen=True, slots=True)
class IndexName:
    """`model.safetensors.index.fp16.json` is stem `model`, suffix `.safetensors`, variant `fp16`.

    So is `model.safetensors.fp16.index.json`, which diffusers wrote before and still reads.
    """

    stem: str
    suffix: str
    variant: str | None

    @property
    def single(self) -> str:
        """The one file that stands for the whole set, and that a loader prefers to it."""
        return ".".join(part for part in (self.stem, self.variant, self.suffix[1:]) if part)


def index_name(path: str) -> IndexName | None:
    """What the name of a weight index says; None for another name."""
    match = _INDEX.fullmatch(basename(path))
    return IndexName(match["stem"], match["suffix"], match["variant"] or match["legacy"]) if match else None


def index_for(path: str) -> IndexName | None:
    """The index without which no loader opens a numbered shard of this name; None where it is none of a loader's own.

    transformers and diffusers write `model-00001-of-00002.safetensors` and, of a variant,
    `model.fp16-00001-of-00002.safetensors`; diffusers wrote `model-00001-of-00002.fp16.safetensors` before.
    """
    shard = shard_name(path)
    if shard is None or not basename(path).startswith(f"{shard.stem}-"):
        return None
    stem, _, variant = shard.stem.partition(".")
    legacy, _, kind = shard.suffix.rpartition(".")
    if stem not in LOADED_STEMS or kind not in ("safetensors", "bin"):
        return None
    return IndexName(stem, f".{kind}", variant or legacy.removeprefix(".") or None)


def is_read_by_loaders(path: str) -> bool:
    """Whether a loader opens a JSON file of this name: only these have to be strict JSON."""
    return basename(path) in READ_BY_LOADERS or index_name(path) is not None


def may_have_comments(path: str) -> bool:
    """Whether a file named `.json` belongs to a tool that takes comments in it, as editors and TypeScript do."""
    name = basename(path).lower()
    return basename(dirname(path)) == ".vscode" or name.startswith(
        ("tsconfig", "jsconfig", ".eslintrc", "devcontainer")
    )


def marks_a_repository(name: str) -> bool:
    """Whether a folder with a file of this name is a model repository."""
    return name in READ_BY_LOADERS or name.lower().endswith(MODEL_SUFFIXES)
