"""Damage to the ids of configs, the generation config and chat templates."""

from random import Random
from typing import Any

from benchmarks.tokenizer.damage import FULL, GENERATION, SETTINGS, TEMPLATE, Damage, Files


def _template(files: Files) -> str | None:
    if TEMPLATE in files.raw:
        return files.raw[TEMPLATE].decode()
    found = files.settings.get("chat_template")
    return found if isinstance(found, str) else None


def _set_template(files: Files, text: str) -> None:
    if TEMPLATE in files.raw:
        files.raw[TEMPLATE] = text.encode()
    else:
        files.settings["chat_template"] = text


def turn_end_not_in_stops(files: Files, _dice: Random) -> str | None:
    end = files.clean.kind.turn_end
    stops = (files.generation or {}).get("eos_token_id")
    if end is None or files.generation is None or not isinstance(stops, list):
        return None
    files.generation["eos_token_id"] = left = [stop for stop in stops if stop != files.tokens[end]]
    files.config["eos_token_id"] = left[0]
    return str(left)


def generation_config_absent(files: Files, _dice: Random) -> str | None:
    """config.json, whose end of text is not that of a turn, is what is left."""
    if len(files.clean.kind.stops) < 2 or not files.remove(GENERATION):
        return None
    files.config["eos_token_id"] = next(
        files.tokens[stop] for stop in files.clean.kind.stops if stop != files.clean.kind.turn_end
    )
    return GENERATION


def swapped_ids(files: Files, _dice: Random) -> str | None:
    values = [values for values in (files.config, files.generation or {}) if type(values.get("eos_token_id")) is int]
    values = [one for one in values if one.get("bos_token_id") not in (None, one["eos_token_id"])]
    for one in values:
        one["bos_token_id"], one["eos_token_id"] = one["eos_token_id"], one["bos_token_id"]
    return "bos, eos" if values else None


def end_off_by_one(files: Files, _dice: Random) -> str | None:
    if files.generation is None or type(files.generation.get("eos_token_id")) is not int:
        return None
    files.generation["eos_token_id"] += 1
    files.config["eos_token_id"] = files.generation["eos_token_id"]
    return str(files.generation["eos_token_id"])


def end_without_row(files: Files, _dice: Random) -> str | None:
    if files.generation is None:
        return None
    files.generation["eos_token_id"] = files.clean.rows
    return str(files.clean.rows)


def padding_minus_one(files: Files, _dice: Random) -> str | None:
    if files.generation is None:
        return None
    files.generation["pad_token_id"] = -1
    return "-1"


def padding_without_row(files: Files, dice: Random) -> str | None:
    if files.generation is None:
        return None
    files.generation["pad_token_id"] = files.clean.rows + dice.randint(0, 3)
    return str(files.generation["pad_token_id"])


def padding_of_config_without_row(files: Files, _dice: Random) -> str | None:
    files.config["pad_token_id"] = files.clean.rows
    return str(files.clean.rows)


def padding_of_config_elsewhere(files: Files, _dice: Random) -> str | None:
    """A classifier whose config has another padding token than its tokenizer."""
    if files.clean.kind.name != "bert":
        return None
    files.config["pad_token_id"] = 5
    return "5"


def start_without_row(files: Files, _dice: Random) -> str | None:
    if files.clean.kind.name != "t5" or files.generation is None:
        return None
    files.generation["decoder_start_token_id"] = files.clean.rows
    return str(files.clean.rows)


def forced_without_row(files: Files, dice: Random) -> str | None:
    if files.generation is None:
        return None
    name = dice.choice(("forced_bos_token_id", "forced_eos_token_id"))
    files.generation[name] = files.clean.rows + 1
    return name


def biased_without_row(files: Files, _dice: Random) -> str | None:
    if files.generation is None:
        return None
    files.generation["bad_words_ids"] = [[files.clean.rows + 5]]
    return "bad_words_ids"


def sampling_unused(files: Files, dice: Random) -> str | None:
    if files.generation is None:
        return None
    chosen = dice.sample([("temperature", 0.6), ("top_p", 0.9), ("top_k", 20), ("min_p", 0.1)], 2)
    files.generation.update(do_sample=False, **dict(chosen))
    return str(dict(chosen))


def beams_unused(files: Files, dice: Random) -> str | None:
    if files.generation is None:
        return None
    name, value = dice.choice((("length_penalty", 0.8), ("early_stopping", True)))
    files.generation[name] = value
    return name


