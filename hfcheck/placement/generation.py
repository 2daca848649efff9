"""What a load says of generation: the cache of its class and the sizes of its config, whatever is known of them."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from hfcheck.loading import atlas
from hfcheck.loading.draft import ConfigRaises, Resolved, Unresolvable
from hfcheck.loading.judge import Load, of_choice
from hfcheck.placement.cache import Cache
from hfcheck.placement.cache_rules import cache_of, generates
from hfcheck.placement.dimensions import Sizes, sizes_of

_INNER = ("decoder", "generator", "text_config", "llm_config", "thinker_config", "vision_config", "encoder")
_GENERATES = ("ForCausalLM", "LMHeadModel", "ForConditionalGeneration")


@dataclass(frozen=True, slots=True)
class Generation:
    """`cache` is None for a class that does not generate."""

    cache: Cache | None
    sizes: Sizes


def generation_of(load: Load, config: Mapping[str, Any]) -> Generation:
    """What is known of it. Of a class that is not known everything is: it may keep something in each layer."""
    choice, name = load.choice, load.architecture or ""
    entry = atlas.entry(choice.model_type) if choice is not None else None
    if choice is None or entry is None or name not in entry.classes:
        return _of_names(name, config, load.reason or "its class is not known")
    try:
        resolved = of_choice(config, choice)
    except (Unresolvable, ConfigRaises) as error:
        return _of_names(name, config, str(error))
    return Generation(cache_of(entry, name, resolved), sizes_of(resolved, generates(entry.model_type, name)))


def _of_names(architecture: str, config: Mapping[str, Any], reason: str) -> Generation:
    """What the names in a config tell, as they stand in the file."""
    named = [str(name) for name in found] if isinstance(found := config.get("architectures"), list) else []
    is_generating = any(name.endswith(_GENERATES) for name in (architecture, *named))
    sizes = sizes_of(_as_written(config), None)
    if not is_generating:
        return Generation(None, sizes)
    return Generation(Cache((), unknown=(f"every layer: {reason}",)), sizes)


def _as_written(config: Mapping[str, Any], deepest: int = 2) -> Resolved:
    inner = {name: value for name in _INNER if isinstance(value := config.get(name), dict)} if deepest else {}
    values = {**config, **{name: _as_written(value, deepest - 1) for name, value in inner.items()}}
    return Resolved("", "", values, {}, frozenset(config))
