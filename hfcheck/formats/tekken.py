"""The vocabulary in a `tekken.json` of mistral-common: ranks of byte sequences behind a block of special tokens.

https://github.com/mistralai/mistral-common/blob/main/src/mistral_common/tokens/tokenizers/tekken.py . The id of a token
is its rank plus the number of special tokens; of the ranks only as many count as the configuration says.
"""

from binascii import Error as Base64Error
from binascii import a2b_base64
from dataclasses import dataclass
from typing import IO, Any

from hfcheck.formats import json_
from hfcheck.formats.json_ import JsonFacts

DEFAULT_SPECIAL = 1000
"""Places for special tokens in files that do not list them."""


@dataclass(frozen=True, slots=True)
class TekkenFacts(JsonFacts):
    """The document without its ranks, which are `tokens`: the bytes by rank, None where base64 was none.

    `specials` are the special tokens by rank, `places` how many ids there are for them, `vocab_size` how many in all.
    """

    tokens: tuple[bytes | None, ...] = ()
    specials: tuple[tuple[int, str], ...] = ()
    places: int = DEFAULT_SPECIAL
    vocab_size: int = 0


def read(stream: IO[bytes]) -> JsonFacts:
    """The vocabulary in a file, or the document where it is another one of the name; raises JsonInvalid."""
    document = json_.read(stream)
    found = document.value if type(document.value) is dict else {}
    config, rows = found.get("config"), found.get("vocab")
    if type(config) is not dict or type(rows) is not list:
        return document
    places, size = config.get("default_num_special_tokens"), config.get("default_vocab_size")
    found["vocab"] = []
    return TekkenFacts(
        **json_.parts(document),
        tokens=_tokens(rows),
        specials=_specials(found.get("special_tokens")),
        places=places if type(places) is int and 0 <= places < 2**31 else DEFAULT_SPECIAL,
        vocab_size=size if type(size) is int and 0 <= size < 2**31 else 0,
    )


def _tokens(rows: list[Any]) -> tuple[bytes | None, ...]:
    tokens: list[bytes | None] = [None] * len(rows)
    for row in rows:
        match row:
            case {"rank": int(rank), "token_bytes": str(text)} if 0 <= rank < len(rows):
                try:
                    tokens[rank] = a2b_base64(text)
                except (Base64Error, ValueError):
                    continue
    return tuple(tokens)


def _specials(rows: object) -> tuple[tuple[int, str], ...]:
    found = []
    for row in rows if type(rows) is list else ():
        match row:
            case {"rank": int(rank), "token_str": str(text)} if 0 <= rank < 2**31:
                found.append((rank, text))
    return tuple(found)
