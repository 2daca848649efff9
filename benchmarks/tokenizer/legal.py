"""Changes that look odd and are legal: published models have them, and nothing may be called a fault of them."""

from random import Random

from benchmarks.tokenizer.damage import FULL, GENERATION, SETTINGS, TEMPLATE, Damage, Files, entry
from hfcheck.example_tokenizers import sentencepiece


def list_of_ends(files: Files, _dice: Random) -> str | None:
    values = [one for one in (files.config, files.generation or {}) if type(one.get("eos_token_id")) is int]
    for one in values:
        one["eos_token_id"] = [one["eos_token_id"], 5]
    return "eos_token_id" if values else None


def without_a_length(files: Files, _dice: Random) -> str | None:
    files.settings["model_max_length"] = 1000000000000000019884624838656
    return "1e30"


def merges_as_text(files: Files, _dice: Random) -> str | None:
    model = (files.full or {"model": {}})["model"]
    if not model.get("merges"):
        return None
    model["merges"] = [" ".join(pair) for pair in model["merges"]]
    return "merges"


def roles_with_flags(files: Files, _dice: Random) -> str | None:
    roles = files.json.get("special_tokens_map.json")
    if not roles:
        return None
    for role, content in roles.items():
        roles[role] = {key: value for key, value in entry(content, 0).items() if key not in ("id", "special")}
    return "special_tokens_map.json"


def template_in_both(files: Files, _dice: Random) -> str | None:
    if TEMPLATE in files.raw:
        files.settings["chat_template"] = files.raw[TEMPLATE].decode()
    elif isinstance(files.settings.get("chat_template"), str):
        files.raw[TEMPLATE] = files.settings["chat_template"].encode()
    else:
        return None
    return TEMPLATE


def named_templates(files: Files, _dice: Random) -> str | None:
    text = files.settings.get("chat_template")
    if not isinstance(text, str):
        return None
    rows = [("default", text), ("tool_use", text.replace("system", "tool"))]
    files.settings["chat_template"] = [{"name": name, "template": one} for name, one in rows]
    return SETTINGS


def listed_again(files: Files, _dice: Random) -> str | None:
    """The added tokens in `additional_special_tokens`, as version 4 has them."""
    if "added_tokens_decoder" not in files.settings or not files.clean.kind.added:
        return None
    files.settings["additional_special_tokens"] = list(files.clean.kind.added)
    return str(files.clean.kind.added)


def end_without_settings(files: Files, _dice: Random) -> str | None:
    """Without a generation config, and with all the stop ids in config.json."""
    if files.generation is None:
        return None
    files.config["eos_token_id"] = files.generation.get("eos_token_id")
    files.remove(GENERATION)
    return GENERATION


def fast_name(files: Files, _dice: Random) -> str | None:
    name = files.clean.kind.tokenizer_class
    if files.full is None or name.endswith("Fast"):
        return None
    files.settings["tokenizer_class"] = f"{name}Fast"
    return f"{name}Fast"


def generic_class(files: Files, _dice: Random) -> str | None:
    if files.full is None:
        return None
    files.settings["tokenizer_class"] = "PreTrainedTokenizerFast"
    return "PreTrainedTokenizerFast"


def further_fields(files: Files, _dice: Random) -> str | None:
    files.settings.update(
        clean_up_tokenization_spaces=False, legacy=True, sp_model_kwargs={}, name_or_path="a/b", use_fast=True,
        add_bos_token=True, split_special_tokens=False, tokenizer_file=None, padding_side="left",
    )  # fmt: skip
    return "9 fields"


def reserved_tokens(files: Files, _dice: Random) -> str | None:
    """Tokens in reserve fill the padded rows, as Llama 3 has them."""
    room = files.clean.rows - files.size
    if files.full is None or not room:
        return None
    files.add([entry(f"<|reserved_{number}|>", files.size + number) for number in range(room)])
    return f"{room} tokens"


def padding_and_truncation(files: Files, _dice: Random) -> str | None:
    if files.full is None or not files.settings.get("pad_token"):
        return None
    pad = files.settings["pad_token"]
    files.full["truncation"] = {"direction": "Right", "max_length": 128, "strategy": "LongestFirst", "stride": 0}
    files.full["padding"] = {
        "strategy": {"Fixed": 128}, "direction": "Right", "pad_to_multiple_of": None,
        "pad_id": files.tokens[pad], "pad_type_id": 0, "pad_token": pad,
    }  # fmt: skip
    return FULL


def sampling(files: Files, _dice: Random) -> str | None:
    if files.generation is None:
        return None
    files.generation.update(do_sample=True, temperature=0.6, top_p=0.9, top_k=20, repetition_penalty=1.05)
    return GENERATION


def pieces_beside(files: Files, _dice: Random) -> str | None:
    """The SentencePiece model that the tokenizer was converted from."""
    if files.clean.kind.name not in ("llama", "gemma") or files.full is None:
        return None
    base = files.full["model"]["vocab"]
    files.raw["tokenizer.model"] = sentencepiece(sorted(base, key=lambda token: int(base[token])))
    return "tokenizer.model"


def no_map(files: Files, _dice: Random) -> str | None:
    return "both" if files.remove("special_tokens_map.json", "added_tokens.json") else None


def no_padding_ids(files: Files, _dice: Random) -> str | None:
    for one in (files.config, files.generation or {}):
        one["pad_token_id"] = None
    return "null" if files.clean.kind.name not in ("bert", "t5") else None


def slow_files_gone(files: Files, _dice: Random) -> str | None:
    return "all" if files.full is not None and files.remove("vocab.json", "merges.txt", "vocab.txt") else None


LEGAL = tuple(
    Damage(f"legal: {name}", apply, (), "legal")
    for name, apply in (
        ("list of end tokens", list_of_ends),
        ("model_max_length 1e30", without_a_length),
        ("merges as text", merges_as_text),
        ("roles with flags", roles_with_flags),
        ("one template in two homes", template_in_both),
        ("templates with names", named_templates),
        ("additional_special_tokens", listed_again),
        ("no generation config", end_without_settings),
        ("class with Fast", fast_name),
        ("generic class", generic_class),
        ("further fields", further_fields),
        ("tokens in reserve", reserved_tokens),
        ("padding and truncation", padding_and_truncation),
        ("sampling", sampling),
        ("tokenizer.model beside", pieces_beside),
        ("no special_tokens_map.json", no_map),
        ("no padding ids", no_padding_ids),
        ("no slow files", slow_files_gone),
    )
)
