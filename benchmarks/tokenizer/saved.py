"""What transformers itself saves: a tiny model of each type, and a tokenizer of the class that the type has.

    python -m benchmarks.tokenizer.saved FOLDER

Every repository is one that somebody trained and saved without a mistake: each error or warning is a false alarm, or a
fault of transformers. Nothing is published by these names, so the folders are kept for a look into them.
"""

import json
import shutil
import sys
import warnings
from collections import Counter
from pathlib import Path
from random import Random
from typing import Any

import torch
import transformers
from transformers import AutoTokenizer

from benchmarks.agreement.models import Architecture, architectures, bounded
from benchmarks.tokenizer.trained import SPECIAL, trained
from hfcheck import engine, registry
from hfcheck.config import Settings
from hfcheck.tokens.classes import TokenizerClass, classes
from tools.atlas.reality import resolved_config
from tools.atlas.tiny import tiny

TASKS = ("ForCausalLM", "LMHeadModel", "ForConditionalGeneration", "ForMaskedLM", "ForSequenceClassification")
ALGORITHMS = {"BPE": "BPE", "WordPiece": "WordPiece", "Unigram": "Unigram", "WordLevel": "WordLevel"}
BYTES = (
    "GPT2Tokenizer", "RobertaTokenizer", "Qwen2Tokenizer", "BartTokenizer", "WhisperTokenizer", "CodeGenTokenizer",
    "LEDTokenizer", "BlenderbotTokenizer", "CLIPTokenizer", "DebertaTokenizer", "GPTNeoXTokenizer", "CohereTokenizer",
)  # fmt: skip


def main(root: Path) -> int:
    warnings.simplefilter("ignore")
    transformers.logging.set_verbosity(60)
    rules = registry.load()
    counts: Counter[str] = Counter()
    skipped: Counter[str] = Counter()
    for architecture in _one_of_each_type():
        folder = root / architecture.model_type
        try:
            _save(architecture, folder)
        except Exception as error:  # noqa: BLE001 - a class that needs what is not here, or refuses a tiny config
            shutil.rmtree(folder, ignore_errors=True)
            skipped[f"{type(error).__name__}: {str(error)[:80]}"] += 1
            continue
        counts["repositories"] += 1
        for located in engine.check(".", str(folder), rules, Settings()).findings:
            found = located.finding
            counts[found.severity.value] += 1
            counts[f"{found.severity.value} {found.id}"] += 1
            if found.severity.value != "note":
                print(architecture, found.severity.value, found.id, found.at.path + found.at.logical, found.message)
    print(dict(counts), f"{sum(skipped.values())} skipped", skipped.most_common(8), sep="\n")
    return 1 if counts["error"] else 0


def _one_of_each_type() -> list[Architecture]:
    """The class of each type that generates text, or else another one."""
    chosen: dict[str, Architecture] = {}
    for architecture in architectures():
        rank = _rank(architecture)
        if rank < len(TASKS) and (
            architecture.model_type not in chosen or rank < _rank(chosen[architecture.model_type])
        ):
            chosen[architecture.model_type] = architecture
    return [one for one in chosen.values() if one.model_type in classes().types]


def _rank(architecture: Architecture) -> int:
    return next((at for at, task in enumerate(TASKS) if architecture.class_name.endswith(task)), len(TASKS))


def _save(architecture: Architecture, folder: Path) -> None:
    folder.mkdir(parents=True)
    dice = Random(str(architecture))
    tokenizer = _tokenizer(architecture, folder)
    shutil.rmtree(folder)
    document = json.loads(json.dumps(tiny(architecture.model_type, architecture.class_name)))
    config = resolved_config(architecture.model_class, document, architecture.model_type)
    rows = len(tokenizer) if dice.random() < 0.5 else -(-len(tokenizer) // 64) * 64
    parts = (config, config.get_text_config(decoder=True), getattr(config, "text_encoder", config))
    for part in {id(part): part for part in parts}.values():
        part.vocab_size = rows
        for role in ("bos", "eos", "pad"):
            setattr(part, f"{role}_token_id", getattr(tokenizer, f"{role}_token_id"))
        if config.is_encoder_decoder:
            part.decoder_start_token_id = tokenizer.pad_token_id
    bounded(architecture.model_class, config)
    torch.manual_seed(0)
    model: Any = architecture.model_class(config)
    tokenizer.save_pretrained(folder)
    model.save_pretrained(folder)


def _tokenizer(architecture: Architecture, folder: Path) -> Any:  # noqa: ANN401 - a tokenizer of transformers
    """The class of the type, with its own specials at the front of a vocabulary that was trained here."""
    known = classes()
    name = known.types[architecture.model_type]
    found = known.find(name) or TokenizerClass(name, "tokenizers")
    kind = "byte-level" if name in BYTES else ALGORITHMS.get(found.model or "BPE", "BPE")
    full = json.loads(trained(kind))
    _with(full, list(dict.fromkeys(found.special.values())))
    folder.joinpath("tokenizer.json").write_text(json.dumps(full))
    settings: dict[str, Any] = {"tokenizer_class": name, "model_max_length": 32}
    if not found.special:
        settings |= {"eos_token": next(one for one in SPECIAL if one in _tokens(full)), "pad_token": SPECIAL[3]}
        settings["pad_token"] = settings["eos_token"]
    folder.joinpath("tokenizer_config.json").write_text(json.dumps(settings))
    tokenizer = AutoTokenizer.from_pretrained(folder)
    if tokenizer.pad_token is None:
        tokenizer.pad_token = tokenizer.eos_token
    return tokenizer


def _tokens(full: dict[str, Any]) -> list[str]:
    vocabulary = full["model"]["vocab"]
    return list(vocabulary) if isinstance(vocabulary, dict) else [one[0] for one in vocabulary]


def _with(full: dict[str, Any], specials: list[str]) -> None:
    """The specials at the front of the vocabulary."""
    vocabulary = full["model"]["vocab"]
    if isinstance(vocabulary, dict):
        ordered = dict.fromkeys((*specials, *sorted(vocabulary, key=lambda token: int(vocabulary[token]))))
        full["model"]["vocab"] = ids = {token: index for index, token in enumerate(ordered)}
        for token in full["added_tokens"]:
            token["id"] = ids[token["content"]]
    else:
        rest = [one for one in vocabulary if one[0] not in specials]
        full["model"]["vocab"] = [*([special, 0.0] for special in specials), *rest]
        places = {one[0]: index for index, one in enumerate(full["model"]["vocab"])}
        full["model"]["unk_id"] = places["<unk>"]
        for token in full["added_tokens"]:
            token["id"] = places[token["content"]]
    if full["decoder"] is None and _spaces(full) == "Metaspace":
        full["decoder"] = full["pre_tokenizer"]


def _spaces(full: dict[str, Any]) -> str:
    return str((full["pre_tokenizer"] or {}).get("type"))


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1])))
