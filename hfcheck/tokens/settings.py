"""What the small files tell the class of a tokenizer.

`tokenization_utils_base.py:_from_pretrained` of transformers 5.23: tokenizer_config.json comes first.
special_tokens_map.json, added_tokens.json and the added tokens of tokenizer.json count only where it has no
`added_tokens_decoder`, and then they win over it.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

from hfcheck.finding import At, pointer, quote
from hfcheck.formats.json_ import type_of
from hfcheck.tokens.folder import Folder
from hfcheck.tokens.sources import FULL
from hfcheck.tokens.stop import Stop
from hfcheck.tokens.table import NAMED, AddedToken

CONFIG = "tokenizer_config.json"
ROLES = "special_tokens_map.json"
ADDED = "added_tokens.json"

EXTRA, EXTRA_BEFORE = "extra_special_tokens", "additional_special_tokens"

FLAGS = ("special", "normalized", "single_word", "lstrip", "rstrip")

MAX_DIGITS = 20
"""Digits of an id that is written as a key."""


@dataclass(frozen=True, slots=True)
class Settings:
    """`roles` are the named special tokens, None for one that is null; those that no file gives are left out.

    `extra` are the special tokens without a name, None where no file gives any. `added` are the added tokens of the
    slow kind, in the order of their ids. `values` is tokenizer_config.json.
    """

    values: Mapping[str, Any]
    roles: Mapping[str, AddedToken | None]
    extra: tuple[AddedToken, ...] | None
    added: tuple[AddedToken, ...]
    is_extra_before: bool = False
    """Whether `extra` is under its old name in special_tokens_map.json, where others win over it."""


def settings(folder: Folder) -> Settings:
    """What the files tell the class; raises Stop."""
    values = folder.table(CONFIG)
    given = {key: (value, At(folder.at(CONFIG), pointer(key))) for key, value in values.items()}
    if EXTRA_BEFORE in given and not values.get(EXTRA):
        given[EXTRA] = given.pop(EXTRA_BEFORE)
    if "added_tokens_decoder" in values:
        added = dict(_decoder(values["added_tokens_decoder"], folder.at(CONFIG)))
        given.pop("added_tokens_decoder")
    else:
        mapped = _map(folder, given)
        added = _legacy(folder, mapped)
        given = mapped
    before = EXTRA_BEFORE in given and (EXTRA not in given or isinstance(given[EXTRA][0], dict))
    roles, extra = _roles(given)
    if before:
        _, extra = _roles({EXTRA: given[EXTRA_BEFORE]})
    by_content = {token.content: token for token in added.values()}
    for name in NAMED:  # the flags of the added token count, the place of the role stays
        role = roles.get(name)
        if role is not None and (same := by_content.get(role.content)) is not None:
            roles[name] = replace(same, at=role.at, id=None)
    return Settings(values, roles, extra, tuple(token for _, token in sorted(added.items())), before)


Given = dict[str, tuple[Any, At]]


def token_of(value: object, at: At, index: int | None = None) -> AddedToken:
    """The AddedToken of an object; raises Stop where the library refuses it."""
    if type(value) is not dict:
        raise Stop(f"{at.path} has {type_of(value)} where a token belongs ({quote(at.pointer or '')})", at)
    content = value.get("content", "")
    flags = {name: value.get(name, name == "normalized") for name in FLAGS}
    if type(content) is not str or any(type(flag) is not bool for flag in flags.values()):
        where = quote(at.pointer or "")
        raise Stop(f"{at.path} has a token whose content or flags are of the wrong type ({where})", at)
    return AddedToken(content, index, at, **flags)


def _decoder(value: object, path: str) -> Iterator[tuple[int, AddedToken]]:
    if type(value) is not dict:
        raise Stop(
            f"{path}: added_tokens_decoder is {type_of(value)}, and no object", At(path, "/added_tokens_decoder")
        )
    for key, token in value.items():
        at = At(path, pointer("added_tokens_decoder", key))
        text = key.strip().replace("_", "").removeprefix("+").removeprefix("-")
        if not text.isdecimal() or len(text) > MAX_DIGITS:
            raise Stop(f"{path}: {quote(key)} in added_tokens_decoder is no id")
        yield (index := int(text) * (-1 if key.strip()[:1] == "-" else 1)), token_of(token, at, index)


def _map(folder: Folder, given: Given) -> Given:
    """The settings, with those of special_tokens_map.json over them."""
    found = dict(given)
    path = folder.at(ROLES)
    for key, value in folder.table(ROLES).items():
        at = At(path, pointer(key))
        if isinstance(value, dict) and key != EXTRA:
            found[key] = ({"__type": "AddedToken", **value, "special": True}, at)
        elif key == EXTRA and isinstance(value, list):
            before = found.get(EXTRA, ([], at))[0] or []
            merged = [*before] if isinstance(before, list) else []
            for row in value:
                token = {"__type": "AddedToken", **row, "special": True} if isinstance(row, dict) else row
                if token not in merged:
                    merged.append(token)
            found[key] = (merged, at)
        else:
            found[key] = (value, at)
    return found


def _legacy(folder: Folder, given: Given) -> dict[int, AddedToken]:
    """The added tokens of added_tokens.json, and of tokenizer.json over them."""
    # An object of tokenizer_config.json is no AddedToken yet, and its text is compared as that of an object.
    from_map = folder.at(ROLES)
    special = set()
    for value, at in (given[name] for name in (*NAMED, EXTRA) if name in given):
        for token in value if isinstance(value, list) else [value]:
            special.add(content_of(token) if isinstance(token, str) or at.path == from_map else None)
    added: dict[int, AddedToken] = {}
    for content, index in folder.table(ADDED).items():
        if type(index) is not int:
            raise Stop(f"{folder.at(ADDED)}: the id of {quote(content)} is {type_of(index)}")
        role = content in special
        at = At(folder.at(ADDED), pointer(content))
        added[index] = AddedToken(content, index, at, special=role, normalized=not role)
    added.update((token.id, token) for token in of_tokenizer(folder) if token.id is not None)
    return added


def of_tokenizer(folder: Folder) -> list[AddedToken]:
    """The added tokens of tokenizer.json, in its order; raises Stop where it has something else there."""
    rows = folder.table(FULL).get("added_tokens")
    found = []
    for index, row in enumerate(rows if type(rows) is list else ()):
        at = At(folder.at(FULL), pointer("added_tokens", index))
        number = row.get("id") if type(row) is dict else None
        if type(number) is not int or not 0 <= number < 2**32:
            raise Stop(
                f"{folder.at(FULL)}: the id of an added token is no number from 0 on ({quote(at.pointer or '')})"
            )
        found.append(token_of(row, at, number))
    return found


def content_of(value: object) -> str | None:
    """The text of a token that is a string or an object."""
    if isinstance(value, dict):
        content = value.get("content")
        return content if isinstance(content, str) else None
    return value if isinstance(value, str) else None


def _roles(given: Given) -> tuple[dict[str, AddedToken | None], tuple[AddedToken, ...] | None]:
    """The named special tokens, and those without a name."""
    roles: dict[str, AddedToken | None] = {}
    for name, (value, at) in given.items():
        if name in NAMED:
            roles[name] = None if value is None else _role(name, value, at)
    others = {name: (value, at) for name, (value, at) in given.items() if name.endswith("_token") and name not in NAMED}
    # Strings of tokenizer_config.json are set aside first, and come behind what is an AddedToken or added later.
    for late in (False, True):
        for name, (value, at) in others.items():
            if (isinstance(value, dict) and value.get("__type") == "AddedToken" and not late) or (
                isinstance(value, str) and late == at.path.endswith(CONFIG)
            ):
                roles[name] = _role(name, value, at)
    if EXTRA not in given or given[EXTRA][0] is None:
        return roles, None
    extra, at = given[EXTRA]
    if isinstance(extra, dict):
        for name, value in extra.items():
            roles[name] = _role(name, value, At(at.path, f"{at.pointer}{pointer(name)}"))
        return roles, None
    if not isinstance(extra, list):
        raise Stop(f"{at.path}: {EXTRA} is {type_of(extra)}, neither a list nor an object", at)
    found = [_role(EXTRA, value, At(at.path, f"{at.pointer}/{index}")) for index, value in enumerate(extra)]
    return roles, tuple(found)


def _role(name: str, value: object, at: At) -> AddedToken:
    if isinstance(value, str):
        return AddedToken(value, None, at, special=True)
    if isinstance(value, dict) and value.get("__type") == "AddedToken":
        return token_of(value, at)
    raise Stop(f"{at.path}: {quote(name)} is {type_of(value)}, neither a string nor an AddedToken", at)
