"""Damage to the tokens of tokenizer.json: ids, flags, merges, post-processor."""

from random import Random
from typing import Any

from benchmarks.tokenizer.damage import Damage, Files, entry

UNKNOWN, PADDING = "<unknown>", "<new_pad>"


def padding_without_row(files: Files, _dice: Random) -> str | None:
    if files.full is None or files.size != files.clean.rows:
        return None
    files.add([entry(PADDING, files.size)])
    files.settings["pad_token"] = PADDING
    return "pad_token"


def added_without_row(files: Files, dice: Random) -> str | None:
    count = files.clean.rows - files.size + dice.randint(1, 3)
    tokens = [entry(f"<new_{number}>", files.size + number, special=False) for number in range(count)]
    return f"{count} tokens" if files.add(tokens) else None


def vocabulary_beyond_rows(files: Files, dice: Random) -> str | None:
    """A vocabulary that was trained on, and not the model."""
    if files.full is None or files.size > len(_base(files)):
        return None
    vocabulary = files.full["model"]["vocab"]
    new = ["quick", "café", "zebras", *(f"word{number}" for number in range(files.clean.rows - files.size))]
    new = [word for word in new if word not in files.tokens]
    for index, word in enumerate(new, files.size):
        if isinstance(vocabulary, dict):
            vocabulary[word] = index
        else:
            vocabulary.append([word, -float(dice.randint(1, 9))])
    return f"{len(new)} words"


def _base(files: Files) -> dict[str, int]:
    vocabulary = files.full["model"]["vocab"] if files.full else {}
    return vocabulary if isinstance(vocabulary, dict) else {one[0]: at for at, one in enumerate(vocabulary)}


def added_tokens_lost(files: Files, _dice: Random) -> str | None:
    """The added tokens that are not in the vocabulary are gone, from every file."""
    if files.full is None:
        return None
    base = _base(files)
    gone = [token for token in files.full["added_tokens"] if token["content"] not in base]
    if not gone:
        return None
    files.full["added_tokens"] = [token for token in files.full["added_tokens"] if token["content"] in base]
    for token in gone:
        files.settings.get("added_tokens_decoder", {}).pop(str(token["id"]), None)
    files.remove("added_tokens.json")
    return f"{len(gone)} tokens"


def last_tokens_lost(files: Files, dice: Random) -> str | None:
    """The last tokens of the vocabulary are not there: the model has rows for them."""
    if files.full is None or files.clean.kind.added:
        return None
    vocabulary = files.full["model"]["vocab"]
    count = dice.randint(20, 40)
    if isinstance(vocabulary, list):
        del vocabulary[-count:]
    else:
        gone = set(sorted(vocabulary, key=lambda token: int(vocabulary[token]))[-count:])
        files.full["model"]["vocab"] = {token: at for token, at in vocabulary.items() if token not in gone}
        if "merges" in files.full["model"]:
            merges = files.full["model"]["merges"]
            files.full["model"]["merges"] = [
                pair for pair in merges if gone.isdisjoint((*pair, "".join(pair).replace("##", "")))
            ]
    files.remove("vocab.json", "merges.txt", "vocab.txt")
    return f"{count} tokens"


def two_tokens_one_id(files: Files, dice: Random) -> str | None:
    vocabulary = files.full["model"]["vocab"] if files.full else []
    if not isinstance(vocabulary, dict):
        return None
    first, second = dice.sample([token for token in vocabulary if token not in files.clean.kind.specials], 2)
    vocabulary[first] = vocabulary[second]
    return f"{first}, {second}"


def added_on_taken_id(files: Files, dice: Random) -> str | None:
    """An added token with the id of a word."""
    if files.full is None:
        return None
    taken = dice.choice([at for token, at in _base(files).items() if token not in files.clean.kind.specials])
    files.add([entry("<new>", taken)])
    return str(taken)


def added_behind_gap(files: Files, dice: Random) -> str | None:
    gap = dice.randint(1, 5)
    if files.full is None or files.size + gap >= files.clean.rows:
        return None
    files.add([entry("<new>", files.size + gap)])
    return f"gap of {gap}"


