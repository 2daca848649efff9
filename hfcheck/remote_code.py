"""Where the JSON files of a repository select Python code, and what they select.

transformers 5.23 `dynamic_module_utils.py:get_class_from_dynamic_module` and its callers in `models/auto/` and
`pipelines/`: https://huggingface.co/docs/transformers/custom_models . Pure functions over JSON values; nothing is run.
"""

import re
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from typing import Any

from hfcheck.finding import pointer
from hfcheck.formats.json_ import JsonFacts, Path, type_of
from hfcheck.paths import escape

AUTO_MAP = "auto_map"
CUSTOM_PIPELINES = "custom_pipelines"

_TOKENIZER = "AutoTokenizer"
_WITH_BACKENDS = frozenset({"AutoImageProcessor", "AutoVideoProcessor"})
"""Classes for which the loader takes a list or an object, and picks one of its entries."""

_OPTIONAL = frozenset({_TOKENIZER, "AutoProcessor", "AutoFeatureExtractor", *_WITH_BACKENDS})
"""Classes for which null is as good as nothing."""

_FOLLOWED = {
    "tokenizer_config.json": frozenset({_TOKENIZER, "AutoProcessor"}),
    "preprocessor_config.json": _OPTIONAL - {_TOKENIZER},
    "video_preprocessor_config.json": _OPTIONAL - {_TOKENIZER},
    "processor_config.json": frozenset({"AutoProcessor"}),
}
"""Which entries of its `auto_map` each file is read for; `config.json` for all but the tokenizer."""

_CONTAINERS = (dict, list)
"""Only these are walked into: the vocabulary of a tokenizer has half a million strings and numbers."""

_REPOSITORY = re.compile(r"(?:\w[\w.-]*/)?\w[\w.-]*")
"""A repository of the Hub. Anything else (`../x`, `/x`) is a folder of this machine, and its code runs just as well."""


class ReferenceInvalid(ValueError):
    """A loader cannot follow the reference, or would follow it out of the repository; a phrase after "it"."""


@dataclass(frozen=True, slots=True)
class Reference:
    """`org/repo--module.Class`: the class `name` in `module`.py of `repository`, None for the one it is written in."""

    repository: str | None
    module: str
    name: str


@dataclass(frozen=True, slots=True)
class Site:
    """One place that selects code. `home` is the pointer of its `auto_map`; `key` is what the code is for.

    `value` is as written. `reference` is what it means; where it means nothing, `fault` says why, after "it".
    """

    pointer: str
    home: str
    key: str
    value: Any
    reference: Reference | None = None
    fault: str | None = None


def parse(text: str) -> Reference:
    """The code that a string selects, split as the loader splits it; raises ReferenceInvalid."""
    *repositories, rest = text.split("--")
    if len(repositories) > 1:
        raise ReferenceInvalid("has more than one `--`")
    module, dot, name = rest.partition(".")
    if not dot or not name or not module:
        raise ReferenceInvalid("does not name a module and a class, with a dot between them")
    if "." in name:
        raise ReferenceInvalid("has more than one dot")
    if reason := escape(module):
        raise ReferenceInvalid(reason)
    repository = repositories[0] if repositories else None
    if repository is not None and not _REPOSITORY.fullmatch(repository):
        raise ReferenceInvalid("names no repository of the Hub before the `--`")
    return Reference(repository, module, name)


def sites(document: JsonFacts) -> tuple[Site, ...]:
    """Every place of a document that selects code, at any depth, in the order of the document."""
    if document.watched.isdisjoint({AUTO_MAP, CUSTOM_PIPELINES}):
        return ()
    return tuple(
        site
        for path, key, value in fields(document, {AUTO_MAP, CUSTOM_PIPELINES})
        for site in (_auto_map(path, value) if key == AUTO_MAP else _pipelines(path, value))
    )


def is_followed(name: str, site: Site) -> bool:
    """Whether transformers itself, told to trust the code, follows this place in a file of this name.

    Below the top level, and in other files, other engines may: vLLM does so in the `vision_config`.
    """
    if site.home == pointer(CUSTOM_PIPELINES):
        return name == "config.json"
    if site.home != pointer(AUTO_MAP):
        return False
    return site.key != _TOKENIZER if name == "config.json" else site.key in _FOLLOWED.get(name, ())


