"""Whole tiny repositories with nothing wrong in them: a model of transformers, and a tokenizer trained on the spot."""

import json
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from random import Random
from typing import Any

import torch
import transformers
from tokenizers import AddedToken, Tokenizer, decoders, models, normalizers, pre_tokenizers, processors, trainers
from transformers import AutoTokenizer

from benchmarks.tokenizer.trained import TEXT
from hfcheck.example_tokenizers import sentencepiece

START, END = "<|im_start|>", "<|im_end|>"
CHATML = (
    "{% for message in messages %}{{ '<|im_start|>' + message['role'] + '\n' + message['content'] + '<|im_end|>\n' }}"
    "{% endfor %}{% if add_generation_prompt %}{{ '<|im_start|>assistant\n' }}{% endif %}"
)
WITH_EOS = (
    "{{ bos_token }}{% for message in messages %}{% if message['role'] == 'user' %}{{ '[INST] ' + message['content'] +"
    " ' [/INST]' }}{% else %}{{ message['content'] + eos_token }}{% endif %}{% endfor %}"
)
GEMMA = (
    "{{ bos_token }}{% for message in messages %}{{ '<start_of_turn>' + message['role'] + '\n' + message['content'] +"
    " '<end_of_turn>\n' }}{% endfor %}{% if add_generation_prompt %}{{ '<start_of_turn>model\n' }}{% endif %}"
)

SIZE: dict[str, Any] = {"hidden_size": 16, "intermediate_size": 16, "num_hidden_layers": 1, "num_attention_heads": 2}
OLD = ("special_tokens_map.json", "added_tokens.json")


@dataclass(frozen=True, slots=True)
class Kind:
    """A family of models: the vocabulary and its specials in order, the class of the tokenizer, the model.

    `settings` go into tokenizer_config.json; `turn_end` is what ends an answer of a chat model.
    """

    name: str
    algorithm: str
    specials: tuple[str, ...]
    tokenizer_class: str
    settings: dict[str, Any]
    model: Callable[[int, dict[str, int]], Any]
    template: str | None = None
    turn_end: str | None = None
    stops: tuple[str, ...] = ()
    added: tuple[str, ...] = ()
    """Special tokens behind the vocabulary."""


@dataclass(frozen=True, slots=True)
class Clean:
    """A repository as it was saved: where it lies, and what is known of it."""

    kind: Kind
    folder: Path
    rows: int
    old: bool
    """Whether it has the files of transformers 4, too."""


def _causal(name: str, **fields: object) -> Callable[[int, dict[str, int]], Any]:
    def build(rows: int, ids: dict[str, int]) -> Any:  # noqa: ANN401 - a model of transformers
        config = getattr(transformers, f"{name}Config")(vocab_size=rows, **fields, **ids)
        return getattr(transformers, MODELS.get(name, f"{name}ForCausalLM"))(config)

    return build


MODELS = {"GPT2": "GPT2LMHeadModel", "T5": "T5ForConditionalGeneration", "Bert": "BertForSequenceClassification"}
LLAMA_STYLE = {**SIZE, "num_key_value_heads": 1, "max_position_embeddings": 128}