def gap_in_decoder(files: Files, _dice: Random) -> str | None:
    """Only tokenizer_config.json has a token, and a gap before it."""
    if files.full is None or files.size + 3 >= files.clean.rows:
        return None
    token = {key: value for key, value in entry("<new>", 0).items() if key != "id"}
    files.settings.setdefault("added_tokens_decoder", {})[str(files.size + 3)] = token
    return str(files.size + 3)


def id_no_number(files: Files, dice: Random) -> str | None:
    if files.full is None or not files.full["added_tokens"]:
        return None
    token = dice.choice(files.full["added_tokens"])
    token["id"] = dice.choice((str(token["id"]), float(token["id"]) + 0.5, -1, None))
    return f"{token['id']!r}"


def vocabulary_id_no_number(files: Files, dice: Random) -> str | None:
    vocabulary = files.full["model"]["vocab"] if files.full else []
    if not isinstance(vocabulary, dict):
        return None
    vocabulary[dice.choice(list(vocabulary))] = value = dice.choice(("7", -1, 7.5, None))
    return f"{value!r}"


def special_flag_lost(files: Files, _dice: Random) -> str | None:
    """The end of a turn is an added token and no special one."""
    end = files.clean.kind.turn_end
    tokens = [token for token in (files.full or {}).get("added_tokens", []) if token["content"] == end]
    if not tokens:
        return None
    tokens[0]["special"] = False
    for token in files.settings.get("added_tokens_decoder", {}).values():
        if token["content"] == end:
            token["special"] = False
    return end


def special_only_in_vocabulary(files: Files, _dice: Random) -> str | None:
    """The markers of a chat are moved from the added tokens into the vocabulary: nothing looks for them in text."""
    kind = files.clean.kind
    if files.full is None or kind.template is None or not isinstance(files.full["model"]["vocab"], dict):
        return None
    moved = [token for token in files.full["added_tokens"] if token["content"] in (*kind.added, kind.turn_end)]
    moved = [token for token in moved if token["content"] not in kind.settings.values()]
    if not moved:
        return None
    files.full["added_tokens"] = [token for token in files.full["added_tokens"] if token not in moved]
    for token in moved:
        files.full["model"]["vocab"][token["content"]] = token["id"]
        files.settings.get("added_tokens_decoder", {}).pop(str(token["id"]), None)
    files.remove("added_tokens.json", "vocab.json", "merges.txt")
    return f"{len(moved)} tokens"


def merge_of_unknown(files: Files, dice: Random) -> str | None:
    merges = (files.full or {"model": {}})["model"].get("merges")
    if not merges:
        return None
    merges.insert(dice.randrange(len(merges)), ["qq", "zz"])
    return "qq zz"


def merge_without_result(files: Files, dice: Random) -> str | None:
    """A token that a merge makes is dropped from the vocabulary."""
    model = (files.full or {"model": {}})["model"]
    if not model.get("merges"):
        return None
    token = "".join(dice.choice(model["merges"]))
    del model["vocab"][token]
    return token


def merge_no_pair(files: Files, dice: Random) -> str | None:
    merges = (files.full or {"model": {}})["model"].get("merges")
    if not merges:
        return None
    merges.insert(dice.randrange(len(merges)), ["a", "b", "c"])
    return "a b c"


