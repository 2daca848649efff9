"""The question of `--deep`, put to `hfcheck.loading.deep`: with its errors as answers, and its words made safe.

Only the command line imports it, and only where it is asked to: a plain check starts no process.
"""

import json
from collections.abc import Mapping
from typing import Any

from hfcheck.finding import MESSAGE, printable, quote, shorten
from hfcheck.loading.answer import Answer, Denied, Described, Unanswered
from hfcheck.loading.choose import Choice
from hfcheck.loading.deep import DeepFailed, DeepUnavailable, deep_spec


def ask(config: Mapping[str, Any], choice: Choice, *, cache: str | None) -> Answer:
    """What the installed transformers expects of a checkpoint with this config; `cache` is as in `deep_spec`.

    The config is written anew from what was read: no file of the repository is opened a second time.
    """
    try:
        found = deep_spec(json.dumps(config).encode(), choice.class_name, _type(config, choice), cache=cache)
    except DeepFailed as error:
        return Denied(error.engine, f"at its {error.stage} it raises {printable(error.error)}: {quote(error.message)}")
    except DeepUnavailable as error:
        return Unanswered(printable(shorten(str(error), MESSAGE)))
    return Described(found.engine, found.spec)


def _type(config: Mapping[str, Any], choice: Choice) -> str:
    """The `model_type` in the file, which transformers goes by when it renames tensors, whatever the class says."""
    part = config.get(choice.config) if choice.config else config
    found = part.get("model_type") if isinstance(part, Mapping) else None
    return found if isinstance(found, str) else choice.model_type
