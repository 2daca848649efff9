"""Tokenizers that are trained on the spot, saved through the classes of transformers, and changed in their files.

    python -m benchmarks.tokenizer.trained [--seeds N] [--first SEED]

Each seed is one repository of a few files. What hfcheck says of it is compared with what `AutoTokenizer` makes of it.
"""

import argparse
import io
import json
import sys
import tempfile
from collections import Counter
from functools import cache
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from random import Random
from typing import Any

import transformers
from tokenizers import Tokenizer, decoders, models, normalizers, pre_tokenizers, processors, trainers

from benchmarks.tokenizer.compare import compare
from hfcheck.tokens.classes import classes

TEXT = [
    "the quick brown fox jumps over the lazy dog", "pack my box with five dozen liquor jugs", "naïve café, Zürich",
    "how vexingly quick daft zebras jump", "def main(): return 0", "1 2 3 42 1000", "日本語 中文 한국어", "a b c ab ba",
] * 3  # fmt: skip

SPECIAL = ["<unk>", "<s>", "</s>", "<pad>", "[CLS]", "[SEP]", "[UNK]", "[PAD]", "[MASK]", "<|endoftext|>"]


WITH_PARTS = ("nougat", "rag", "encoder-decoder", "vision-encoder-decoder", "speech-encoder-decoder")
"""Types of model whose config is refused without those of its parts."""


@cache
def trained(kind: str) -> str:
    """A tokenizer.json of a kind."""
    match kind:
        case "byte-level":
            made = Tokenizer(models.BPE())
            made.pre_tokenizer, made.decoder = pre_tokenizers.ByteLevel(), decoders.ByteLevel()
            made.post_processor = processors.ByteLevel()
            trainer: Any = trainers.BpeTrainer(vocab_size=320, special_tokens=SPECIAL[9:], show_progress=False)
        case "BPE":
            made = Tokenizer(models.BPE(unk_token="<unk>", byte_fallback=True))
            made.pre_tokenizer = pre_tokenizers.Metaspace()
            trainer = trainers.BpeTrainer(vocab_size=150, special_tokens=SPECIAL[:4], show_progress=False)
        case "WordPiece":
            made = Tokenizer(models.WordPiece(unk_token="[UNK]"))
            made.normalizer, made.pre_tokenizer = normalizers.BertNormalizer(), pre_tokenizers.BertPreTokenizer()
            trainer = trainers.WordPieceTrainer(vocab_size=150, special_tokens=SPECIAL[4:9], show_progress=False)
        case "WordLevel":
            made = Tokenizer(models.WordLevel(unk_token="<unk>"))
            made.pre_tokenizer = pre_tokenizers.Whitespace()
            trainer = trainers.WordLevelTrainer(special_tokens=SPECIAL[:4], show_progress=False)
        case _:
            made = Tokenizer(models.Unigram())
            made.pre_tokenizer = pre_tokenizers.Metaspace()
            trainer = trainers.UnigramTrainer(
                vocab_size=120, special_tokens=SPECIAL[:4], unk_token="<unk>", show_progress=False
            )
    made.train_from_iterator(TEXT, trainer)
    return str(made.to_str())


@cache
def sentencepiece(kind: str) -> bytes:
    """A model of SentencePiece of a kind; nothing where the library is not installed."""
    if find_spec("sentencepiece") is None:
        return b""
    library: Any = import_module("sentencepiece")
    out = io.BytesIO()
    library.SentencePieceTrainer.train(
        sentence_iterator=iter(TEXT), model_writer=out, vocab_size=110 if kind == "unigram" else 130, model_type=kind,
        byte_fallback=False, user_defined_symbols=["<sep>"], control_symbols=["<mask>"], pad_id=3,
        hard_vocab_limit=False, minloglevel=2, character_coverage=1.0,
    )  # fmt: skip
    return out.getvalue()