def merges_cut(files: Files, _dice: Random) -> str | None:
    merges = (files.full or {"model": {}})["model"].get("merges")
    if not merges or "merges.txt" in files.raw:
        return None
    del merges[len(merges) // 2 :]
    return f"{len(merges)} left"


def _template(files: Files) -> dict[str, Any] | None:
    found = (files.full or {}).get("post_processor")
    return found if found and found["type"] == "TemplateProcessing" else None


def post_processor_off_by_one(files: Files, dice: Random) -> str | None:
    post_processor = _template(files)
    if post_processor is None or not post_processor["special_tokens"]:
        return None
    token = dice.choice(list(post_processor["special_tokens"].values()))
    token["ids"] = [index + 1 for index in token["ids"]]
    return str(token["id"])


def post_processor_beyond_rows(files: Files, dice: Random) -> str | None:
    post_processor = _template(files)
    if post_processor is None or not post_processor["special_tokens"]:
        return None
    token = dice.choice(list(post_processor["special_tokens"].values()))
    token["ids"] = [files.clean.rows]
    return str(token["id"])


def post_processor_unknown(files: Files, _dice: Random) -> str | None:
    """The template inserts a token that its own list has not."""
    post_processor = _template(files)
    if post_processor is None or not post_processor["special_tokens"]:
        return None
    post_processor["special_tokens"].popitem()
    return "special_tokens"


def unknown_not_there(files: Files, _dice: Random) -> str | None:
    """The token for unknown words is in no vocabulary."""
    model = (files.full or {"model": {}})["model"]
    if not isinstance(model.get("unk_token"), str):
        return None
    model["unk_token"] = UNKNOWN
    return UNKNOWN


def unknown_beyond(files: Files, _dice: Random) -> str | None:
    model = (files.full or {"model": {}})["model"]
    if model.get("type") != "Unigram":
        return None
    model["unk_id"] = len(model["vocab"]) + 3
    return str(model["unk_id"])


def decoder_lost(files: Files, _dice: Random) -> str | None:
    if files.full is None or files.full.get("decoder") is None:
        return None
    files.full["decoder"] = None
    return "null"


def pre_tokenizer_lost(files: Files, _dice: Random) -> str | None:
    if files.full is None or files.full.get("pre_tokenizer") is None:
        return None
    files.full["pre_tokenizer"] = None
    return "null"


DAMAGES = (
    Damage("padding token without a row", padding_without_row, ("TOK001",)),
    Damage("added tokens without a row", added_without_row, ("TOK001",)),
    Damage("vocabulary longer than the embedding", vocabulary_beyond_rows, ("TOK001",)),
    Damage("added tokens lost", added_tokens_lost, ("TOK005", "TOK020", "TOK012", "GEN001")),
    Damage("end of the vocabulary lost", last_tokens_lost, ("TOK005", "TOK004", "TOK001")),
    Damage("two tokens with one id", two_tokens_one_id, ("TOK002", "TOK011")),
    Damage("added token on the id of a word", added_on_taken_id, ("TOK002", "TOK004", "TOK003")),
    Damage("added token behind a gap", added_behind_gap, ("TOK003", "TOK004")),
    Damage("gap in added_tokens_decoder", gap_in_decoder, ("TOK003",)),
    Damage("id of an added token is no number", id_no_number, ("TOK007",)),
    Damage("id in the vocabulary is no number", vocabulary_id_no_number, ("TOK007",)),
    Damage("end of a turn is not special", special_flag_lost, ("TOK021",)),
    Damage("chat markers only in the vocabulary", special_only_in_vocabulary, ("TOK020",)),
    Damage("merge of an unknown token", merge_of_unknown, ("TOK024",)),
    Damage("merge into an unknown token", merge_without_result, ("TOK024",)),
    Damage("merge of three", merge_no_pair, ("TOK024",)),
    Damage("merges cut in half", merges_cut, ("TOK024",), "a vocabulary may have words that no merge makes"),
    Damage("post-processor id off by one", post_processor_off_by_one, ("TOK025",)),
    Damage("post-processor id without a row", post_processor_beyond_rows, ("TOK025", "TOK001")),
    Damage("post-processor token not listed", post_processor_unknown, ("TOK025",)),
    Damage("unknown token not in the vocabulary", unknown_not_there, ("TOK018",)),
    Damage("unk_id beyond the vocabulary", unknown_beyond, ("TOK018",)),
    Damage("decoder lost", decoder_lost, ("TOK027",)),
    Damage("pre-tokenizer lost", pre_tokenizer_lost, ("TOK027",), "a tokenizer may take whole texts as words"),
)
