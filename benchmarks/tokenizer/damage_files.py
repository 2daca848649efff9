"""Damage to the files around tokenizer.json: absent, cut, of another model, at odds with each other."""

import json
from base64 import b64encode
from random import Random

from benchmarks.tokenizer.damage import FULL, SETTINGS, Damage, Files, entry

POINTER = b"version https://git-lfs.github.com/spec/v1\noid sha256:" + b"0" * 64 + b"\nsize 1234567\n"
SLOW = ("vocab.json", "merges.txt", "vocab.txt", "tokenizer.model")


def tokenizer_absent(files: Files, _dice: Random) -> str | None:
    return "all" if files.remove(FULL, *SLOW, "added_tokens.json") else None


def tokenizer_json_absent(files: Files, _dice: Random) -> str | None:
    """What is left is the vocabulary of the slow kind, or nothing."""
    if files.full is None:
        return None
    files.remove(FULL)
    return FULL


def merges_absent(files: Files, _dice: Random) -> str | None:
    if not files.remove("merges.txt"):
        return None
    files.remove(FULL)
    return "merges.txt"


def settings_absent(files: Files, _dice: Random) -> str | None:
    files.remove(SETTINGS)
    return SETTINGS


def line_dropped(files: Files, dice: Random) -> str | None:
    """A line is missing from vocab.txt, beside a tokenizer.json that has it."""
    if "vocab.txt" not in files.raw:
        return None
    lines = files.lines("vocab.txt")
    at = dice.randrange(8, len(lines))
    gone = lines.pop(at)
    files.set_lines("vocab.txt", lines)
    return gone


def line_dropped_everywhere(files: Files, dice: Random) -> str | None:
    gone = line_dropped(files, dice)
    if gone is not None:
        files.remove(FULL)
        del files.settings["added_tokens_decoder"]
    return gone


def vocabulary_shifted(files: Files, dice: Random) -> str | None:
    """vocab.json has other ids than tokenizer.json from some token on."""
    if "vocab.json" not in files.json:
        return None
    start = dice.randrange(20, 250)
    files.json["vocab.json"] = {token: index + (index >= start) for token, index in files.json["vocab.json"].items()}
    return f"from {start}"