def repository(dice: Random) -> dict[str, Any]:
    """The files of one repository."""
    known = classes()
    kind = dice.choice(("byte-level", "BPE", "WordPiece", "WordLevel", "Unigram"))
    full = json.loads(trained(kind))
    files: dict[str, Any] = {}
    names = [name for name, one in known.by_name.items() if one.backend == "tokenizers"]
    name = dice.choice((*names, "PreTrainedTokenizerFast", "LlamaTokenizerFast", "FooTokenizer", "BertTokenizerFast"))
    if dice.random() < 0.8:
        files["tokenizer.json"] = full
    if dice.random() < 0.3 or "tokenizer.json" not in files:
        files |= _plain(full, dice)
    settings: dict[str, Any] = {}
    if dice.random() < 0.8:
        settings["tokenizer_class"] = name
    files["tokenizer_config.json"] = settings
    if dice.random() < 0.5:
        every = [kind for kind in known.types if kind not in WITH_PARTS]
        kinds = [kind for kind in every if known.types[kind] == name] or every
        files["config.json"] = {"model_type": dice.choice(kinds if dice.random() < 0.7 else every)}
    for _ in range(dice.choice((0, 1, 1, 2, 3, 5))):
        dice.choice(CHANGES)(files, dice)
    if not settings and dice.random() < 0.5:
        del files["tokenizer_config.json"]
    return files


def _plain(full: dict[str, Any], dice: Random) -> dict[str, Any]:
    """The vocabulary in the files of the slow kind."""
    tokens = full["model"]["vocab"]
    if isinstance(tokens, list):
        name = dice.choice(("spiece.model", "tokenizer.model", "sentencepiece.bpe.model", "spm.model"))
        return {name: sentencepiece(dice.choice(("unigram", "bpe")))}
    ordered = sorted(tokens, key=lambda token: int(tokens[token]))
    if full["model"]["type"] == "WordPiece":
        return {"vocab.txt": "\n".join(ordered) + "\n"}
    merges = full["model"].get("merges", [])
    return {"vocab.json": tokens, "merges.txt": "#version: 0.2\n" + "".join(f"{' '.join(pair)}\n" for pair in merges)}


def _token(dice: Random) -> str:
    return dice.choice((*SPECIAL, "<new>", "<extra>", "<|im_end|>", "the", "q", "<image>", "", "Ġthe", "▁the"))


def _entry(dice: Random, text: str | None = None) -> dict[str, Any]:
    flags = ("single_word", "lstrip", "rstrip", "normalized", "special")
    return {"content": _token(dice) if text is None else text} | {flag: dice.random() < 0.5 for flag in flags}


def _add_to_full(files: dict[str, Any], dice: Random) -> None:
    full = files.get("tokenizer.json")
    if full is not None:
        number = dice.choice((len(full["model"]["vocab"]), len(full["model"]["vocab"]) + 5, 1, 0, 10_000))
        full["added_tokens"].insert(dice.randint(0, len(full["added_tokens"])), {"id": number, **_entry(dice)})


def _drop_from_full(files: dict[str, Any], dice: Random) -> None:
    full = files.get("tokenizer.json")
    if full is not None and full["added_tokens"]:
        del full["added_tokens"][dice.randrange(len(full["added_tokens"]))]


def _drop_word(files: dict[str, Any], dice: Random) -> None:
    full = files.get("tokenizer.json")
    if full is not None:
        tokens = full["model"]["vocab"]
        if isinstance(tokens, list):
            del tokens[dice.randrange(len(tokens))]
        else:
            del tokens[dice.choice(list(tokens))]


def _legacy_merges(files: dict[str, Any], dice: Random) -> None:
    model = files.get("tokenizer.json", {}).get("model", {})
    if "merges" in model:
        model["merges"] = [pair if isinstance(pair, str) else " ".join(pair) for pair in model["merges"]]
        if dice.random() < 0.2:
            model["merges"].append("zz top")


def _decoder(files: dict[str, Any], dice: Random) -> None:
    found = files["tokenizer_config.json"].setdefault("added_tokens_decoder", {})
    for _ in range(dice.randint(0, 4)):
        found[str(dice.choice((0, 1, 2, 119, 150, 151, 320, 9999)))] = _entry(dice)


