"""The class validators of configs: what fields must be to each other (`validate_*` of transformers 5.23)."""

from collections.abc import Mapping

from hfcheck.loading import rope
from hfcheck.loading.base_config import ATTENTION_LAYERS, MLP_LAYERS
from hfcheck.loading.draft import CLASS, About, Draft
from hfcheck.loading.expression import fields, parse
from hfcheck.loading.fields import names_of, shown
from hfcheck.loading.functions import truth
from hfcheck.loading.names import ABSENT, UNKNOWN

SHOWN = 100
"""Characters of a condition that a message repeats."""

TEXT_CONFIGS = ("decoder", "generator", "text_config")
"""Where the base class looks for the config of the language model; two of them stop the load."""


def run(draft: Draft) -> None:
    """All validators, in the order of their names; raises ConfigRaises."""
    replaced = draft.entry.get("replaced", ())
    _own(draft)
    if "validate_architecture" not in replaced:
        _heads(draft)
    if "validate_layer_type" not in replaced:
        _layers(draft)
    _attention(draft)
    # A class of the flat form has more to check, and calls the base class first.
    if "validate_rope" not in replaced or draft.entry.get("rope", {}).get("convert", {}).get("kind") == "flat":
        rope.validate(draft)
    if "get_text_config" not in replaced:
        _text_config(draft)


def _own(draft: Draft) -> None:
    """What the class itself requires once it is made."""
    for check in draft.entry.get("checks", ()):
        require(draft, check)


def require(draft: Draft, check: Mapping[str, str]) -> None:
    """Raise ConfigRaises where the condition of a check does not hold."""
    value = draft.compute(check["require"])
    if value is UNKNOWN or truth(value):
        return
    names = sorted(fields(parse(check["require"])))
    here = [f"{name} is {shown(found)}" for name in names if isinstance(found := draft.get(name), (int, float, str))]
    required = check["require"] if len(check["require"]) <= SHOWN else "other values than these"
    message = f"{draft.label} requires {required}, and here {', '.join(here[:4]) or 'it does not hold'}"
    place = next((name for name in names if name in draft.given), "")
    error = CLASS if check["name"].startswith("validate_") else check["raises"]
    raise draft.raises(error, message, place)


def _attention(draft: Draft) -> None:
    if draft.values["output_attentions"] and draft.values["_attn_implementation"] not in ("eager", None):
        message = "output_attentions is set, and no attention implementation but eager can return them"
        raise draft.raises(CLASS, message, "output_attentions")


def _text_config(draft: Draft) -> None:
    found = [name for name in TEXT_CONFIGS if draft.attribute(name) not in (None, ABSENT)]
    if len(found) > 1:
        message = f"it has several configs of a text model: {names_of(found)}"
        raise draft.raises(CLASS, message, found[-1])


def _heads(draft: Draft) -> None:
    names = ("head_dim", "num_heads", "embed_dim")
    sizes = [draft.attribute(name) for name in names]
    if ABSENT in sizes or UNKNOWN in sizes:
        return
    head, heads, width = sizes
    try:
        fits = head * heads == width
    except TypeError:
        fits = False
    if not fits:
        message = f"embed_dim is {shown(width)}, and not head_dim times num_heads"
        raise draft.raises(CLASS, message, "embed_dim")


def _layers(draft: Draft) -> None:
    for allowed, name in ((ATTENTION_LAYERS, "layer_types"), (MLP_LAYERS, "mlp_layer_types")):
        layers, count = draft.attribute(name), draft.attribute("num_hidden_layers")
        if layers is None or layers is ABSENT or count is ABSENT:
            return
        if layers is UNKNOWN or count is UNKNOWN:
            continue
        if not isinstance(layers, list):
            raise draft.raises(CLASS, f"{name} is {shown(layers)}", name, About.LAYERS)
        wrong = next((layer for layer in layers if layer not in allowed), None)
        if wrong is not None:
            message = f"{name} has {shown(wrong)}, which is no type of layer that transformers knows"
            raise draft.raises(CLASS, message, name, About.LAYERS)
        if count is not None and count != len(layers):
            message = f"{name} has {len(layers)} entries, and num_hidden_layers is {shown(count)}"
            raise draft.raises(CLASS, message, name, About.LAYERS)
