"""What the libraries do with a folder: text is really encoded, the generation config checked. No template runs."""

import os
import warnings
from dataclasses import dataclass
from pathlib import Path
from typing import Any

os.environ |= {
    "HF_HUB_OFFLINE": "1",
    "TOKENIZERS_PARALLELISM": "false",
    "RUST_BACKTRACE": "0",
    "TQDM_DISABLE": "1",
    "TIKTOKEN_CACHE_DIR": "",
}

import jinja2
import torch
import transformers
from jinja2.ext import loopcontrols
from jinja2.sandbox import ImmutableSandboxedEnvironment
from transformers import AutoConfig, AutoTokenizer, GenerationConfig

from benchmarks.tokenizer.clean import Clean
from benchmarks.tokenizer.damage import stated
from benchmarks.tokenizer.trained import TEXT

ROLES = ("bos_token", "eos_token", "unk_token", "sep_token", "pad_token", "cls_token", "mask_token")
PLAIN = (*TEXT[:8], "unheard of: zyx 987 ++", "The QUICK dog", "")
IDS = ("bos_token_id", "eos_token_id", "pad_token_id", "decoder_start_token_id", "forced_bos_token_id",
       "forced_eos_token_id")  # fmt: skip


@dataclass(frozen=True, slots=True)
class Behaviour:
    """What a folder does. `raises` is the error of the tokenizer, and nothing else of it is known then."""

    raises: str = ""
    size: int = 0
    texts: tuple[tuple[int, ...], ...] = ()
    """The ids of the plain texts."""
    spelled: tuple[tuple[int, ...], ...] = ()
    """The ids of texts that spell the special tokens of the clean folder out, one each."""
    decoded: tuple[str, ...] = ()
    """The texts after encoding and decoding without special tokens."""
    batch: str = ""
    """The error of padding two texts to a batch, and nothing where it works."""
    padding: tuple[int, ...] = ()
    roles: tuple[tuple[str, str | None, int | None], ...] = ()
    elsewhere: tuple[tuple[str, int | None, tuple[int, ...]], ...] = ()
    """Added tokens with their ids, where those that files give are others."""
    longest: int = 0
    templates: tuple[str, ...] = ()
    template: str = ""
    """The error of parsing one of them."""
    config: str = ""
    """The error of reading config.json, or of making the model."""
    stops: frozenset[int] = frozenset()
    ids: tuple[tuple[str, int], ...] = ()
    """The special ids that generation reads, lists in pieces."""
    biased: tuple[int, ...] = ()
    """The ids of `bad_words_ids` and `sequence_bias`."""
    unsaved: str = ""
    """The error of saving the generation config again."""