KINDS = (
    Kind(
        "llama", "BPE", ("<unk>", "<s>", "</s>"), "LlamaTokenizer",
        {"unk_token": "<unk>", "bos_token": "<s>", "eos_token": "</s>", "pad_token": "</s>"},
        _causal("Llama", **LLAMA_STYLE), WITH_EOS, "</s>",
    ),
    Kind(
        "llama-pieces", "pieces", ("<unk>", "<s>", "</s>"), "LlamaTokenizer",
        {"unk_token": "<unk>", "bos_token": "<s>", "eos_token": "</s>", "pad_token": "</s>"},
        _causal("Llama", **LLAMA_STYLE),
    ),
    Kind(
        "qwen2", "byte-level", (), "Qwen2Tokenizer",
        {"unk_token": None, "bos_token": None, "eos_token": END, "pad_token": "<|endoftext|>"},
        _causal("Qwen2", **LLAMA_STYLE), CHATML, END, ("<|im_end|>", "<|endoftext|>"),
        added=("<|endoftext|>", START, END),
    ),
    Kind(
        "gemma", "BPE", ("<pad>", "<eos>", "<bos>", "<unk>", "<start_of_turn>", "<end_of_turn>"), "GemmaTokenizer",
        {"unk_token": "<unk>", "bos_token": "<bos>", "eos_token": "<eos>", "pad_token": "<pad>"},
        _causal("Gemma", **LLAMA_STYLE, head_dim=8), GEMMA, "<end_of_turn>", ("<eos>", "<end_of_turn>"),
    ),
    Kind(
        "bert", "WordPiece", ("[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"), "BertTokenizer",
        {
            "unk_token": "[UNK]", "pad_token": "[PAD]", "cls_token": "[CLS]", "sep_token": "[SEP]",
            "mask_token": "[MASK]", "model_max_length": 128,
        },
        _causal("Bert", **SIZE, max_position_embeddings=128),
    ),
    Kind(
        "t5", "Unigram", ("<pad>", "</s>", "<unk>"), "T5Tokenizer",
        {"unk_token": "<unk>", "eos_token": "</s>", "pad_token": "<pad>", "extra_ids": 4},
        _causal("T5", d_model=16, d_ff=16, d_kv=8, num_layers=1, num_heads=2, decoder_start_token_id=0),
        added=("<extra_id_3>", "<extra_id_2>", "<extra_id_1>", "<extra_id_0>"),
    ),
    Kind(
        "gpt2", "byte-level", ("<|endoftext|>",), "GPT2Tokenizer",
        dict.fromkeys(("unk_token", "bos_token", "eos_token", "pad_token"), "<|endoftext|>")
        | {"model_max_length": 128},
        _causal("GPT2", n_embd=16, n_layer=1, n_head=2, n_positions=128),
    ),
    Kind(
        "neox", "WordLevel", ("<unk>", "<s>", "</s>", "<pad>"), "PreTrainedTokenizerFast",
        {"unk_token": "<unk>", "bos_token": "<s>", "eos_token": "</s>", "pad_token": "<pad>", "model_max_length": 128},
        _causal("GPTNeoX", **SIZE, max_position_embeddings=128), CHATML, END, ("</s>", END), added=(START, END),
    ),
)  # fmt: skip


