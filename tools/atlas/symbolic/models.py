"""The entry of a model class: what its constructor builds, as data."""

from collections.abc import Iterable
from typing import Any

from transformers import PreTrainedModel

from tools.atlas.symbolic import terms
from tools.atlas.symbolic.emit import Place, Tree, Variant, Walk
from tools.atlas.symbolic.frames import Check
from tools.atlas.symbolic.inplace import InPlace
from tools.atlas.symbolic.interpreter import Interpreter
from tools.atlas.symbolic.terms import TRUE, Term
from tools.atlas.symbolic.values import Choice, Config, Dict, Mount, Obj, Opaque, Plain, Sym, is_scalar, term_of


def model_entry(
    cls: type[PreTrainedModel], config_class: type, default: Any, interpreted: tuple[str, ...] = ("transformers",)
) -> dict[str, Any]:
    """The parts of an atlas entry that follow from the constructor; `why_not` lists what could not be followed.

    `default` is an instance of the config class: which class stands in a slot for a sub-config is read from it.
    """
    run = InPlace(interpreted)
    # What `from_pretrained` chooses where nobody asks for another; a few models have a class for each.
    run.attention = "sdpa" if cls._supports_sdpa else "eager"
    config = Config(config_class, "", default)
    made = Obj(cls)
    run.initialise(made, cls.__init__, [config], {})
    walk = Walk(run)
    walk.visit(made, Place())
    return _Writer(run, walk.tree).entry()


def _literal(term: Term) -> Any:
    """The dictionary or the None that a term says outright."""
    if terms.is_const(term):
        return term[2]
    if term[:2] == ("f", "dict") and all(terms.is_const(part) for part in term[2:]):
        texts = [part[2] for part in term[2:]]
        return dict(zip(texts[::2], texts[1::2], strict=True))
    return Opaque("a dictionary")


LONGEST_CHECK = 500
"""Characters of a condition that a constructor asks for: what is longer no finding could say."""


