"""The token table of a folder: the steps of `AutoTokenizer.from_pretrained` of transformers 5.23, without its objects.

`tokenization_utils_tokenizers.py`: `convert_to_native_format` finds the vocabulary, `__init__` adds the other tokens.
"""

from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import Any

from hfcheck.finding import At, quote
from hfcheck.formats.json_ import JsonFacts
from hfcheck.formats.tokenizer_json import TokenizerFacts
from hfcheck.tokens import sources
from hfcheck.tokens.adding import Adding
from hfcheck.tokens.choose import Choice, Question, choose
from hfcheck.tokens.classes import TokenizerClass, classes
from hfcheck.tokens.declared import every_added, every_role
from hfcheck.tokens.folder import Folder
from hfcheck.tokens.native import Native, native
from hfcheck.tokens.post_processor import inserted
from hfcheck.tokens.settings import ADDED, CONFIG, ROLES, Settings, settings
from hfcheck.tokens.sources import FULL, vocabularies
from hfcheck.tokens.stop import Stop, Unknown, Without
from hfcheck.tokens.table import NAMED, AddedToken, Renumbered, Special, TokenTable
from hfcheck.tokens.templates import templates

MARKERS = frozenset({FULL, CONFIG, ROLES, ADDED, *sources.NAMES, "merges.txt"})
"""A folder with one of these has a tokenizer, or is meant to."""

ARGUMENTS = ("gguf_file", "init_inputs", "merges", "tokenizer_object", "vocab")
"""Keys of tokenizer_config.json that would be arguments of the class, and that no tokenizer writes."""

_NOWHERE = At("")
_STEPS = 10_000
"""Pre-tokenizers, decoders and what is in them that are looked at."""


def build(folder: Folder, config: Mapping[str, Any]) -> TokenTable | None:
    """The table of a folder; None where nothing in it belongs to a tokenizer."""
    if MARKERS.isdisjoint(folder.names):
        return None
    known = classes()
    choice = choose(_question(folder, config), known)
    table = _declared(folder, choice)
    if choice.raises is not None:
        return table
    try:
        _check_json(folder)
        given = settings(folder)
        _check_known(choice.found, given)
        made = native(folder, choice.found, given)
    except Stop as stop:
        return replace(table, raises=str(stop), raises_at=stop.at)
    except (Unknown, Without) as unknown:
        without = isinstance(unknown, Without)
        return replace(table, certain=False, why=table.why or str(unknown), without_vocabulary=without)
    return _filled(table, choice.found, given, made)


def _check_json(folder: Folder) -> None:
    """Whether the JSON files say the same to every reader; raises Unknown or Stop."""
    for name in ("config.json", CONFIG, ROLES, ADDED, FULL):
        if name not in folder.names:
            continue
        facts = folder.of(name, JsonFacts)
        if facts is None:
            raise Unknown(f"{folder.at(name)} cannot be read")
        if type(facts.value) is not dict:
            raise Stop(f"{folder.at(name)} is no object")
        if facts.bom or facts.surrogates or (name == FULL and (facts.nonfinite or facts.minus_zero)):
            raise Unknown(f"{folder.at(name)} is JSON that readers do not agree about")
        if any(not one.pointer.startswith("/model/vocab/") for one in facts.shadowed):
            raise Unknown(f"{folder.at(name)} has a key twice")


def _check_known(found: TokenizerClass, given: Settings) -> None:
    """Whether the class does with these settings what the rest of this module does; raises Unknown or Stop."""
    odd = [key for key in ARGUMENTS if key in given.values]
    if odd:
        raise Unknown(f"tokenizer_config.json has {quote(odd[0])}, an argument of the class that no tokenizer writes")
    if found.backend != "tokenizers":
        raise Unknown(f"{found.name} makes its vocabulary in Python")
    if not found.known:
        raise Unknown(f"{found.name} changes the vocabulary that it is given")
    if (found.merges_extra and given.extra is not None) or (given.is_extra_before and found.extra):
        raise Unknown(f"{found.name} has special tokens of its own beside those that are given")
    absent = [name for name, token in given.roles.items() if token is None and name in found.needs]
    if absent:
        raise Stop(f"{found.name} is not made without its {absent[0]}, which is null")
    if found.name == "PegasusTokenizer" and "unk_token" in given.roles:
        raise Unknown(f"{found.name} asks its vocabulary for its unk_token")


