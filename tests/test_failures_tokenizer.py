"""Real failures of tokenizers, special tokens and generation configs, rebuilt in small: each is found, with its cause.

The numbers are those of a collection of reports, each with the thread it comes from.
"""

from base64 import b64encode
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path

import pytest

from hfcheck import engine, registry, testing
from hfcheck.config import Settings
from hfcheck.example import Content, Example
from hfcheck.example_chats import CHATML, END, END_ID, EOS_ID, chat
from hfcheck.example_models import LLAMA, llama_tensors, repository
from hfcheck.example_tokenizers import (
    MERGES,
    SIZE,
    TOKENS,
    added,
    added_specials,
    bpe,
    decoder_entry,
    merges_txt,
    numbered,
    sentencepiece,
    special_tokens_map,
    tokenizer_config,
    tokenizer_json,
    word_level,
)
from hfcheck.finding import At, Severity
from hfcheck.report import RepositoryReport
from hfcheck.rule import Rule

GITHUB = "https://github.com/"
HUB = "https://huggingface.co/"
ADDED, CONFIG, FULL, GENERATION = "added_tokens.json", "config.json", "tokenizer.json", "generation_config.json"
SETTINGS, PIECES = "tokenizer_config.json", "tokenizer.model"
EMBEDDING = ("model.embed_tokens.weight", "lm_head.weight")

ENTRIES = 43
"""Of the classes tokenizer, special token and generation config."""

Files = dict[str, Content]


def llama(rows: int = 16, *, left_out: Iterable[str] = (), **fields: object) -> Files:
    """A tiny Llama with so many rows, whose ids are those of the tokenizers below; it has no tokenizer yet."""
    tensors = {
        name: (dtype, [rows, *shape[1:]] if name in EMBEDDING else shape)
        for name, (dtype, shape) in llama_tensors().items()
    }
    files = repository(LLAMA, tensors, vocab_size=rows, bos_token_id=1, eos_token_id=2, pad_token_id=0, **fields)
    files[CONFIG] = {key: value for key, value in files[CONFIG].items() if key not in left_out}
    return files


def settings(tokenizer_class: str = "PreTrainedTokenizerFast", **fields: object) -> Files:
    return {SETTINGS: tokenizer_config(tokenizer_class, pad_token="<unk>", **fields)}


def full(**fields: object) -> Files:
    """The tokenizer of `llama` in one file, without anything to find in it."""
    return {FULL: tokenizer_json(), **settings("PreTrainedTokenizerFast", **fields)}


def slow(more: dict[str, int] | None = None, tokenizer_class: str = "LlamaTokenizer", **fields: object) -> Files:
    """The tokenizer of `llama` as a model of SentencePiece, with these tokens in added_tokens.json."""
    files = {PIECES: sentencepiece(), **settings(tokenizer_class, **fields)}
    return files if more is None else {**files, ADDED: more}


def gpt2(more: dict[str, int] | None = None, tokens: Iterable[str] = TOKENS) -> Files:
    """The tokenizer of `llama` as vocab.json and merges.txt."""
    files = {"vocab.json": numbered(tokens), "merges.txt": merges_txt(), **settings("GPT2Tokenizer")}
    return files if more is None else {**files, ADDED: more}


def t5(more: dict[str, int]) -> Files:
    """A tokenizer of T5, which brings tokens of its own."""
    config = tokenizer_config("T5Tokenizer", extra_ids=2, pad_token="<unk>", bos_token=None)
    return {"spiece.model": sentencepiece(model="unigram"), SETTINGS: config, ADDED: more}


def ranks() -> bytes:
    """A vocabulary of tiktoken."""
    return b"".join(b64encode(bytes([byte])) + f" {byte}\n".encode() for byte in range(256))


def gemma() -> Files:
    """A Gemma 2 as transformers saves it, without weights."""
    config = {"model_type": "gemma2", "architectures": ["Gemma2ForCausalLM"]}
    return {CONFIG: config, FULL: tokenizer_json(bpe()), **settings("GemmaTokenizer")}