class _Writer:
    """Writes a tree as JSON data, and notes what has no text."""

    def __init__(self, run: Interpreter, tree: Tree) -> None:
        self.run = run
        self.tree = tree
        self.issues: dict[str, None] = dict(tree.issues)

    def entry(self) -> dict[str, Any]:
        tree = self.tree
        entry: dict[str, Any] = {
            "counts": {name: self.text(count, f"the count of {name}") for name, count in tree.counts.items()},
            "tensors": {name: self.variants(name, found) for name, found in tree.tensors.items()},
            "buffers": {name: self.variants(name, found) for name, found in tree.buffers.items()},
            "order": {name: list(children) for name, children in tree.children.items()},
            "modules": {name: self.kinds(found) for name, found in tree.classes.items()},
            "present": {name: text for name in tree.present if (text := self.presence(name)) != ""},
            "parameters": self.parameters(),
            "submodels": [self.submodel(place, model) for place, model in tree.submodels],
            "mounts": [self.mount(place, mount) for place, mount in tree.mounts],
            "tied": [tied for place, model in tree.submodels for tied in self.tied(place, model)],
            "checks": [check for found in self.run.checks if (check := self.check(found))],
        }
        for key, attribute in (
            ("ignore_missing", "_keys_to_ignore_on_load_missing"),
            ("ignore_unexpected", "_keys_to_ignore_on_load_unexpected"),
        ):
            entry[key] = sorted({p for _, model in tree.submodels for p in self.patterns(model, attribute)})
        found = entry["checks"]
        entry["checks"] = [check for number, check in enumerate(found) if check not in found[:number]]
        entry["why_not"] = list(self.issues)
        return entry

    def text(self, term: Term, what: str) -> str:
        names = {-1 - number: f"${number}" for number in range(8)}
        try:
            return terms.text(self.run.settled(term), names)
        except (ValueError, KeyError):
            reasons = [part[1] for part in terms.parts(self.run.settled(term)) if part[0] == "opaque"]
            self.issues[f"{what}: {reasons[0] if reasons else 'not an expression'}"] = None
            return "unknown"

    def quietly(self, term: Term) -> str:
        """The text of a term; what has none is no reason against the class, and nobody asks its loader for it."""
        before = dict(self.issues)
        text = self.text(term, "")
        self.issues = before
        return text

    def kinds(self, found: dict[str, Term]) -> list[dict[str, str]]:
        """The classes that a module may be: of one that is always the same, no condition."""
        if len(found) == 1:
            return [{"class": next(iter(found))}]
        return [{"class": kind, "if": self.quietly(condition)} for kind, condition in found.items()]

    def presence(self, name: str) -> str:
        """When there is a module where there is the one around it: empty where always.

        Items of a list are all there, whatever they are, or none of them is.
        """
        around, _, last = name.rpartition(".")
        condition = self.run.settled(self.tree.present[name])
        outer = self.run.settled(self.tree.present.get(around, TRUE))
        own: Term = ("i", -name.count("{}"))
        if condition in (TRUE, outer) or (last == "{}" and own in terms.parts(condition)):
            return ""
        return self.quietly(condition)

    def parameters(self) -> dict[str, list[str]]:
        """The parameters that a module has itself, in order, where it has several."""
        found: dict[str, list[str]] = {}
        for name, variants in self.tree.tensors.items():
            if not all(variant.buffer for variant in variants):
                found.setdefault(name.rpartition(".")[0], []).append(name.rpartition(".")[2])
        return {module: names for module, names in found.items() if len(names) > 1}

    def variants(self, name: str, found: list[Variant]) -> Any:
        written = [self.variant(name, variant) for variant in found]
        return written[0] if len(written) == 1 else written

    def variant(self, name: str, variant: Variant) -> dict[str, Any]:
        data: dict[str, Any] = {}
        if variant.condition != TRUE:
            data["if"] = self.text(variant.condition, f"the condition of {name}")
        if variant.shape is None:
            data["shape"] = None
            if name in self.tree.tensors:
                data["shape"] = ["unknown"]
                self.issues[f"the shape of {name}"] = None
        else:
            quiet = name not in self.tree.tensors
            before = dict(self.issues)
            data["shape"] = [self.text(size, f"the shape of {name}") for size in variant.shape]
            if quiet and "unknown" in data["shape"]:
                data["shape"], self.issues = None, before
        if variant.buffer:
            data["buffer"] = True
        if variant.dtype is not None and (variant.dtype[0] in "IUB" and variant.dtype != "BF16"):
            data["dtype"] = variant.dtype
        return data

    def submodel(self, place: Place, model: Obj) -> dict[str, Any]:
        config = self.run.journal.resolve(model.attrs.get("config"))
        data = {"at": place.name, "class": model.cls.__name__, "config": "", "type": ""}
        if isinstance(config, Config):
            data |= {"config": config.path.rstrip("."), "type": getattr(config.cls, "model_type", "")}
        else:
            self.issues[f"the config of {place.name}"] = None
        return self.conditional(data, place)

    def conditional(self, data: dict[str, Any], place: Place) -> dict[str, Any]:
        if place.condition != TRUE:
            data["if"] = self.text(place.condition, f"the condition of {place.name}")
        return data

    def mount(self, place: Place, mount: Mount) -> dict[str, Any]:
        config: Config = mount.config
        data: dict[str, Any] = {"at": place.name, "config": config.path.rstrip("."), "auto": mount.auto}
        changed = {name: term_of(value) for name, value in config.attrs.items() if is_scalar(value)}
        if changed:
            data["set"] = {name: self.text(value, f"{place.name}.config.{name}") for name, value in changed.items()}
        return self.conditional(data, place)

    def tied(self, place: Place, model: Obj) -> list[dict[str, Any]]:
        return self._ties(self.run.get_attribute(model, "_tied_weights_keys"), place, model)

    def _ties(self, keys: Any, place: Place, model: Obj) -> list[dict[str, Any]]:
        keys = self.run.journal.resolve(keys)
        if isinstance(keys, Choice):
            condition = self.run.settled(keys.condition)
            then = self._ties(keys.then, place.given(condition), model)
            return then + self._ties(keys.other, place.given(terms.negate(condition)), model)
        if isinstance(keys, Sym) and keys.term[:2] == ("f", "if"):
            _, _, condition, *sides = self.run.settled(keys.term)
            yes, no = (Sym(side, keys.kinds) for side in sides)
            return self._ties(Choice(condition, yes, no), place, model)
        if isinstance(keys, Sym):
            keys = _literal(keys.term)
        found = self._tie(keys.cell if isinstance(keys, Dict) else keys, place, model)
        return [found] if found is not None else []

    def _tie(self, keys: Any, place: Place, model: Obj) -> dict[str, Any] | None:
        config = self.run.journal.resolve(model.attrs.get("config"))
        if not keys or isinstance(keys, list):
            return None
        if not isinstance(keys, dict) or not all(isinstance(v, str) for kv in keys.items() for v in kv):
            if isinstance(keys, Opaque) and self.tree.mounts:
                return None  # what a mounted model ties is in the entry of that model
            self.issues[f"what {place.name or model.cls.__name__} ties"] = None
            return None
        data: dict[str, Any] = {"at": place.name, "keys": dict(keys), "config": ""}
        if isinstance(config, Config):
            data["config"] = config.path.rstrip(".")
            flag = config.attrs.get("tie_word_embeddings")
            if flag is not None:
                data["tie"] = self.text(term_of(flag), f"whether {place.name} ties")
        return self.conditional(data, place)

    def patterns(self, model: Obj, attribute: str) -> Iterable[str]:
        value = self.run.journal.resolve(model.attrs.get(attribute, getattr(model.cls, attribute, None)))
        if value is None:
            return ()
        if isinstance(value, (Choice, Opaque)):
            self.issues[f"{attribute} of {model.cls.__name__}"] = None
            return ()
        items = [i.value for i in self.run.iterate(value) if isinstance(i, Plain)]
        return [item for item in items if isinstance(item, str)]

    def check(self, check: Check) -> dict[str, str] | None:
        term = self.run.settled(check.require)
        indices = {part[1] for part in terms.parts(term) if part[0] == "i"}
        opaque = any(part[0] == "opaque" for part in terms.parts(term))
        if opaque:
            return None
        for loop in check.loops:
            if loop in indices:
                term = ("f", "all", ("each", loop, self.run.counts[loop], term))
        try:
            require = terms.text(self.run.settled(term), {})
        except (ValueError, KeyError):
            return None
        return {"require": require, "raises": check.error} if len(require) <= LONGEST_CHECK else None
