"""What each of the small files says of added and special tokens, whether a loader goes by it or not."""

from collections.abc import Iterator

from hfcheck.finding import At, pointer
from hfcheck.tokens.folder import Folder
from hfcheck.tokens.settings import ADDED, CONFIG, EXTRA, EXTRA_BEFORE, MAX_DIGITS, ROLES, content_of, token_of
from hfcheck.tokens.sources import FULL
from hfcheck.tokens.stop import Stop
from hfcheck.tokens.table import AddedToken, Special


def every_role(folder: Folder) -> Iterator[Special]:
    """The special tokens that the files name, whether they count or not; `id` is None throughout."""
    for file in (CONFIG, ROLES):
        for name, value in folder.table(file).items():
            at = At(folder.at(file), pointer(name))
            rows = (
                list(enumerate(value))
                if isinstance(value, list)
                else list(value.items())
                if _is_roles(name, value)
                else []
            )
            if name in (EXTRA, EXTRA_BEFORE):
                for key, row in rows:
                    content = content_of(row)
                    role = key if isinstance(key, str) else "extra"
                    if content is not None:
                        yield Special(role, content, None, At(at.path, f"{at.pointer}{pointer(key)}"))
            elif name.endswith("_token") and (content := content_of(value)) is not None:
                yield Special(name, content, None, at)


def _is_roles(name: str, value: object) -> bool:
    return name in (EXTRA, EXTRA_BEFORE) and isinstance(value, dict)


def every_added(folder: Folder) -> Iterator[AddedToken]:
    """The added tokens that the files declare, as far as they are well-formed, whether they count or not."""
    rows = folder.table(FULL).get("added_tokens")
    for index, row in enumerate(rows if type(rows) is list else ()):
        if type(row) is dict:
            yield from _well_formed(row, At(folder.at(FULL), pointer("added_tokens", index)), row.get("id"))
    decoder = folder.table(CONFIG).get("added_tokens_decoder")
    for key, row in decoder.items() if type(decoder) is dict else ():
        number = int(key) if key.isdecimal() and len(key) <= MAX_DIGITS else None
        yield from _well_formed(row, At(folder.at(CONFIG), pointer("added_tokens_decoder", key)), number)
    for content, index in folder.table(ADDED).items():
        if type(index) is int:
            yield AddedToken(content, index, At(folder.at(ADDED), pointer(content)))


def _well_formed(row: object, at: At, index: object) -> Iterator[AddedToken]:
    try:
        yield token_of(row, at, index if type(index) is int else None)
    except Stop:
        return