def merged(pairs: bool) -> Files:  # noqa: FBT001 - the two forms of the same thing
    model = bpe()
    model["merges"] = [list(pair) if pairs else " ".join(pair) for pair in MERGES]
    return {**llama(), FULL: tokenizer_json(model), **settings()}


def generating(**fields: object) -> Files:
    """The whole model with a generation config."""
    return {**llama(), **full(), GENERATION: {"bos_token_id": 1, "eos_token_id": 2, "pad_token_id": 0, **fields}}


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

SAMPLING = At(GENERATION, "/temperature")
STOPS = At(GENERATION, "/eos_token_id")

FAILURES = (
    Failure(
        "F059",
        f"{GITHUB}google/sentencepiece/issues/1054",
        lambda: {**llama(256), **slow(), PIECES: ranks()},
        "TOK016",
        WARNING,
        At(PIECES),
    ),
    Failure(
        "F071",
        f"{GITHUB}huggingface/transformers/issues/26714",
        lambda: {
            **llama(SIZE),
            **full(added_tokens_decoder={str(SIZE): decoder_entry("<PRE>"), str(SIZE + 1): decoder_entry("<SUF>")}),
        },
        "TOK001",
        WARNING,
        At(SETTINGS, f"/added_tokens_decoder/{SIZE}"),
    ),
    Failure(
        "F072",
        f"{GITHUB}meta-llama/llama/issues/446",
        lambda: {**llama(SIZE), **slow({"<pad>": SIZE})},
        "TOK001",
        WARNING,
        At(ADDED, "/<pad>"),
    ),
    Failure(
        "F073",
        f"{GITHUB}OpenNMT/CTranslate2/issues/1415",
        lambda: {**llama(SIZE), **slow({"<pad>": SIZE})},
        "TOK001",
        WARNING,
        At(ADDED, "/<pad>"),
    ),
    Failure(
        "F075",
        f"{GITHUB}hf-lin/ChatMusician/issues/23",
        lambda: {**llama(SIZE), **slow({"<pad>": SIZE})},
        "TOK001",
        WARNING,
        At(ADDED, "/<pad>"),
    ),
    Failure(
        "F080",
        f"{GITHUB}huggingface/tokenizers/issues/1609",
        lambda: {
            **llama(SIZE),
            **full(),
            FULL: tokenizer_json(added_tokens=[*added_specials(), added("<pad>", SIZE)]),
        },
        "TOK001",
        WARNING,
        At(FULL, "/added_tokens/3"),
    ),
    Failure(
        "F081",
        f"{GITHUB}haotian-liu/LLaVA/issues/69",
        lambda: {**llama(SIZE), **slow({"<pad>": SIZE})},
        "TOK001",
        WARNING,
        At(ADDED, "/<pad>"),
    ),
    Failure(
        "F081",
        f"{GITHUB}haotian-liu/LLaVA/issues/69",
        lambda: generating(pad_token_id=16),
        "TOK006",
        ERROR,
        At(GENERATION, "/pad_token_id"),
    ),
    Failure(
        "F081",
        f"{GITHUB}haotian-liu/LLaVA/issues/69",
        lambda: generating(bos_token_id=0, eos_token_id=1, pad_token_id=0),
        "GEN004",
        WARNING,
        STOPS,
    ),
    Failure(
        "F082",
        f"{GITHUB}huggingface/transformers/issues/5777",
        lambda: {**llama(SIZE), **full(), FULL: tokenizer_json(word_level(numbered(TOKENS[:-2] + TOKENS[-1:])))},
        "TOK005",
        NOTE,
        At("model.safetensors", tensor="model.embed_tokens.weight"),
    ),
    Failure(
        "F084",
        f"{GITHUB}huggingface/transformers/issues/5475",
        lambda: {**llama(), **settings("GPT2Tokenizer")},
        "TOK010",
        ERROR,
        At(SETTINGS, "/tokenizer_class"),
    ),
    Failure(
        "F085",
        f"{GITHUB}huggingface/transformers/issues/10726",
        lambda: {**llama(), **settings("GPT2Tokenizer"), "merges.txt": merges_txt()},
        "TOK010",
        ERROR,
        At("merges.txt"),
    ),
    Failure(
        "F087",
        f"{GITHUB}unslothai/unsloth/issues/785",
        gemma,
        "TOK017",
        NOTE,
        At(FULL),
    ),
    Failure(
        "F089",
        f"{GITHUB}ggml-org/llama.cpp/issues/19152",
        gemma,
        "TOK017",
        NOTE,
        At(FULL),
    ),
    Failure(
        "F090",
        f"{GITHUB}CVI-SZU/Linly/issues/71",
        lambda: {**llama(), **slow(tokenizer_class="LLamaTokenizer")},
        "TOK014",
        WARNING,
        At(SETTINGS, "/tokenizer_class"),
    ),
    Failure(
        "F092",
        f"{GITHUB}jingyaogong/minimind/issues/578",
        lambda: {**llama(), **full(), **settings("TokenizersBackend")},
        "TOK015",
        NOTE,
        At(SETTINGS, "/tokenizer_class"),
    ),
    Failure(
        "F095",
        f"{GITHUB}allenai/open-instruct/issues/738",
        lambda: merged(pairs=True),
        "TOK015",
        NOTE,
        At(FULL, "/model/merges"),
    ),
    Failure(
        "F096",
        f"{GITHUB}lllyasviel/FramePack/issues/147",
        lambda: merged(pairs=True),
        "TOK015",
        NOTE,
        At(FULL, "/model/merges"),
    ),
    Failure(
        "F100",
        f"{GITHUB}NExT-GPT/NExT-GPT/issues/43",
        lambda: {**llama(), **slow({"<unk>": 0, "<s>": 1, "</s>": 2})},
        "TOK003",
        NOTE,
        At(ADDED, "/<unk>"),
    ),
    Failure(
        "F102",
        f"{GITHUB}huggingface/transformers/issues/9246",
        lambda: {**llama(), **gpt2({"<pad>": SIZE, "<mask>": SIZE + 1}, (*TOKENS, "<pad>", "<mask>"))},
        "TOK003",
        NOTE,
        At(ADDED, "/<pad>"),
    ),
    Failure(
        "F103",
        f"{GITHUB}huggingface/transformers/issues/11759",
        lambda: {**llama(24), **gpt2({"<x>": SIZE, "<y>": SIZE + 2})},
        "TOK003",
        ERROR,
        At(ADDED, "/<y>"),
    ),
    Failure(
        "F104",
        f"{GITHUB}chentong0/factoid-wiki/issues/2",
        lambda: {**llama(), **t5({"<extra_id_1>": SIZE, "<extra_id_0>": SIZE + 1})},
        "TOK003",
        NOTE,
        At(ADDED, "/<extra_id_1>"),
    ),
    Failure(
        "F105",
        f"{GITHUB}ml-explore/mlx-lm/issues/661",
        lambda: {**llama(), **full(extra_special_tokens=["<s>"])},
        "TOK015",
        NOTE,
        At(SETTINGS, "/extra_special_tokens"),
    ),
    Failure(
        "F106",
        f"{GITHUB}modelscope/ms-swift/issues/8186",
        lambda: {**llama(), **full(extra_special_tokens=["<s>"])},
        "TOK015",
        NOTE,
        At(SETTINGS, "/extra_special_tokens"),
    ),
    Failure(
        "F107",
        f"{GITHUB}gradients-ai/G.O.D/pull/1279",
        lambda: {**llama(), **full(extra_special_tokens=["<s>"])},
        "TOK015",
        NOTE,
        At(SETTINGS, "/extra_special_tokens"),
    ),
    Failure(
        "F112",
        f"{GITHUB}hiyouga/LlamaFactory/issues/5904",
        lambda: chat(None, eos=END, eos_token_id=END_ID),
        "GEN005",
        WARNING,
        At(SETTINGS),
    ),
    Failure(
        "F114",
        f"{GITHUB}modelscope/ms-swift/issues/2831",
        lambda: {**chat(None), "README.md": "---\nbase_model: meta/Llama-2-7b\n---\n\n# Llama-2-7b-chat\n"},
        "GEN005",
        WARNING,
        At(SETTINGS),
    ),
    Failure(
        "F115",
        f"{GITHUB}shibing624/MedicalGPT/issues/471",
        lambda: {**chat(None), "README.md": "# Medical 7B Chat\n\nAsk it.\n"},
        "GEN005",
        WARNING,
        At(SETTINGS),
    ),
    Failure(
        "F118",
        f"{GITHUB}QwenLM/Qwen3/issues/927",
        lambda: chat(CHATML, {"eos_token_id": EOS_ID}, eos=END),
        "GEN001",
        WARNING,
        STOPS,
    ),
    Failure(
        "F119",
        f"{GITHUB}hiyouga/LlamaFactory/issues/9338",
        lambda: chat(CHATML, None, eos=END),
        "GEN001",
        WARNING,
        At(CONFIG, "/eos_token_id"),
    ),
    Failure(
        "F120",
        f"{GITHUB}vllm-project/vllm/issues/4180",
        lambda: chat(CHATML, {"eos_token_id": EOS_ID}),
        "GEN001",
        WARNING,
        STOPS,
    ),
    Failure(
        "F122",
        f"{GITHUB}Blaizzy/mlx-vlm/pull/2112",
        lambda: chat(CHATML, {"eos_token_id": [EOS_ID]}, eos=END, eos_token_id=END_ID),
        "GEN001",
        WARNING,
        STOPS,
    ),
    Failure(
        "F123",
        f"{GITHUB}huggingface/transformers/issues/22239",
        lambda: {**generating(bos_token_id=0, eos_token_id=1), **llama(), **full()},
        "GEN004",
        WARNING,
        STOPS,
    ),
    Failure(
        "F126",
        f"{GITHUB}huggingface/trl/issues/466",
        lambda: {**llama(left_out=["pad_token_id"]), FULL: tokenizer_json(), SETTINGS: tokenizer_config()},
        "TOK023",
        NOTE,
        At(SETTINGS),
    ),
    Failure(
        "F128",
        f"{GITHUB}huggingface/transformers/issues/29988",
        lambda: generating(do_sample=False, temperature=0.9, top_p=0.6),
        "GEN002",
        WARNING,
        SAMPLING,
    ),
    Failure(
        "F131",
        f"{GITHUB}hiyouga/LlamaFactory/issues/2837",
        lambda: generating(temperature=0.9, top_p=0.6),
        "GEN002",
        WARNING,
        SAMPLING,
    ),
    Failure(
        "F132",
        f"{GITHUB}QwenLM/Qwen3-ASR/issues/210",
        lambda: generating(do_sample=False, temperature=1e-06),
        "GEN002",
        WARNING,
        SAMPLING,
    ),
    Failure(
        "F133",
        f"{GITHUB}modelscope/ms-swift/issues/1943",
        lambda: generating(do_sample=False, temperature=0.0, top_k=1),
        "GEN002",
        WARNING,
        SAMPLING,
    ),
    Failure(
        "F265",
        f"{HUB}m42-health/Llama3-Med42-70B/commit/73a7418380c8c32926ff407e73eac9e70992705e",
        lambda: chat(CHATML, {"eos_token_id": EOS_ID}, eos=END),
        "GEN001",
        WARNING,
        STOPS,
    ),
    Failure(
        "F266",
        f"{HUB}China-NCTIEDA/ChipExpert-8B-Instruct/commit/3f3acb4d7d165c1bc9cd0c4df03cb917f68f52ab",
        lambda: {**chat(CHATML, {"eos_token_id": EOS_ID}), "special_tokens_map.json": special_tokens_map()},
        "GEN001",
        WARNING,
        STOPS,
    ),
    Failure(
        "F267",
        f"{HUB}NousResearch/ByteDance-Seed-OSS-36B-Alternate-Tokenizer/commit/e82f3d5c07c8f09ae86fdeb48ad8947536a9d3b5",
        lambda: generating(eos_token_id=SIZE - 1),
        "GEN004",
        WARNING,
        STOPS,
    ),
    Failure(
        "F269",
        f"{HUB}flax-community/gpt2-medium-indonesian/commit/eb84e5fb251c7b585aa1abef58213a07a1046022",
        lambda: {**llama(SIZE - 1), FULL: tokenizer_json(bpe()), **settings("GPT2Tokenizer")},
        "TOK001",
        ERROR,
        At(FULL, "/model/vocab/h"),
    ),
)

