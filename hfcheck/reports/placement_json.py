"""The report of a dry run as JSON, version 1: `schemas/dry-run.schema.json` is its contract. All sizes are bytes."""

from typing import TYPE_CHECKING, Any

from hfcheck.finding import MESSAGE, printable, shorten, visible
from hfcheck.placement.device import Key
from hfcheck.placement.plan import Plan, Stop
from hfcheck.placement.result import Change, DeviceUse, DryRun, Largest, Term
from hfcheck.placement.shards import Read
from hfcheck.placement.target import Target
from hfcheck.report import Report, RepositoryReport
from hfcheck.reports import json_, sink
from hfcheck.reports.placement import best

if TYPE_CHECKING:
    from hfcheck.placement.parallel import Parallel
    from hfcheck.placement.rehearsed import FileRead, Rehearsed

SCHEMA_VERSION = 1


def render(report: Report) -> str:
    """The document about the one repository of a dry run, indented by two, with a newline at its end."""
    return json_.dumps(document(report))


def document(report: Report) -> dict[str, Any]:
    (repository,) = report.repositories
    told = repository.dry_run if repository.load.outcome != "raises" else None
    return {
        "schema_version": SCHEMA_VERSION,
        "hfcheck_version": report.version,
        "settings": visible(report.settings) if report.settings else None,
        "path": visible(repository.path),
        "load": json_.load(repository.load, repository.architecture),
        "dialect": repository.dry_run.stamp if repository.dry_run is not None else None,
        "asked": _asked(repository.dry_run.target) if repository.dry_run is not None else None,
        "verdict": repository.fit,
        "reason": _reason(repository),
        **(_planned(told) if told is not None else _NOTHING),
        "rehearsal": None if repository.rehearsed is None else _rehearsal(repository.rehearsed),
        "findings": [json_.finding(located) for located in repository.findings],
        "ignored": [
            {**json_.finding(ignored.located), "reason": sink.name(ignored.reason)} for ignored in repository.ignored
        ],
    }


_NOTHING: dict[str, Any] = {
    "raises": None,
    "exact": False,
    "dtype": None,
    "context": None,
    "device_map": None,
    "devices": [],
    "offload_folder_bytes": 0,
    "largest_context": None,
    "largest_batch": None,
    "smallest_change": None,
    "changes": [],
    "parallel": None,
    "not_checked": [],
}
"""What is said of the plan where there is none."""


def _planned(dry_run: DryRun) -> dict[str, Any]:
    model, plan = dry_run.model, dry_run.plan
    change = best(dry_run.changes)
    return {
        **_NOTHING,
        "raises": sink.name(dry_run.raises.error) if dry_run.raises is not None else None,
        "exact": model is not None and model.exact,
        "dtype": sink.name(model.dtype) if model is not None else None,
        "context": dry_run.context or None,
        "device_map": {visible(name): _key(key) for name, key in plan.device_map.items()}
        if plan and plan.device_map
        else None,
        "devices": [_device(use, plan) for use in dry_run.devices],
        "offload_folder_bytes": dry_run.offload_folder_bytes,
        "largest_context": _largest(dry_run.largest_context),
        "largest_batch": _largest(dry_run.largest_batch),
        "smallest_change": _change(change) if change is not None else None,
        "changes": [_change(change) for change in dry_run.changes],
        "parallel": _parallel(dry_run.parallel) if dry_run.parallel is not None else None,
        "not_checked": [_sentence(line) for line in dry_run.not_checked],
    }


def _device_map(plan: Plan) -> dict[str, Any] | None:
    """No key is shortened: one that is cut is none, and two that are cut alike would be one."""
    return {visible(name): _key(key) for name, key in plan.device_map.items()} or None


def _reason(repository: RepositoryReport) -> str:
    """Why there is no plan, or none that is exact."""
    dry_run = repository.dry_run
    if repository.load.outcome == "raises":
        return _sentence(f"it does not load: {repository.load.reason}")
    if dry_run is None:
        return "there is no model here that transformers loads" if not repository.crashed else "hfcheck failed on it"
    if dry_run.raises is not None:
        return _sentence(dry_run.raises.reason)
    if dry_run.incomplete:
        return _sentence(dry_run.incomplete)
    return _sentence(dry_run.model.inexact) if dry_run.model is not None and not dry_run.model.exact else ""


def _asked(target: Target) -> dict[str, Any]:
    return {
        "device_map": "explicit" if target.explicit is not None else target.mode,
        "dtype": target.dtype,
        "context": target.context,
        "batch": target.batch,
        "tp": target.tp,
        "ep": target.ep,
        "pp": target.pp,
    }