def misshapen(name: str, value: object) -> Iterator[tuple[str, str]]:
    """Where the `auto_map` of a loader's file has a shape that stops this loader: pointer, and a phrase after "it".

    `value` is the document. All of it was tried with transformers 5.23, most of it raises without any trust.
    """
    home = pointer(AUTO_MAP)
    if (name != "config.json" and name not in _FOLLOWED) or type(value) is not dict or AUTO_MAP not in value:
        return
    match value[AUTO_MAP]:
        case dict() as entries:
            for key, entry in entries.items():
                site = Site(pointer(AUTO_MAP, key), home, key, entry)
                if is_followed(name, site) and (fault := _shape_fault(key, entry)):
                    yield site.pointer, fault
        case list() as entries if name == "tokenizer_config.json":
            if fault := _shape_fault(_TOKENIZER, entries):
                yield home, fault
        case list():
            pass  # the loaders of the other files look for a name in it, find none, and go on
        case other:
            yield home, f"is {type_of(other)} where an object is expected"


def fields(document: JsonFacts, keys: Collection[str]) -> Iterator[tuple[Path, str, Any]]:
    """Every value that has one of these keys, at any depth, with the path to it, in the order of the document.

    The keys must be among those that the reader watches for.
    """
    if document.watched.isdisjoint(keys):
        return
    stack: list[tuple[Path, Any]] = [((), document.value)]
    while stack:
        path, node = stack.pop()
        children: list[tuple[Path, Any]] = []
        if type(node) is dict:
            yield from (((*path, key), key, child) for key, child in node.items() if key in keys)
            children = [((*path, key), child) for key, child in node.items() if type(child) in _CONTAINERS]
        elif type(node) is list:
            children = [((*path, index), child) for index, child in enumerate(node) if type(child) in _CONTAINERS]
        stack += reversed(children)


def _auto_map(path: Path, value: object) -> Iterator[Site]:
    match value:
        case dict():
            for key, entry in value.items():
                yield from _entries((*path, key), path, key, entry)
        case list():  # what transformers 4.10 wrote for tokenizers: the slow class, then the fast one
            yield from _entries(path, path, _TOKENIZER, value)


def _pipelines(path: Path, value: object) -> Iterator[Site]:
    for task, info in value.items() if type(value) is dict else ():
        if type(info) is dict and "impl" in info:
            yield from _entries((*path, task, "impl"), path, task, info["impl"])


def _entries(path: Path, home: Path, key: str, value: object) -> Iterator[Site]:
    """The strings of one entry: itself, or those of its list (slow and fast) or object (by backend)."""
    match value:
        case list():
            parts: list[tuple[Path, Any]] = [((*path, index), item) for index, item in enumerate(value)]
        case dict():
            parts = [((*path, backend), item) for backend, item in value.items()]
        case _:
            parts = [(path, value)]
    for place, item in parts:
        if isinstance(item, str):
            yield _site(pointer(*place), pointer(*home), key, item)
        elif item is not None:
            fault = f"is {type_of(item)} where a string is expected"
            yield Site(pointer(*place), pointer(*home), key, item, fault=fault)


def _site(place: str, home: str, key: str, text: str) -> Site:
    try:
        return Site(place, home, key, text, reference=parse(text))
    except ReferenceInvalid as error:
        return Site(place, home, key, text, fault=str(error))


def _shape_fault(key: str, entry: object) -> str | None:
    """Why the loader of this class cannot take an entry, apart from what its strings say."""
    if key == _TOKENIZER:
        return _tokenizer_fault(entry)
    if key in _WITH_BACKENDS:
        # A string, null, or a type that its site reports, but for the two that may hold strings.
        values = entry.values() if isinstance(entry, dict) else entry if isinstance(entry, list) else ("",)
        return None if any(isinstance(value, str) for value in values) else "names no class"
    if entry is None:
        return None if key in _OPTIONAL else "is null where a string is expected"
    return f"is {type_of(entry)} where a string is expected" if isinstance(entry, (dict, list)) else None


def _tokenizer_fault(entry: object) -> str | None:
    """The loader takes entry 1, the fast class, or entry 0 where that is null."""
    if entry is None:
        return None
    if not isinstance(entry, list):
        return f"is {type_of(entry)} where a list of two is expected"
    if len(entry) < 2:  # noqa: PLR2004 - the slow class and the fast one
        return "is shorter than the list of two that is expected"
    return "names no class" if entry[0] is None and entry[1] is None else None