LEGAL: dict[str, tuple[str, Callable[[], Files]]] = {
    "F079": ("39,424 rows for 39,410 tokens are a multiple of 256", lambda: {**llama(256), **full()}),
    "F268": ("32,032 rows for some tokens fewer are a multiple of 32", lambda: {**llama(32), **full()}),
    "F274": ("a model that generates text needs no padding id", lambda: {**llama(left_out=["pad_token_id"]), **full()}),
}
"""transformers 5.23 works with these, and so do most others: it was one converter or one engine that failed."""


@pytest.fixture(scope="module")
def rules() -> tuple[Rule, ...]:
    return registry.load()


def report(files: Files, folder: Path, rules: tuple[Rule, ...]) -> RepositoryReport:
    testing.write(Example("", files), folder)
    return engine.check(".", str(folder), rules, Settings())


def found(checked: RepositoryReport) -> list[tuple[str, At, Severity]]:
    findings = (located.finding for located in checked.findings)
    return [(finding.id, finding.at, finding.severity) for finding in findings]


SOUND: tuple[Callable[[], Files], ...] = (
    lambda: {**llama(), **full()},
    lambda: {**llama(), **slow()},
    lambda: {**llama(), **gpt2()},
    lambda: merged(pairs=False),
    generating,
    lambda: chat(CHATML, {"eos_token_id": [EOS_ID, END_ID]}),
)
"""What the failures are made of, before anything went wrong."""