def build(kind: Kind, dice: Random, folder: Path) -> Clean:
    """Train, make and save one; in half of them with the files that transformers 4 writes as well."""
    folder.mkdir(parents=True)
    tokenizer = _saved_tokenizer(kind, dice, folder)
    rows = len(tokenizer) if dice.random() < 0.5 else -(-len(tokenizer) // 64) * 64
    ids = {f"{role}_token_id": getattr(tokenizer, f"{role}_token_id") for role in ("bos", "eos", "pad")}
    if kind.name == "bert":
        del ids["bos_token_id"], ids["eos_token_id"]
    torch.manual_seed(0)
    model = kind.model(rows, ids)
    stops = [tokenizer.convert_tokens_to_ids(token) for token in kind.stops]
    if stops:
        model.generation_config.eos_token_id = stops
    model.save_pretrained(folder)
    old = dice.random() < 0.5 and kind.algorithm != "pieces"
    if old:
        _as_version_4(kind, tokenizer, folder)
    return Clean(kind, folder, rows, old)


def _saved_tokenizer(kind: Kind, dice: Random, folder: Path) -> Any:  # noqa: ANN401 - a tokenizer of transformers
    settings = {"tokenizer_class": kind.tokenizer_class, "model_max_length": 128, **kind.settings}
    if kind.template is not None:
        settings["chat_template"] = kind.template
    folder.joinpath("tokenizer_config.json").write_text(json.dumps(settings, indent=2))
    full = _trained(kind, dice)
    if kind.algorithm == "pieces":
        vocabulary = full.get_vocab()
        pieces = sorted(vocabulary, key=lambda token: vocabulary[token])
        folder.joinpath("tokenizer.model").write_bytes(sentencepiece(pieces))
        return AutoTokenizer.from_pretrained(folder)
    full.save(str(folder / "tokenizer.json"))
    tokenizer = AutoTokenizer.from_pretrained(folder)
    shutil.rmtree(folder)
    tokenizer.save_pretrained(folder)
    return tokenizer


def _trained(kind: Kind, dice: Random) -> Tokenizer:
    """A tokenizer of the library of that name, of a size that differs from seed to seed."""
    specials, size = list(kind.specials), dice.randint(110, 200)
    match kind.algorithm:
        case "byte-level":
            made = Tokenizer(models.BPE())
            made.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
            made.decoder, made.post_processor = decoders.ByteLevel(), processors.ByteLevel(trim_offsets=False)
            alphabet = pre_tokenizers.ByteLevel.alphabet()
            trainer: Any = trainers.BpeTrainer(
                vocab_size=256 + size, special_tokens=specials, initial_alphabet=alphabet, show_progress=False
            )
        case "BPE" | "pieces":
            made = Tokenizer(models.BPE(unk_token="<unk>", byte_fallback=False))
            made.pre_tokenizer, made.decoder = pre_tokenizers.Metaspace(), decoders.Metaspace()
            trainer = trainers.BpeTrainer(vocab_size=size, special_tokens=specials, show_progress=False)
        case "WordPiece":
            made = Tokenizer(models.WordPiece(unk_token="[UNK]"))
            made.normalizer, made.pre_tokenizer = normalizers.BertNormalizer(), pre_tokenizers.BertPreTokenizer()
            made.decoder = decoders.WordPiece()
            trainer = trainers.WordPieceTrainer(vocab_size=size, special_tokens=specials, show_progress=False)
        case "WordLevel":
            made = Tokenizer(models.WordLevel(unk_token="<unk>"))
            made.pre_tokenizer = pre_tokenizers.Whitespace()
            trainer = trainers.WordLevelTrainer(special_tokens=specials, show_progress=False)
        case _:
            made = Tokenizer(models.Unigram())
            made.pre_tokenizer, made.decoder = pre_tokenizers.Metaspace(), decoders.Metaspace()
            trainer = trainers.UnigramTrainer(
                vocab_size=size, special_tokens=specials, unk_token="<unk>", show_progress=False
            )
    made.train_from_iterator(TEXT, trainer)
    _with_post_processor(kind, made)
    made.add_special_tokens([AddedToken(text, special=True, normalized=False) for text in kind.added])
    return made


def _with_post_processor(kind: Kind, made: Tokenizer) -> None:
    """What the class of each kind puts around a text."""
    around = {
        "llama": ("<s> $A", ("<s>",)), "gemma": ("<bos> $A", ("<bos>",)), "t5": ("$A </s>", ("</s>",)),
        "bert": ("[CLS] $A [SEP]", ("[CLS]", "[SEP]")), "neox": ("<s> $A", ("<s>",)),
    }.get(kind.name)  # fmt: skip
    if around is not None:
        ids = [(token, made.token_to_id(token)) for token in around[1]]
        made.post_processor = processors.TemplateProcessing(single=around[0], pair=None, special_tokens=ids)


def _as_version_4(kind: Kind, tokenizer: Any, folder: Path) -> None:  # noqa: ANN401 - a tokenizer of transformers
    """The files that transformers 4 writes beside a tokenizer.json."""
    path = folder / "tokenizer_config.json"
    settings = json.loads(path.read_text())
    settings["added_tokens_decoder"] = {
        str(index): {key: getattr(token, key) for key in (
            "content", "lstrip", "normalized", "rstrip", "single_word", "special")}
        for index, token in sorted(tokenizer.added_tokens_decoder.items())
    }  # fmt: skip
    settings.pop("backend", None)
    settings["tokenizer_class"] = kind.tokenizer_class
    if kind.template is not None:
        folder.joinpath("chat_template.jinja").unlink()
        settings["chat_template"] = kind.template
    path.write_text(json.dumps(settings, indent=2))
    roles = {role: str(value) for role, value in kind.settings.items() if role.endswith("_token") and value}
    folder.joinpath(OLD[0]).write_text(json.dumps(roles, indent=2))
    vocabulary = json.loads(folder.joinpath("tokenizer.json").read_text())["model"]["vocab"]
    more = {text: index for text, index in tokenizer.get_added_vocab().items() if text not in vocabulary}
    if more and not isinstance(vocabulary, list):
        folder.joinpath(OLD[1]).write_text(json.dumps(more, indent=2))
    _vocabulary_files(kind, json.loads(folder.joinpath("tokenizer.json").read_text())["model"], folder)


def _vocabulary_files(kind: Kind, model: dict[str, Any], folder: Path) -> None:
    tokens = model["vocab"]
    if kind.name in ("qwen2", "gpt2"):
        folder.joinpath("vocab.json").write_text(json.dumps(tokens, ensure_ascii=False), encoding="utf-8")
        merges = (pair if isinstance(pair, str) else " ".join(pair) for pair in model["merges"])
        text = "#version: 0.2\n" + "".join(f"{merge}\n" for merge in merges)
        folder.joinpath("merges.txt").write_text(text, encoding="utf-8")
    elif kind.name == "bert":
        ordered = sorted(tokens, key=lambda token: int(tokens[token]))
        folder.joinpath("vocab.txt").write_text("".join(f"{token}\n" for token in ordered), encoding="utf-8")
