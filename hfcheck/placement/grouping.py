"""Sizes of parallel groups that transformers refuses, or that end its load or its first forward.

After `distributed/configuration_utils.py`, `mixin.py`, `utils.py` and `pipeline_parallel.py` of transformers 5.23, with
`fsdp_size` 1: hfcheck does not plan for sharded data parallelism.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from hfcheck.finding import quote
from hfcheck.placement.cut import EXPERTS, LINEAR
from hfcheck.placement.fault import Fault, When, divisors
from hfcheck.placement.piece import Piece
from hfcheck.placement.scheme import DISPATCH, Scheme
from hfcheck.placement.stages import Stages
from hfcheck.placement.target import Target

MAX_RANKS = 4096
"""Processes of a group that shares are worked out for."""

ENDS = 2
"""Stages that hold more than layers: the first has the embedding, the last the head."""

BROKEN = frozenset(
    {
        "DogeForCausalLM",
        "DogeModel",
        "EsmcModel",
        "Gemma4ForConditionalGeneration",
        "Gemma4Model",
        "InklingForCausalLM",
        "InklingTextModel",
        "MuseGlimmerForConditionalGeneration",
        "MuseGlimmerModel",
        "MuseGlimmerTextModel",
        "MuseSparkForConditionalGeneration",
        "MuseSparkModel",
        "MuseSparkTextModel",
        "NeoMMEModel",
    }
)
"""Classes whose forward of text fails at every size, as `benchmarks/placement/parallel.py --forward` measures it."""

_LANGUAGE = ("ForCausalLM", "LMHeadModel")

_DENSE = frozenset({"embed_tokens", "layers", "norm"})
"""The children of a base model that a pipeline knows."""


@dataclass(frozen=True, slots=True, eq=False)
class Known:
    """What is known of a model of a known class: its plans, whole, its tensors and its pipeline."""

    architecture: str
    scheme: Scheme
    pieces: Sequence[Piece]
    stages: Stages
    ties: Mapping[str, str] = field(default_factory=dict)

    @property
    def tied(self) -> frozenset[str]:
        return frozenset((*self.ties, *self.ties.values()))


def target_faults(target: Target) -> Iterator[Fault]:
    """What is wrong with the sizes themselves, whatever the model."""
    tp, ep, pp = target.tp, target.ep, target.pp
    accelerators = [device for device in target.devices if device.is_accelerator]
    if tp > 1 and target.explicit is not None:
        yield _impossible(
            f"tp={tp} and a device map are both asked for: transformers stops with ValueError, "
            "tensor parallelism and a device map exclude each other",
            "Leave the map out: every process loads its share onto a device of its own.",
        )
    if tp > 1 and any(device.backend == "mps" for device in accelerators):
        yield _impossible(
            f"tp={tp} on mps: transformers stops with RuntimeError, it has no tensor parallelism there",
            "Load without --tp, or onto other devices.",
        )
    if ep > 1 and ep % tp:
        yield _impossible(
            f"ep={ep} is not a multiple of tp={tp}: transformers stops with ValueError before it loads",
            f"Take --ep {tp}.",
        )
    elif ep > 1 and tp % ep:
        yield _impossible(
            f"ep={ep} does not divide tp={tp} times fsdp_size=1: transformers stops with ValueError before it loads",
            f"Take --tp {ep}, or set fsdp_size to a multiple of {ep // tp}, which hfcheck does not plan for.",
        )
    if accelerators and tp * pp > len(accelerators):
        yield _impossible(
            f"tp={tp} and pp={pp} are {tp * pp} processes with a device each, and {len(accelerators)} accelerators "
            "are listed",
            f"List {tp * pp} accelerators, or take smaller groups.",
        )
    if tp > 1 and pp > 1:
        yield _impossible(
            f"tp={tp} and pp={pp} together: transformers 5.23.0 takes the layers of other stages out of the model and "
            "then looks for them by the tensor parallel plan: KeyError in every process, before a weight is read",
            "Take one of the two; vLLM can combine them.",
        )


def plan_faults(known: Known, target: Target) -> Iterator[Fault]:
    """Plans that the class does not have, or that name what cannot be cut."""
    for axis, size, plan in (("tp", target.tp, known.scheme.tp), ("ep", target.ep, known.scheme.ep)):
        if size > 1 and not plan:
            yield Fault(
                "no-plan",
                f"{axis}={size}, and {quote(known.architecture)} has no {axis}_plan: transformers stops with "
                "ValueError when the model is built",
                hint=_WITHOUT[axis],
            )
    if target.tp > 1 and known.scheme.tp:
        yield from _lists(known, target)
        yield from _tied_apart(known)
        if known.architecture in BROKEN:
            yield Fault(
                "no-plan",
                f"the plan of {quote(known.architecture)} does not work in transformers 5.23.0: it loads, and the "
                "first forward stops at every tp that was tried",
                hint=_WITHOUT["tp"],
                when="forward",
            )


def _tied_apart(known: Known) -> Iterator[Fault]:
    """Tied parameters of which one is cut and the other is not.

    The load ties after it has cut, and the forward of the head still takes its weight for a share: it gathers whole
    outputs as if they were parts. That is RuntimeError where the vocabulary is divisible, else wrong numbers.
    """
    tied = known.tied
    cuts = {piece.name: piece.cut for piece in known.pieces if piece.name in tied}
    for target, source in known.ties.items():
        if target in cuts and source in cuts and cuts[target] != cuts[source]:
            yield Fault(
                "no-plan",
                f"{quote(target)} is tied to {quote(source)}, and the plan of {quote(known.architecture)} cuts one of "
                "them alone: transformers loads, then stops in the first forward with RuntimeError or computes wrong "
                "logits",
                hint="Load it with a device map, or add a rule for the embedding: embedding_rowwise.",
                when="forward",
            )
            return


_WITHOUT = {
    "tp": "Load it with a device map, or give a plan in DistributedConfig(tp_plan=...).",
    "ep": "Leave --ep out, or give a plan in DistributedConfig(ep_plan=...).",
}


def _lists(known: Known, target: Target) -> Iterator[Fault]:
    """Rules of linear layers that name a list of modules: `install_forward` asks for `out_features`."""
    rules = {name: style for name, style in known.scheme.asked(target.tp, target.ep).tp.items() if style in LINEAR}
    forms = {piece.form for piece in known.pieces}
    for pattern, style in rules.items():
        if pattern not in forms and any(form.startswith(f"{pattern}.*.") for form in forms):
            yield Fault(
                "no-plan",
                f"the plan of {quote(known.architecture)} has the style {style} for {quote(pattern)}, which is a list "
                "of modules: transformers stops with ValueError when the model is built",
                hint="Load it with a device map: the plan of this class does not work in transformers 5.23.0.",
            )


def expert_faults(known: Known, target: Target) -> Iterator[Fault]:
    """Experts that cannot be divided evenly: `MoEParamShard.shard_param` raises ValueError."""
    said = set()
    for piece in known.pieces:
        given = piece.given
        if given is None or given.style != EXPERTS or given.axis != "ep" or not piece.shape:
            continue
        experts, module = piece.shape[0], given.pattern.rpartition(".")[0]
        if experts % target.ep and (experts, module) not in said:
            said.add((experts, module))
            yield Fault(
                "experts",
                f"the {experts} experts of {quote(module)} are not divisible by ep={target.ep}; valid: "
                f"{divisors(experts)}; transformers stops with ValueError before a weight is read",
                _counted(known, module, experts),
                "Take a size that divides the number of experts.",
            )


def _counted(known: Known, module: str, experts: int) -> str:
    """The field of the config that gives the number of experts; the config where none is found."""
    owner = known.scheme.owner(module)
    if owner is None:
        return ""
    config = owner.config
    fields = (key for key in sorted(config.given) if "expert" in key and config.get(key) == experts)
    return f"{config.pointer}/{key}" if (key := next(fields, None)) is not None else config.pointer


def dispatches(known: Known, target: Target) -> bool:
    """Whether the experts are cut at all: the plan has a rule by which tokens reach them, and that module exists."""
    if target.ep <= 1:
        return False
    modules = tuple(f"{pattern}." for pattern, style in known.scheme.ep.items() if style == DISPATCH)
    return any(form.startswith(modules) for form in {piece.form for piece in known.pieces}) if modules else False


def stage_faults(known: Known, target: Target) -> Iterator[Fault]:
    """Pipelines that cannot be built or run."""
    pp, stages = target.pp, known.stages
    if pp <= 1:
        return
    if dispatches(known, target):
        yield _impossible(
            f"ep={target.ep} and pp={pp} together: transformers stops with ValueError, tokens are not sent to experts "
            "in a pipeline",
            "Take one of the two.",
        )
    if not stages.layers:
        yield _impossible(
            f"pp={pp}, and {quote(known.architecture)} has no layers where a pipeline looks for them, below its base "
            "model: transformers stops with AttributeError when it builds the stages",
            "Load it with a device map.",
        )
    elif stages.layers < pp and pp > ENDS:
        yield _impossible(
            f"pp={pp}, and the model has {stages.layers} layers: a stage in the middle holds nothing, and transformers "
            "stops in its first forward with StopIteration",
            f"Take a pp of {stages.layers} at most.",
            "forward",
        )
    elif not known.architecture.endswith(_LANGUAGE):
        yield _impossible(
            f"pp={pp}: the stages of transformers hand on the logits of a causal language model, and "
            f"{quote(known.architecture)} computes something else: its first forward stops",
            "Load it with a device map.",
            "forward",
        )
    elif outside := _outside(known):
        yield _impossible(
            f"pp={pp}: transformers keeps {quote(outside)} in every stage and applies it in each, because it knows "
            "embed_tokens, layers and norm alone: the model runs and its output is wrong",
            "Load it with a device map.",
            "forward",
        )


def _outside(known: Known) -> str:
    """A child of the base model that every stage would apply again."""
    prefix = f"{known.stages.base}."
    names = (piece.name.removeprefix(prefix) for piece in known.pieces if piece.name.startswith(prefix))
    children = {name.partition(".")[0] for name in names if "." in name}
    found = sorted(child for child in children - _DENSE if "norm" in child.lower())
    return prefix + found[0] if found else ""


def _impossible(message: str, hint: str, when: When = "load") -> Fault:
    return Fault("sizes", message, hint=hint, when=when)