def _question(folder: Folder, config: Mapping[str, Any]) -> Question:
    document = folder.table(FULL)
    stack: list[Any] = [value for key, value in document.items() if key != "model"]
    byte_level = "ByteLevel" in _vocab(document)
    for _ in range(_STEPS):
        if byte_level or not stack:
            break
        value = stack.pop()
        if type(value) is dict:
            byte_level = value.get("type") == "ByteLevel"
            stack += [child for child in value.values() if type(child) in (dict, list)]
        elif type(value) is list:
            stack += value[:100]
    return Question(config, folder.table(CONFIG), byte_level, "tekken.json" in folder.names)


def _vocab(document: Mapping[str, Any]) -> Mapping[str, Any]:
    model = document.get("model")
    found = model.get("vocab") if type(model) is dict else None
    return found if type(found) is dict else {}


def _declared(folder: Folder, choice: Choice) -> TokenTable:
    """What the files say, whatever becomes of it."""
    facts = folder.of(FULL, TokenizerFacts)
    return TokenTable(
        choice.found.name,
        choice.chosen,
        certain=not choice.why,
        why=choice.why,
        raises=choice.raises,
        merges=facts.merges if facts is not None else None,
        merges_at=At(folder.at(FULL), "/model/merges") if facts is not None and facts.merges is not None else None,
        vocabularies=tuple(vocabularies(folder)),
        declared=tuple(every_added(folder)),
        roles=tuple(every_role(folder)),
        templates=tuple(templates(folder)),
        post_processor=tuple(inserted(folder.table(FULL), folder.at(FULL))),
    )


def _filled(table: TokenTable, found: TokenizerClass, given: Settings, made: Native) -> TokenTable:
    """The table with the tokens that the class has in the end."""
    adding = Adding(made.base, made.size)
    adding.add(made.first)
    roles = _roles(found, given, made)
    extra = given.extra
    if made.extra is not None and (extra is None or given.is_extra_before):
        extra = made.extra
    if extra is None:
        extra = tuple(AddedToken(text, None, _NOWHERE, special=True) for text in found.extra)
    contents = adding.ids.keys() | {token.content for token in given.added}
    later = [*given.added, *(token for token in (*roles.values(), *extra) if token.content not in contents)]
    named = {token.content for token in roles.values()}
    adding.add(replace(token, special=token.special or token.content in named) for token in later)
    if found.marks_extra:
        adding.add(replace(token, special=True) for token in (*roles.values(), *extra))
    specials = {name: _special(name, token, adding) for name, token in roles.items()}
    extras = tuple(_special("extra", token, adding) for token in extra)
    stated = [*made.first, *given.added]
    filled = replace(
        table,
        vocabulary=made.source,
        base=made.base,
        added=_with_places(adding, stated),
        specials=specials,
        extra=extras,
        renumbered=tuple(_renumbered(stated, adding)),
    )
    lost = tuple(token for token in table.declared if filled.id_of(token.content) is None and token.content)
    ordered = sorted(table.vocabularies, key=lambda one: one != made.source)
    roles_with_ids = tuple(replace(role, id=filled.id_of(role.content)) for role in table.roles)
    return replace(filled, lost=lost, vocabularies=tuple(ordered), roles=roles_with_ids)


def _special(name: str, token: AddedToken, adding: Adding) -> Special:
    index = adding.ids.get(token.content, adding.base.get(token.content))
    return Special(name, token.content, index, token.at if token.at is not _NOWHERE else None)


def _with_places(adding: Adding, stated: Iterable[AddedToken]) -> dict[int, AddedToken]:
    """The added tokens with the ids they get, each with the place where a file declares it as one."""
    places = {token.content: token.at for token in reversed(list(stated))}
    return {
        index: replace(token, id=index, at=places.get(token.content, token.at))
        for index, token in sorted(adding.by_id.items())
    }


def _renumbered(stated: Iterable[AddedToken], adding: Adding) -> Iterable[Renumbered]:
    seen = set()
    for token in stated:
        loaded = adding.ids.get(token.content)
        if token.id is not None and loaded is not None and loaded != token.id and (token.content, token.id) not in seen:
            seen.add((token.content, token.id))
            yield Renumbered(token.content, token.id, loaded, token.at)


def _roles(found: TokenizerClass, given: Settings, made: Native) -> dict[str, AddedToken]:
    """The special tokens with a name, in the order in which they are added."""
    roles: dict[str, AddedToken | None] = dict.fromkeys(NAMED)
    roles |= {name: AddedToken(text, None, _NOWHERE, special=True) for name, text in found.special.items()}
    roles |= made.roles
    roles |= given.roles
    if made.pad is not None and "pad_token" not in given.roles and "pad_token" not in found.parameters:
        roles["pad_token"] = made.pad
    return {name: token for name, token in roles.items() if token is not None}
