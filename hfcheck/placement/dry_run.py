"""The dry run: from the headers of a model and a target to what would happen, step by step."""

from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any

from hfcheck.formats.tensor import Header, tensors_of
from hfcheck.loading.judge import Load
from hfcheck.placement.cache import Cache
from hfcheck.placement.cache_check import disagreements
from hfcheck.placement.capability import abilities, unknown_capability
from hfcheck.placement.changes import changes
from hfcheck.placement.conversion import conversion_peaks
from hfcheck.placement.generation import generation_of
from hfcheck.placement.layers import layers_of
from hfcheck.placement.limits import largest_batch, largest_context
from hfcheck.placement.model import Model
from hfcheck.placement.offload import offload
from hfcheck.placement.parallel import Parallel, parallel
from hfcheck.placement.plan import Plan, PlannerRaises
from hfcheck.placement.prepared import prepared
from hfcheck.placement.quantised_tree import Checkpoint, checkpoint_of
from hfcheck.placement.ranks import rank_uses
from hfcheck.placement.result import DryRun
from hfcheck.placement.shards import shard_plan
from hfcheck.placement.target import Target
from hfcheck.placement.tree import model_of
from hfcheck.placement.trial import Subject, Trial, sequences_of, tried


def dry_run(
    load: Load,
    config: Mapping[str, Any],
    headers: Mapping[str, Header],
    target: Target,
    index_dtype: object = None,
) -> DryRun:
    """The load of these weight files, by path, onto the devices of a target.

    `index_dtype` is the type in the metadata of the index, which counts where the config has none.
    """
    tensors = tensors_of(headers)
    if not tensors:
        return DryRun(target, incomplete=load.reason or "there are no weights here that hfcheck can read")
    if load.outcome == "raises":
        return DryRun(target, incomplete=f"it does not load: {load.reason or 'hfcheck check says why'}")
    first, checkpoint = next(iter(headers.values())).tensors, checkpoint_of(config, tensors, target.devices)

    def modelled(wanted: Target) -> Subject:
        there = checkpoint.on(wanted.devices) if checkpoint is not None else None
        model = model_of(load, config, tensors, wanted, first=first, index_dtype=index_dtype, checkpoint=there)
        shapes = load.spec.state if load.spec is not None else {name: one.shape for name, one in tensors.items()}
        generation = generation_of(load, config)
        return Subject(prepared(model, wanted.dialect), generation, layers_of(model, generation, shapes))

    subject = modelled(target)
    found = DryRun(
        target,
        model=subject.model,
        cache=subject.generation.cache,
        context=sequences_of(subject, target).tokens,
        positions=subject.generation.sizes.positions,
        not_checked=(
            *_not_checked(subject.model, checkpoint, target),
            *disagreements(subject.generation.cache or Cache(()), tensors),
        ),
        checkpoint=checkpoint,
    )
    if max(target.tp, target.ep, target.pp) > 1:
        return _shared(found, subject, parallel(load, config, subject.model, target))
    trial = tried(subject, target)
    raises = trial.raises or (trial.lookup.raises if trial.lookup is not None else None)
    found = replace(found, plan=trial.plan, raises=raises, lookup=trial.lookup, placed=trial.placed)
    if trial.lookup is not None and trial.lookup.incomplete:
        found = replace(found, not_checked=(*found.not_checked, trial.lookup.incomplete))
    found = replace(found, changes=tuple(changes(subject, trial, modelled)))
    if trial.plan is None:
        return found
    method = checkpoint.quantisation.method if checkpoint is not None else ""
    able = abilities(config, method, trial.plan.device_map, target.devices, subject.model.dtype)
    sizes = subject.generation.sizes
    return replace(
        _read(found, trial, headers),
        abilities=able,
        largest_context=largest_context(trial.occupancies, sizes, trial.sequences),
        largest_batch=largest_batch(trial.occupancies, sizes, trial.sequences),
    )


def _shared(found: DryRun, subject: Subject, shares: Parallel) -> DryRun:
    """The same for a load that several processes share: there is no device map, each rank has its part."""
    uses = rank_uses(shares, subject, sequences_of(subject, found.target), found.target)
    stops = next((fault for fault in shares.faults if not fault.runs), None)
    return replace(
        found,
        plan=Plan({}) if shares.ranks else None,
        raises=PlannerRaises("RuntimeError" if stops.when == "forward" else "ValueError", stops.message)
        if stops is not None
        else None,
        parallel=shares,
        devices=uses,
        incomplete="" if shares.ranks else "how the weights are divided is not known, or they cannot be",
        not_checked=(*found.not_checked, *shares.not_checked),
    )


def _read(found: DryRun, trial: Trial, headers: Mapping[str, Header]) -> DryRun:
    """The same with what is read, written and made on the way."""
    if found.model is None or trial.plan is None:
        return found
    dialect, device_map = found.target.dialect, trial.plan.device_map
    shards = shard_plan(dialect, found.model, device_map, trial.placed, headers)
    written = offload(dialect, found.model, device_map, trial.placed, headers)
    peaks = conversion_peaks(dialect, found.model, device_map, trial.placed, headers)
    uses = tuple(
        replace(
            use,
            reads=shards.reads.get(use.device.key, ()),
            conversion_peak=peaks[use.device.key].nbytes if use.device.key in peaks else 0,
            minimum=int(trial.plan.minimum[use.device.key]) if use.device.key in trial.plan.minimum else None,
        )
        for use in trial.uses
    )
    return replace(found, devices=uses, shards=shards, offload=written, peaks=peaks)


def _not_checked(model: Model, checkpoint: Checkpoint | None, target: Target) -> Iterator[str]:
    if not model.exact:
        yield f"the map is approximate: {model.inexact}"
    if unknown := unknown_capability(target.devices):
        yield unknown
    if checkpoint is not None and checkpoint.treatment.open_question:
        yield f"not known: {checkpoint.treatment.open_question}"