def merges_text_cut(files: Files, _dice: Random) -> str | None:
    if "merges.txt" not in files.raw:
        return None
    lines = files.lines("merges.txt")
    files.set_lines("merges.txt", lines[: len(lines) // 2])
    return f"{len(lines) // 2} lines"


def added_tokens_elsewhere(files: Files, _dice: Random) -> str | None:
    """added_tokens.json gives an added token another id."""
    more = files.json.get("added_tokens.json")
    if not more:
        return None
    token = next(iter(more))
    more[token] += 1
    return str(token)


def roles_elsewhere(files: Files, dice: Random) -> str | None:
    """special_tokens_map.json names another token for a role."""
    roles = files.json.get("special_tokens_map.json")
    if not roles:
        return None
    role = dice.choice([role for role in roles if role != "additional_special_tokens"])
    roles[role] = next(token for token in files.tokens if token != roles[role])
    return str(role)


def class_with_wrong_capitals(files: Files, _dice: Random) -> str | None:
    files.settings["tokenizer_class"] = name = files.clean.kind.tokenizer_class.swapcase()
    return name


def class_of_another_kind(files: Files, _dice: Random) -> str | None:
    algorithm = files.clean.kind.algorithm
    name = {"BPE": "BertTokenizer", "byte-level": "T5Tokenizer", "Unigram": "GPT2Tokenizer"}.get(algorithm)
    if name is None or files.clean.kind.name == "gemma":
        return None
    files.settings["tokenizer_class"] = name
    return name


def cut_short(files: Files, dice: Random) -> str | None:
    if files.full is None:
        return None
    data = json.dumps(files.full).encode()
    files.raw[FULL] = data[: dice.randrange(100, len(data) - 10)]
    return f"{len(files.raw[FULL])} bytes"


def pointer(files: Files, _dice: Random) -> str | None:
    name = FULL if files.full is not None else "tokenizer.model"
    files.raw[name] = POINTER
    return name


def pieces_are_ranks(files: Files, _dice: Random) -> str | None:
    if "tokenizer.model" not in files.raw:
        return None
    files.raw["tokenizer.model"] = b"".join(b64encode(bytes([one])) + b" %d\n" % one for one in range(256))
    return "tiktoken"


def pieces_cut(files: Files, _dice: Random) -> str | None:
    if "tokenizer.model" not in files.raw:
        return None
    files.raw["tokenizer.model"] = files.raw["tokenizer.model"][:-7]
    return "7 bytes"


def key_twice(files: Files, dice: Random) -> str | None:
    vocabulary = (files.full or {"model": {"vocab": []}})["model"]["vocab"]
    if not isinstance(vocabulary, dict):
        return None
    token = dice.choice([token for token in vocabulary if token.isascii() and token.isalnum()])
    text = json.dumps(files.full, ensure_ascii=False)
    files.raw[FULL] = text.replace('"vocab": {', f'"vocab": {{"{token}": 0, ', 1).encode()
    return str(token)


def comma_too_many(files: Files, _dice: Random) -> str | None:
    files.raw[SETTINGS] = (json.dumps(files.settings)[:-1] + ",}").encode()
    return SETTINGS


def role_misspelled(files: Files, dice: Random) -> str | None:
    roles = [role for role in ("eos_token", "bos_token", "cls_token") if files.settings.get(role)]
    if not roles:
        return None
    role = dice.choice(roles)
    files.settings[role] = "<|imend|>"
    if "special_tokens_map.json" in files.json:
        files.json["special_tokens_map.json"][role] = "<|imend|>"
    return role


def roles_swapped(files: Files, _dice: Random) -> str | None:
    settings = files.settings
    first, last = settings.get("bos_token"), settings.get("eos_token")
    if not first or not last or first == last:
        return None
    settings["bos_token"], settings["eos_token"] = last, first
    if "special_tokens_map.json" in files.json:
        files.json["special_tokens_map.json"].update(bos_token=last, eos_token=first)
    return "bos, eos"


def too_long(files: Files, _dice: Random) -> str | None:
    if files.clean.kind.name not in ("bert", "gpt2"):
        return None
    files.settings["model_max_length"] = 4096
    return "4096"


def no_padding(files: Files, _dice: Random) -> str | None:
    if files.settings.pop("pad_token", None) is None:
        return None
    files.json.get("special_tokens_map.json", {}).pop("pad_token", None)
    return "pad_token"


def list_of_extra(files: Files, _dice: Random) -> str | None:
    if files.full is None or isinstance(files.settings.get("extra_special_tokens"), list):
        return None
    files.settings["extra_special_tokens"] = [files.full["added_tokens"][0]["content"]]
    return "extra_special_tokens"


def newer_class(files: Files, _dice: Random) -> str | None:
    if files.settings.get("tokenizer_class") != "PreTrainedTokenizerFast":
        return None
    files.settings["tokenizer_class"] = "TokenizersBackend"
    return "TokenizersBackend"


def role_without_type(files: Files, dice: Random) -> str | None:
    """A special token as special_tokens_map.json has it, copied into tokenizer_config.json; or its id."""
    role = dice.choice([role for role in ("eos_token", "pad_token", "unk_token") if files.settings.get(role)])
    content = files.settings[role]
    plain = {key: value for key, value in entry(content, 0).items() if key not in ("id", "special")}
    files.settings[role] = dice.choice((plain, files.tokens.get(content, 3), [content]))
    files.remove("special_tokens_map.json")
    return f"{role} {type(files.settings[role]).__name__}"


def padding_with_another_id(files: Files, _dice: Random) -> str | None:
    """The padding section of tokenizer.json has the id of another token."""
    if files.full is None or not files.settings.get("pad_token"):
        return None
    direction = "Left" if files.clean.kind.name in ("llama", "gemma") else "Right"
    files.full["padding"] = {
        "strategy": "BatchLongest", "direction": direction, "pad_to_multiple_of": None,
        "pad_id": files.tokens[files.settings["pad_token"]] + 1, "pad_type_id": 0,
        "pad_token": files.settings["pad_token"],
    }  # fmt: skip
    return "padding/pad_id"


def tokenizer_of_another_model(files: Files, dice: Random) -> str | None:
    """A longer tokenizer with the same specials, in the place of the right one."""
    if files.full is None:
        return None
    tokens = [entry(f"<other_{at}>", files.size + at, special=False) for at in range(dice.randint(300, 400))]
    vocabulary = files.full["model"]["vocab"]
    if not isinstance(vocabulary, dict) or files.size > len(vocabulary):
        return None
    words = [token for token in vocabulary if token not in files.clean.kind.specials]
    numbers = [vocabulary[word] for word in words]
    dice.shuffle(words)
    vocabulary.update(zip(words, numbers, strict=True))
    files.add(tokens)
    files.remove("vocab.json", "merges.txt", "vocab.txt", "added_tokens.json")
    return f"{len(tokens)} tokens more"


def words_exchanged(files: Files, dice: Random) -> str | None:
    """Two words have each other's ids, in every file."""
    vocabulary = (files.full or {"model": {"vocab": []}})["model"]["vocab"]
    if not isinstance(vocabulary, dict):
        return None
    first, second = dice.sample([token for token in vocabulary if len(token) > 1 and token[0] not in "<["], 2)
    vocabulary[first], vocabulary[second] = vocabulary[second], vocabulary[first]
    files.remove("vocab.json", "merges.txt", "vocab.txt")
    return f"{first}, {second}"


DAMAGES = (
    Damage("no vocabulary at all", tokenizer_absent, ("TOK010",)),
    Damage("tokenizer.json absent", tokenizer_json_absent, ("TOK010",)),
    Damage("merges.txt absent", merges_absent, ("TOK010",)),
    Damage(
        "tokenizer_config.json absent", settings_absent, (), "a tokenizer.json alone is legal, and so is a base model"
    ),
    Damage("line dropped from vocab.txt", line_dropped, ("TOK011",)),
    Damage("line dropped, no other file", line_dropped_everywhere, ("TOK022",),
           "only the vocabulary that the model was trained with tells"),
    Damage("vocab.json shifted by one", vocabulary_shifted, ("TOK011",)),
    Damage("merges.txt cut in half", merges_text_cut, ("TOK011", "TOK024")),
    Damage("added_tokens.json has another id", added_tokens_elsewhere, ("TOK012", "TOK003", "TOK004")),
    Damage("special_tokens_map.json has another role", roles_elsewhere, ("TOK013",)),
    Damage("class with wrong capitals", class_with_wrong_capitals, ("TOK014",)),
    Damage("class of another kind", class_of_another_kind, ("TOK016", "TOK010", "TOK001")),
    Damage("tokenizer.json cut short", cut_short, ("FMT020",)),
    Damage("LFS pointer", pointer, ("REP001",)),
    Damage("tiktoken as tokenizer.model", pieces_are_ranks, ("TOK016",)),
    Damage("tokenizer.model cut short", pieces_cut, ("TOK016",)),
    Damage("token twice in the vocabulary", key_twice, ("FMT021",)),
    Damage("comma too many", comma_too_many, ("FMT020",)),
    Damage("special token misspelled", role_misspelled, ("TOK020", "TOK001", "GEN004")),
    Damage("bos and eos swapped in tokenizer_config", roles_swapped, ("TOK022", "GEN004", "TOK013")),
    Damage("model_max_length past the positions", too_long, ("TOK026",)),
    Damage("no padding token", no_padding, ("TOK023",)),
    Damage("extra_special_tokens as a list", list_of_extra, ("TOK015",), inventory=True),
    Damage("class of version 5", newer_class, ("TOK015",), inventory=True),
    Damage("special token as object or id", role_without_type, ("TOK028",)),
    Damage("padding section with another id", padding_with_another_id, ()),
    Damage("tokenizer of another model", tokenizer_of_another_model, ("TOK001",)),
    Damage("two words exchanged", words_exchanged, (), "only the vocabulary that the model was trained with tells"),
)  # fmt: skip