INVALID: tuple[tuple[str, Any], ...] = (
    ("max_new_tokens", 0), ("max_new_tokens", -5), ("num_return_sequences", 3), ("early_stopping", "sometimes"),
    ("cache_implementation", "paper"), ("pad_token_id", "0"), ("temperature", -1.0), ("eos_token_id", "2"),
    ("repetition_penalty", "1.1"), ("bad_words_ids", [5]),
)  # fmt: skip


def setting_invalid(files: Files, dice: Random) -> str | None:
    if files.generation is None:
        return None
    name, value = dice.choice(INVALID)
    files.generation[name] = value
    if name == "temperature":
        files.generation["do_sample"] = True
    return f"{name} {value!r}"


def template_broken(files: Files, dice: Random) -> str | None:
    text = _template(files)
    if text is None:
        return None
    _set_template(files, text.replace(dice.choice(("{% endfor %}", "%}")), "", 1))
    return "a part is missing"


def template_removed(files: Files, _dice: Random) -> str | None:
    if _template(files) is None:
        return None
    files.raw.pop(TEMPLATE, None)
    files.settings.pop("chat_template", None)
    files.raw["README.md"] = b"# Tiny-1B-Instruct\n\nA model for conversations.\n"
    return "with a card that says Instruct"


def template_at_odds(files: Files, _dice: Random) -> str | None:
    text = _template(files)
    if text is None or TEMPLATE not in files.raw:
        return None
    files.settings["chat_template"] = text.replace("message['content']", "message['content'] | trim")
    return SETTINGS


def template_with_unknown_marker(files: Files, _dice: Random) -> str | None:
    """The template ends a turn with what the tokenizer does not have as a token."""
    text, end = _template(files), files.clean.kind.turn_end
    if text is None or end is None or end not in text:
        return None
    _set_template(files, text.replace(end, "<|eot_id|>"))
    return "<|eot_id|>"


def turn_end_lost(files: Files, _dice: Random) -> str | None:
    """The token that ends a turn is gone from the tokenizer, and not from the template."""
    end = files.clean.kind.turn_end
    if end is None or end not in files.clean.kind.added or files.full is None:
        return None
    if end in files.settings.values():
        return None
    files.json[FULL]["added_tokens"] = [one for one in files.full["added_tokens"] if one["content"] != end]
    decoder = files.settings.get("added_tokens_decoder", {})
    for key in [key for key, one in decoder.items() if one["content"] == end]:
        del decoder[key]
    files.remove("added_tokens.json")
    return end


DAMAGES = (
    Damage("turn's end in no stop set", turn_end_not_in_stops, ("GEN001",)),
    Damage("generation_config.json absent", generation_config_absent, ("GEN001",)),
    Damage("bos and eos ids swapped", swapped_ids, ("TOK022", "GEN004")),
    Damage("eos id off by one", end_off_by_one, ("GEN004", "TOK005", "GEN001", "TOK006")),
    Damage("eos id without a row", end_without_row, ("TOK006",)),
    Damage("padding id -1 for generation", padding_minus_one, ("TOK006",)),
    Damage("padding id without a row", padding_without_row, ("TOK006",)),
    Damage("padding id of config.json without a row", padding_of_config_without_row, ("CFG012", "TOK006")),
    Damage("padding id of config.json is another", padding_of_config_elsewhere, ("TOK022",)),
    Damage("decoder_start_token_id without a row", start_without_row, ("TOK006",)),
    Damage("forced id without a row", forced_without_row, ("TOK006",)),
    Damage("biased id without a row", biased_without_row, ("GEN003",)),
    Damage("sampling flags unused", sampling_unused, ("GEN002",)),
    Damage("flags of beams unused", beams_unused, ("GEN002",)),
    Damage("invalid generation setting", setting_invalid, ("GEN002",)),
    Damage("template does not parse", template_broken, ("GEN006",)),
    Damage("template removed", template_removed, ("GEN005",)),
    Damage("two templates", template_at_odds, ("GEN007",)),
    Damage("template ends turns with no token", template_with_unknown_marker, ("GEN001", "TOK020")),
    Damage("turn's end lost from the tokenizer", turn_end_lost, ("GEN001", "TOK005", "TOK020", "TOK012")),
)