def behaviour(folder: Path, specials: tuple[str, ...]) -> Behaviour:
    """What the libraries make of a folder; `specials` are the tokens to spell out."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return Behaviour(**{**_tokenizer(folder, specials), **_generation(folder)})


def _error(error: BaseException) -> str:
    if isinstance(error, (KeyboardInterrupt, SystemExit)):
        raise error
    return f"{type(error).__name__}: {' '.join(str(error).split())[:150]}"


def _tokenizer(folder: Path, specials: tuple[str, ...]) -> dict[str, Any]:
    try:
        made = AutoTokenizer.from_pretrained(folder, trust_remote_code=False)
        texts = tuple(tuple(made(text).input_ids) for text in PLAIN)
        spelled = tuple(tuple(made(f"the {text} dog").input_ids) for text in specials)
        decoded = tuple(made.decode(list(ids), skip_special_tokens=True) for ids in (*texts, *spelled))
    except BaseException as error:  # noqa: BLE001 - whatever it raises is its answer, and a panic of Rust is no Exception
        return {"raises": _error(error)}
    elsewhere = tuple(
        (token, made.convert_tokens_to_ids(token), tuple(sorted(ids)))
        for token, indexes in stated(folder).items()
        if (ids := [index for index in indexes if type(index) is int]) and ids != [made.convert_tokens_to_ids(token)]
    )
    roles = tuple((role, getattr(made, role), getattr(made, f"{role}_id")) for role in ROLES)
    found = {
        "size": len(made),
        "texts": texts,
        "spelled": spelled,
        "decoded": decoded,
        "roles": roles,
        "elsewhere": elsewhere,
    }
    try:
        found["padding"] = tuple(made(list(PLAIN[:2]), padding=True).input_ids[1])
    except Exception as error:  # noqa: BLE001 - as above
        found["batch"] = _error(error)
    templates = made.chat_template or {}
    sources = tuple(templates.values()) if isinstance(templates, dict) else (templates,)
    return {**found, "longest": made.model_max_length, "templates": sources, "template": _unparsed(sources)}


def _unparsed(templates: tuple[str, ...]) -> str:
    environment = ImmutableSandboxedEnvironment(extensions=[loopcontrols])
    try:
        for template in templates:
            environment.parse(template)
    except jinja2.TemplateError as error:
        return _error(error)
    return ""


def _generation(folder: Path) -> dict[str, Any]:
    try:
        config = AutoConfig.from_pretrained(folder)
        with torch.device("meta"):
            getattr(transformers, (config.architectures or [""])[0])(config)
    except Exception as error:  # noqa: BLE001 - as above
        return {"config": _error(error)}
    try:
        settings = GenerationConfig.from_pretrained(folder)
    except OSError:
        settings = GenerationConfig.from_model_config(config)
    except Exception as error:  # noqa: BLE001 - as above
        return {"unsaved": _error(error)}
    values = {name: _flat(getattr(settings, name, None)) for name in IDS}
    found: dict[str, Any] = {
        "stops": frozenset(values["eos_token_id"]),
        "ids": tuple((name, index) for name, several in values.items() for index in several),
        "biased": tuple(index for words in _lists(settings.bad_words_ids) for index in _flat(words)),
    }
    try:
        settings.validate(strict=True)
    except Exception as error:  # noqa: BLE001 - as above
        found["unsaved"] = _error(error)
    return found


def _lists(value: object) -> list[object]:
    return value if isinstance(value, list) else []


def _flat(value: object) -> list[int]:
    return [one for one in (value if isinstance(value, list) else [value]) if type(one) is int]


def consequences(clean: Clean, before: Behaviour, after: Behaviour) -> list[str]:
    """What is otherwise than before, in a word each."""
    found = []
    if after.raises:
        found.append("tokenizer raises")
    else:
        found += _of_tokens(clean, before, after)
    if after.config and not before.config:
        found.append("model raises")
    found += _of_generation(clean, before, after)
    return found


def _of_tokens(clean: Clean, before: Behaviour, after: Behaviour) -> list[str]:
    beyond = {index for ids in (*after.texts, *after.spelled) for index in ids if index >= clean.rows}
    given = {index for _, _, index in after.roles if index is not None and not 0 <= index < clean.rows}
    changes = {
        "id without row": bool(beyond or given),
        "more tokens than rows": after.size > clean.rows,
        "text changed": before.texts != after.texts,
        "specials cut or changed": before.spelled != after.spelled,
        "decoding changed": before.decoded != after.decoded,
        "not the id of the files": before.elsewhere != after.elsewhere,
        "roles changed": before.roles != after.roles,
        "no batch": bool(after.batch) and not before.batch,
        "padding changed": before.padding != after.padding and not after.batch,
        "fewer tokens": after.size < before.size,
        "length changed": before.longest != after.longest,
        "template lost": bool(before.templates) and not after.templates,
        "template changed": bool(after.templates) and before.templates != after.templates,
        "template does not parse": bool(after.template),
    }
    return [name for name, is_so in changes.items() if is_so]


def _of_generation(clean: Clean, before: Behaviour, after: Behaviour) -> list[str]:
    outside = any(not 0 <= index < clean.rows for _, index in after.ids)
    changes = {
        "special id without row": outside,
        "biased id without row": any(not 0 <= index < clean.rows for index in after.biased),
        "not stopped": bool(before.stops - after.stops),
        "generation ids changed": before.ids != after.ids and not outside,
        "not saved": bool(after.unsaved) and not before.unsaved,
    }
    return [name for name, is_so in changes.items() if is_so]
