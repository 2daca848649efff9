"""Loads that differ in one thing from the one that is judged, by the atlas: another class, another config."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

from hfcheck.loading import atlas, origin
from hfcheck.loading.accept import Unmodelled, accept
from hfcheck.loading.atlas import Entry, NotCertain, Part, TooMany
from hfcheck.loading.choose import Choice, candidates, index
from hfcheck.loading.draft import ConfigRaises, Resolved, Unresolvable
from hfcheck.loading.evidence import Review, as_it_is
from hfcheck.loading.names import ABSENT, UNKNOWN
from hfcheck.loading.spec import Outcome, Shape

MOST = 200_000
"""Names of a model that is only tried: one that another config would make larger than any is no explanation."""


@dataclass(frozen=True, eq=False)
class Alternatives:
    """`config` is the whole of config.json, `choice` what is judged, `resolve` how a config becomes one of a class."""

    config: Mapping[str, Any]
    choice: Choice
    resolve: Callable[[Mapping[str, Any], Choice], Resolved]
    review: Review = as_it_is

    @property
    def classes(self) -> tuple[str, ...]:
        return candidates(self.config, self.choice.model_type, index())

    @property
    def named_elsewhere(self) -> tuple[tuple[str, str], ...]:
        name, known = self.choice.named, index()
        if name is None or name in known[self.choice.model_type]["classes"]:
            return ()
        return tuple((model_type, name) for model_type in known if name in known[model_type]["classes"])

    def as_type(self, model_type: str, name: str, shapes: Mapping[str, Shape]) -> Outcome | None:
        choice = Choice(model_type, name, "", "named", name)
        config = {**self.config, "model_type": model_type}
        return replace(self, config=config, choice=choice).as_class(name, shapes)

    def as_class(self, name: str, shapes: Mapping[str, Shape]) -> Outcome | None:
        return self._outcome(self.config, name, shapes)

    def with_config(self, config: Mapping[str, Any], shapes: Mapping[str, Shape]) -> Outcome | None:
        return self._outcome(config, self.choice.class_name, shapes)

    def sizes(self, parameter: str, dimension: int, size: int) -> Mapping[str, Any]:
        try:
            found = origin.sizes(self._parts, parameter, dimension, size)
        except (NotCertain, TooMany):
            return {}
        return {self._whole(path): value for path, value in found.items()}

    def switches(self, parameter: str) -> tuple[str, ...]:
        try:
            return tuple(map(self._whole, origin.switches(self._parts, parameter)))
        except (NotCertain, TooMany):
            return ()

    def counts(self, stack: str) -> tuple[str, ...]:
        try:
            return tuple(map(self._whole, origin.counts(self._parts, stack)))
        except (NotCertain, TooMany):
            return ()

    def is_declared(self, field: str) -> bool:
        owner, _, name = field.removeprefix(self._above).rpartition(".")
        part = self._resolved if not owner else self.value(self._above + owner)
        entry = atlas.entry(part.model_type) if isinstance(part, Resolved) else None
        return entry is not None and name in {**entry.config["fields"], **entry.config["aliases"]}

    def value(self, field: str) -> Any:  # noqa: ANN401 - a config holds anything
        found: Any = self._resolved
        for name in field.removeprefix(self._above).split("."):
            if isinstance(found, Resolved):
                found = found.get(name)
            else:
                found = found.get(name) if isinstance(found, Mapping) else None
        return None if found in (ABSENT, UNKNOWN) else found

    @property
    def _above(self) -> str:
        return f"{self.choice.config}." if self.choice.config else ""

    def _whole(self, path: str) -> str:
        """A path in the config of the class as one in the file, under the name that the file has for it."""
        *owners, name = path.split(".")
        part: Any = self._resolved
        for owner in owners:
            part = part.get(owner) if isinstance(part, Resolved) else None
        if isinstance(part, Resolved) and name not in part.given:
            known_as = (alias for alias, field in part.aliases.items() if field == name and alias in part.given)
            name = next(known_as, name)
        return self._above + ".".join((*owners, name))

    @cached_property
    def _resolved(self) -> Resolved | None:
        try:
            return self.resolve(self.config, self.choice)
        except (ConfigRaises, Unresolvable):
            return None

    @cached_property
    def _parts(self) -> tuple[Part, ...]:
        if self._entry is None or self._resolved is None:
            return ()
        return tuple(atlas.parts(self._entry, self.choice.class_name, self._resolved, limit=MOST))

    @cached_property
    def _entry(self) -> Entry | None:
        return atlas.entry(self.choice.model_type)

    def _outcome(self, config: Mapping[str, Any], name: str, shapes: Mapping[str, Shape]) -> Outcome | None:
        if self._entry is None:
            return None
        try:
            resolved = self.resolve(config, self.choice)
            if atlas.violated(self._entry, name, resolved) is not None:
                return None
            return self.review(accept(atlas.spec(self._entry, name, resolved, limit=MOST), shapes))
        except (ConfigRaises, Unresolvable, NotCertain, TooMany, Unmodelled):
            return None