@pytest.mark.parametrize("build", SOUND)
def test_the_models_before_anything_went_wrong(
    build: Callable[[], Files], tmp_path: Path, rules: tuple[Rule, ...]
) -> None:
    found_here = found(report(build(), tmp_path, rules))
    assert [finding for finding in found_here if finding[2] is not NOTE] == []


@pytest.mark.parametrize("failure", FAILURES, ids=str)
def test_failure_is_found(failure: Failure, tmp_path: Path, rules: tuple[Rule, ...]) -> None:
    checked = report(failure.build(), tmp_path, rules)
    wanted = (failure.rule, failure.at, failure.severity)
    assert wanted in found(checked)
    others = [finding for finding in found(checked) if finding != wanted]
    assert [finding for finding in others if finding[2] is ERROR] == [], "one cause, one error"
    place = next(located for located in checked.findings if (located.finding.id, located.finding.at) == wanted[:2])
    if failure.at.pointer is not None:
        assert place.line is not None
        key = failure.at.pointer.rpartition("/")[2]
        line = tmp_path.joinpath(failure.at.path).read_text("utf-8").splitlines()[place.line - 1]
        assert key.isdigit() or f'"{key}"' in line


@pytest.mark.parametrize("number", LEGAL)
def test_what_works_is_no_error(number: str, tmp_path: Path, rules: tuple[Rule, ...]) -> None:
    found_here = found(report(LEGAL[number][1](), tmp_path, rules))
    assert [finding for finding in found_here if finding[2] is not NOTE] == []


def test_each_failure_is_built_or_has_a_reason() -> None:
    groups = [{failure.number for failure in FAILURES}, LEGAL]
    numbers = [number for group in groups for number in group]
    assert len(numbers) == len(set(numbers)) == ENTRIES