def _role(files: dict[str, Any], dice: Random) -> None:
    name = dice.choice(("bos_token", "eos_token", "pad_token", "unk_token", "mask_token", "image_token", "sep_token"))
    value: Any = dice.choice((None, _token(dice), _token(dice), {"__type": "AddedToken", **_entry(dice)}))
    files["tokenizer_config.json"][name] = value


def _odd_role(files: dict[str, Any], dice: Random) -> None:
    files["tokenizer_config.json"][dice.choice(("bos_token", "cls_token"))] = dice.choice((1, ["a"], _entry(dice)))


def _extra(files: dict[str, Any], dice: Random) -> None:
    key = dice.choice(("extra_special_tokens", "additional_special_tokens"))
    value: Any = [_token(dice) for _ in range(dice.randint(0, 3))]
    if dice.random() < 0.3:
        value = {f"{text.strip('<>|')}_token": text for text in value}
    elif dice.random() < 0.3:
        value = [{"__type": "AddedToken", **_entry(dice)}, *value]
    files["tokenizer_config.json"][key] = value


def _map(files: dict[str, Any], dice: Random) -> None:
    found = files.setdefault("special_tokens_map.json", {})
    for name in dice.sample(("bos_token", "eos_token", "pad_token", "additional_special_tokens", "unk_token"), 2):
        text = [_token(dice), _token(dice)]
        found[name] = text if name.startswith("additional") else dice.choice((text[0], _entry(dice)))


def _added(files: dict[str, Any], dice: Random) -> None:
    found = files.setdefault("added_tokens.json", {})
    found[_token(dice)] = dice.choice((150, 151, 3, 9999))


def _padding(files: dict[str, Any], dice: Random) -> None:
    full = files.get("tokenizer.json")
    if full is not None:
        full["padding"] = {
            "strategy": "BatchLongest", "direction": "Right", "pad_to_multiple_of": None, "pad_id": 3,
            "pad_type_id": 0, "pad_token": _token(dice),
        }  # fmt: skip


def _names(files: dict[str, Any], dice: Random) -> None:
    files.setdefault("config.json", {})["tokenizer_class"] = dice.choice(list(classes().by_name))


def _without_type(files: dict[str, Any], _dice: Random) -> None:
    files.get("tokenizer.json", {}).get("model", {}).pop("type", None)


def _gap(files: dict[str, Any], dice: Random) -> None:
    tokens = files.get("tokenizer.json", {}).get("model", {}).get("vocab")
    if isinstance(tokens, dict):
        tokens[dice.choice(list(tokens))] = dice.choice((200, 5, 100_000))


CHANGES = (
    _add_to_full, _add_to_full, _drop_from_full, _drop_word, _legacy_merges, _decoder, _decoder, _role, _role,
    _odd_role, _extra, _map, _added, _padding, _names, _without_type, _gap,
)  # fmt: skip


def write(files: dict[str, Any], folder: Path) -> None:
    """The files on the disk."""
    for name, content in files.items():
        data = content if isinstance(content, (bytes, str)) else json.dumps(content, ensure_ascii=False, indent=1)
        folder.joinpath(name).write_bytes(data if isinstance(data, bytes) else data.encode())


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n", maxsplit=1)[0])
    parser.add_argument("--seeds", type=int, default=2000)
    parser.add_argument("--first", type=int, default=0)
    arguments = parser.parse_args()
    transformers.logging.set_verbosity(60)
    verdicts: Counter[str] = Counter()
    reasons: Counter[str] = Counter()
    for seed in range(arguments.first, arguments.first + arguments.seeds):
        with tempfile.TemporaryDirectory() as folder:
            write(repository(Random(seed)), Path(folder))
            outcome = compare(folder)
        verdicts[outcome.verdict] += 1
        if outcome.verdict == "differs":
            print(f"seed {seed} {outcome.class_name}: {outcome.differences}", flush=True)
        if outcome.verdict == "uncertain":
            reasons[outcome.differences[0][:90]] += 1
    print(dict(verdicts))
    for reason, number in reasons.most_common():
        print(f"  {number:6} uncertain: {reason}")
    return 1 if verdicts["differs"] else 0


if __name__ == "__main__":
    sys.exit(main())
