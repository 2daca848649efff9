"""Copies of tensors to the devices of a plan, made by `copy_worker` out of the buffer that the files are read into."""

import os
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from typing import Any

from hfcheck.placement.device import Device, Key
from hfcheck.placement.rehearsed import Copied, CopyFailure, Skip
from hfcheck.rehearsal.process import Conversation, Ended, conversation, phrase
from hfcheck.rehearsal.selection import Sheet, Stretch

PROGRAM = "copy_worker.py"

FIRST, NEXT = 300.0, 300.0
"""Seconds on the clock for the first answer, before which torch is imported, and for each window of 8 MiB."""

META = "meta"
"""The device of torch that has no bytes: what is not here is copied there, so that its tensors are at least made."""

VARIABLES = ("CUDA_VISIBLE_DEVICES", "HIP_VISIBLE_DEVICES", "ROCR_VISIBLE_DEVICES", "ZE_AFFINITY_MASK")
"""Of the user's environment: they say which accelerator is number 0."""

COPIES = "the copies to devices"


def torch_device(device: Device) -> str | None:
    """What torch calls a device; None for the disk."""
    if device.key == "disk":
        return None
    if isinstance(device.key, int):
        return f"{'xpu' if device.backend == 'xpu' else 'cuda'}:{device.key}"
    return device.key


class Copies:
    """What was copied so far, and the process that does it: None once it is gone, or where there never was one."""

    def __init__(self, destinations: Mapping[str, Key], on: Mapping[Key, str]) -> None:
        self.torch = ""
        self.failures: list[CopyFailure] = []
        self.skipped: list[Skip] = []
        self._destinations, self._on = destinations, dict(on)
        self._worker: Conversation | None = None
        self._counts: dict[Key, list[int]] = {}
        self._peaks: Mapping[str, int] = {}
        self._asked: list[tuple[str, Stretch, bool]] = []
        self._sheet: Sheet | None = None
        self._next = 0

    @property
    def are_made(self) -> bool:
        return self._worker is not None

    def begin(self, worker: Conversation) -> None:
        """Hear what the process has to copy with."""
        try:
            answer = worker.hear(FIRST)
        except Ended as error:
            self.skipped.append(Skip(COPIES, f"the process that imports torch {error}"))
            return
        match answer:
            case {"torch": str(version), "absent": dict(absent)}:
                self.torch, self._worker = f"torch {phrase(version)}", worker
                for key, on in self._on.items():
                    if on in absent:
                        self._on[key] = META
                        why = f"this machine has no {on}, as torch says: {phrase(absent[on])}"
                        self.skipped.append(Skip(f"the copies to device {key}", why))
            case {"unavailable": reason}:
                self.skipped.append(Skip(COPIES, f"torch cannot be imported: {phrase(reason)}"))
            case _:
                self.skipped.append(Skip(COPIES, "the process that imports torch gave no proper answer"))

    def open(self, sheet: Sheet) -> None:
        """Copy from this file from now on."""
        self._sheet, self._next = sheet, 0

    def ask(self, position: int, end: int, shift: int) -> None:
        """Have copied what the bytes from `position` to `end` of the file hold, which are at `shift` in the buffer."""
        if self._worker is None or self._sheet is None:
            return
        pieces: list[list[Any]] = []
        self._asked = []
        stretches = self._sheet.stretches
        while self._next < len(stretches) and (stretch := stretches[self._next]).begin < end:
            key = self._destinations.get(stretch.name)
            if key in self._on and stretch.end > stretch.begin:
                begin, until = max(stretch.begin, position), min(stretch.end, end)
                place = shift + begin - position
                size = stretch.end - stretch.begin
                pieces.append([self._on[key], size, begin - stretch.begin, place, place + until - begin])
                self._asked.append((self._sheet.entry.path, stretch, until == stretch.end))
            if stretch.end > end:
                break
            self._next += 1
        try:
            self._worker.say(pieces)
        except Ended as error:
            self._lost(error)

    def wait(self) -> None:
        """Until what was asked for is copied."""
        if self._worker is None:
            return
        try:
            answer = self._worker.hear(NEXT)
        except Ended as error:
            self._lost(error)
            return
        try:
            reasons = {int(number): phrase(why) for number, why in answer["failed"]}
        except (KeyError, TypeError, ValueError):
            self._worker.kill()
            self._lost(Ended("gave no proper answer"))
            return
        for number, (path, stretch, is_whole) in enumerate(self._asked):
            key = self._destinations[stretch.name]
            if number in reasons:
                self.failures.append(CopyFailure(key, self._on[key], path, stretch.name, reasons[number]))
            elif is_whole and not self._has_failed(path, stretch):
                count = self._counts.setdefault(key, [0, 0])
                count[0] += 1
                count[1] += stretch.end - stretch.begin

    def _has_failed(self, path: str, stretch: Stretch) -> bool:
        last = self.failures[-1] if self.failures else None
        return last is not None and (last.path, last.tensor) == (path, stretch.name)

    def _lost(self, error: Ended) -> None:
        self._worker = None
        first = self._asked[0] if self._asked else None
        if first is not None:
            path, stretch, _ = first
            key = self._destinations[stretch.name]
            reason = f"the process that copies {error}"
            self.failures.append(CopyFailure(key, self._on[key], path, stretch.name, reason, is_fatal=True))
        else:
            self.skipped.append(Skip(COPIES, f"the process that copies {error}"))

    def end(self) -> None:
        """Ask for the peaks of the devices."""
        if self._worker is None:
            return
        try:
            self._worker.say(None)
            peaks = self._worker.hear(NEXT).get("peak")
        except Ended:
            return
        if isinstance(peaks, dict):
            self._peaks = {name: peak for name, peak in peaks.items() if isinstance(peak, int)}

    @property
    def copied(self) -> tuple[Copied, ...]:
        return tuple(
            Copied(key, self._on[key], tensors, nbytes, self._peaks.get(self._on[key]))
            for key, (tensors, nbytes) in self._counts.items()
        )


@contextmanager
def copying(copies: Copies, on: Sequence[str], size: int) -> Iterator[int]:
    """A process that copies out of a buffer of this size, whose descriptor is given; -1 where there is none to fill."""
    if not on:
        yield -1
        return
    kept = {name: os.environ[name] for name in VARIABLES if name in os.environ}
    with ExitStack() as stack:
        descriptor = stack.enter_context(_buffer(size))
        try:
            worker = stack.enter_context(
                conversation(PROGRAM, [str(descriptor), str(size), *on], descriptors=[descriptor], variables=kept)
            )
        except Ended as error:
            copies.skipped.append(Skip(COPIES, f"the process that imports torch {error}"))
        else:
            copies.begin(worker)
        yield descriptor if copies.are_made else -1
        copies.end()


@contextmanager
def _buffer(size: int) -> Iterator[int]:
    """Memory that two processes share: a file without a name."""
    if hasattr(os, "memfd_create"):
        descriptor = os.memfd_create("hfcheck")
        try:
            os.ftruncate(descriptor, size)
            yield descriptor
        finally:
            os.close(descriptor)
        return
    with tempfile.TemporaryFile() as file:
        file.truncate(size)
        yield file.fileno()
