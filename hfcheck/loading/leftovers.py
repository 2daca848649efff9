"""Legal leftovers of a load, of which nothing is to be said, and the layers that a config allows beyond its count."""

import re
from collections.abc import Mapping, Sequence
from typing import Any

from hfcheck.loading.cause import Cause, Kind, Remaining
from hfcheck.loading.evidence import Evidence
from hfcheck.loading.legal import is_leftover

_EXTRA_LAYERS = (
    "num_nextn_predict_layers",
    "num_mtp_layers",
    "mtp_num_layers",
    "mtp_num_hidden_layers",
    "n_mtp_layers",
)
_LAYER_COUNTS = ("num_hidden_layers", "n_layer", "num_layers")
_LAYER = re.compile(r"(?:^|\.)layers\.([0-9]{1,9})\.")


def leftovers(evidence: Evidence, remaining: Remaining) -> Sequence[Cause]:
    """One cause without a message for all legal leftovers: nothing is to be said about them."""
    if not remaining.unexpected:
        return ()
    extra = _extra_layers(evidence.config)
    found = tuple(
        name for name in remaining.unexpected if is_leftover(name, evidence.shapes.get(name)) or _is_extra(name, extra)
    )
    return (Cause(Kind.LEFTOVER, "", unexpected=found),) if found else ()


def _is_extra(name: str, extra: range) -> bool:
    if not extra:
        return False
    found = _LAYER.search(name)
    return found is not None and int(found.group(1)) in extra


def _extra_layers(config: Mapping[str, Any]) -> range:
    """The numbers of the layers for multi-token prediction: DeepSeek-V3 has 61 layers and a 62nd of this kind."""
    for part in (config, config.get("text_config")):
        if isinstance(part, Mapping):
            extra = next((part[name] for name in _EXTRA_LAYERS if type(part.get(name)) is int), 0)
            count = next((part[name] for name in _LAYER_COUNTS if type(part.get(name)) is int), None)
            if extra > 0 and count is not None:
                return range(count, count + extra)
    return range(0)