def _device(use: DeviceUse, plan: Plan | None) -> dict[str, Any]:
    device = use.device
    stop = next((stop for stop in plan.stops if stop.device == device.key), None) if plan is not None else None
    return {
        "device": _key(device.key),
        "backend": device.backend,
        "compute_capability": f"{device.compute[0]}.{device.compute[1]}" if device.compute is not None else None,
        "integrated": device.is_integrated,
        "free": device.is_free,
        "listed": use.is_listed,
        "capacity": device.size if use.is_listed else None,
        "budget": _whole(plan.budgets.get(device.key)) if plan is not None else None,
        "weights": use.weights,
        "buffers": use.buffers,
        "kv_cache": use.kv_cache,
        "states": use.states,
        "prompt_peak": use.prompt_peak,
        "onload": use.onload,
        "conversion_peak": use.conversion_peak,
        "low": use.low,
        "high": use.high,
        "terms": [_term(term) for term in use.terms],
        "verdict": use.fit,
        "modules": len(use.modules),
        "shards": [_read(read) for read in use.reads],
        "stopped_by": _stop(stop) if stop is not None else None,
        "minimum": use.minimum,
    }


def _term(term: Term) -> dict[str, Any]:
    return {"name": sink.name(term.name), "low": term.low, "high": term.high, "why": _sentence(term.why)}


def _read(read: Read) -> dict[str, Any]:
    return {
        "file": visible(read.file),
        "bytes": read.nbytes,
        "ranges": [[begin, end] for begin, end in read.ranges],
        "unlocated": read.unlocated,
    }


def _stop(stop: Stop) -> dict[str, Any]:
    return {
        "module": sink.name(stop.module),
        "tied_with": [sink.name(name) for name in stop.tied_with],
        "needs": _whole(stop.needs),
        "left": max(0, int(stop.room)),
        "short": max(0, int(stop.short)),
        "budget": _whole(stop.budget),
        "used": _whole(stop.used),
        "reserve": _whole(stop.reserve),
        "reserve_for": sink.name(stop.reserve_for) if stop.reserve_for else None,
    }


def _largest(largest: Largest | None) -> dict[str, Any] | None:
    if largest is None:
        return None
    return {
        "low": largest.surely,
        "high": largest.perhaps,
        "device": _key(largest.device) if largest.device is not None else None,
    }


def _change(change: Change) -> dict[str, Any]:
    return {
        "change": _sentence(change.words),
        "verdict": change.verdict,
        "device": _key(change.device) if change.device is not None else None,
        "size": change.size,
    }


def _parallel(parallel: "Parallel") -> dict[str, Any]:
    return {
        "ranks": [
            {
                "rank": rank.rank,
                "stage": rank.stage,
                "weights": rank.weights,
                "buffers": rank.buffers,
                "layers": list(rank.layers) if rank.layers is not None else None,
            }
            for rank in parallel.ranks
        ],
        "weights": parallel.nbytes,
        "shared": parallel.shared,
        "cache_shares": parallel.cache_shares,
        "rules": [
            {
                "pattern": sink.name(rule.pattern),
                "style": sink.name(rule.style),
                "axis": rule.axis,
                "parameters": rule.parameters,
                "bytes": rule.nbytes,
                "cut": rule.is_cut,
            }
            for rule in parallel.rules
        ],
    }


def _rehearsal(rehearsed: "Rehearsed") -> dict[str, Any]:
    return {
        "bytes": rehearsed.nbytes,
        "seconds": round(rehearsed.seconds, 3),
        "scanner": sink.name(rehearsed.scanner) if rehearsed.scanner else None,
        "torch": sink.name(rehearsed.torch) if rehearsed.torch else None,
        "files": [_file(file) for file in rehearsed.files],
        "copied": [
            {
                "device": _key(copied.device),
                "on": sink.name(copied.on),
                "tensors": copied.tensors,
                "bytes": copied.nbytes,
                "peak": copied.peak,
            }
            for copied in rehearsed.copied
        ],
        "failures": [
            {
                "device": _key(failure.device),
                "on": sink.name(failure.on),
                "file": visible(failure.path),
                "tensor": sink.name(failure.tensor),
                "reason": _sentence(failure.reason),
                "fatal": failure.is_fatal,
            }
            for failure in rehearsed.failures
        ],
        "skipped": [
            {
                "what": _sentence(skip.what),
                "reason": _sentence(skip.reason),
                "file": visible(skip.path) if skip.path is not None else None,
            }
            for skip in rehearsed.skipped
        ],
    }


def _file(file: "FileRead") -> dict[str, Any]:
    return {
        "file": visible(file.path),
        "size": file.size,
        "read": file.read,
        "failed": _sentence(file.failed),
        "sha256": file.sha256,
        "promised": file.promised.sha256 if file.promised is not None else None,
        "scanned": file.scanned,
        "non_finite": [
            {
                "tensor": sink.name(found.tensor),
                "value": found.word,
                "elements": found.elements,
                "nan": found.nan,
                "inf": found.inf,
                "negative_inf": found.negative_inf,
                "first": found.first,
                "offset": found.offset,
            }
            for found in file.non_finite
        ],
        "zero": [sink.name(name) for name in file.zero],
        "unscanned": [{"reason": _sentence(reason), "tensors": count} for reason, count in file.unscanned],
    }


def _key(key: Key) -> int | str:
    return key if isinstance(key, int) else sink.name(str(key))


def _whole(number: float | None) -> int | None:
    """Budgets are no whole numbers where the planner takes a share of what is free."""
    return None if number is None else int(number)


def _sentence(line: str) -> str:
    return printable(shorten(line, MESSAGE))
