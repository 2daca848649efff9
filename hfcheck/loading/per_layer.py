"""Configs of single layers: `per_layer_config` of transformers 5.23 (`integrations/heterogeneity`)."""

from collections.abc import Mapping
from typing import Any

from hfcheck.loading.draft import Draft, Unresolvable
from hfcheck.loading.fields import names_of


def overrides(draft: Draft, given: object) -> dict[int, Mapping[str, Any]]:
    """What single layers have otherwise than the config of all, by their number: `_apply_heterogeneous_config`."""
    if given is None:
        return {}
    if not isinstance(given, dict) or not all(isinstance(layer, dict) for layer in given.values()):
        raise Unresolvable("its layers have configs of their own, of a form that we do not know (per_layer_config)")
    try:
        layers = {int(number): layer for number, layer in given.items()}
    except ValueError:
        raise draft.raises("ValueError", "a key of per_layer_config is no integer", "per_layer_config") from None
    count = draft.attribute("num_hidden_layers")
    names = {name for layer in layers.values() for name in layer}
    if not isinstance(count, int) or "skip" in names:
        raise Unresolvable("its layers have configs of their own, of a form that we do not know (per_layer_config)")
    wrong = next((number for number in layers if not 0 <= number < count), None)
    if wrong is not None:
        message = f"per_layer_config has a layer {wrong}, and there are {count} layers"
        raise draft.raises("ValueError", message, "per_layer_config")
    everywhere = {name for name in names if len(layers) == count and all(name in layer for layer in layers.values())}
    lacking = sorted(name for name in names - everywhere if not draft.has(name))
    if lacking:
        message = f"per_layer_config gives {names_of(lacking)} for some layers, and the others have none"
        raise draft.raises("ValueError", message, "per_layer_config")
    return layers
