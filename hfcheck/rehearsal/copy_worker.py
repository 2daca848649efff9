"""A program: copies the tensors of weight files to devices, one at a time, out of a buffer that somebody else fills.

`hfcheck.rehearsal.copies` starts it. It opens no file and sees no name: a request has places in the buffer and devices.
Requests are lines of JSON on stdin, answers lines on stdout. The buffer is not refilled before the answer.
"""

import json
import mmap
import os
import resource
import sys
from collections.abc import Callable
from contextlib import suppress
from typing import Any

LIMITS = {resource.RLIMIT_FSIZE: 64 * 2**20, resource.RLIMIT_CORE: 0, resource.RLIMIT_NOFILE: 4096}
"""None on memory: a driver of accelerators reserves more addresses than any machine has bytes."""

MESSAGE = 300
"""Characters of an error's message that are passed on."""

FORBIDDEN = (
    "socket.connect", "socket.bind", "socket.getaddrinfo", "socket.gethostbyname", "socket.sendto", "subprocess.Popen",
    "os.system", "os.exec", "os.fork", "os.posix_spawn", "os.spawn", "pickle.find_class",
)  # fmt: skip


class Refused(PermissionError):
    """What this program must never do."""


class TooLarge(Exception):
    """The memory of the machine does not hold the tensor: to try would be the end of this process, or of another."""


def main() -> None:
    """Arguments: the descriptor of the buffer, its bytes, and the devices that are asked for."""
    answer = os.dup(1)  # a library prints what it likes: its stdout is stderr
    os.dup2(2, 1)
    for limit, most in LIMITS.items():
        hard = resource.getrlimit(limit)[1]
        most_ = most if hard == resource.RLIM_INFINITY else min(most, hard)
        resource.setrlimit(limit, (most_, most_))
    with suppress(OSError), open("/proc/self/oom_score_adj", "w", encoding="ascii") as file:
        file.write("1000")  # where memory runs out, this process goes first
    buffer = mmap.mmap(int(sys.argv[1]), int(sys.argv[2]))
    with os.fdopen(answer, "w", encoding="utf-8", buffering=1) as stream:

        def say(**answer: object) -> None:
            stream.write(json.dumps(answer) + "\n")

        try:
            import torch  # noqa: PLC0415 - after the limits are set
        except Exception as error:  # noqa: BLE001 - an installation can be broken in any way
            say(unavailable=_said(error))
            return
        sys.addaudithook(_refuse)
        torch.set_num_threads(1)
        source = torch.frombuffer(buffer, dtype=torch.uint8)
        say(torch=torch.__version__, absent={name: why for name in sys.argv[3:] if (why := _absence(torch, name))})
        _serve(torch, source, say)


def _refuse(event: str, _arguments: tuple[Any, ...]) -> None:
    if event.startswith(FORBIDDEN):
        raise Refused(f"`{event}` is never allowed here")


def _said(error: BaseException) -> str:
    text = " ".join(str(error).split())[:MESSAGE]
    return f"{type(error).__name__}: {text}" if text else type(error).__name__


def _absence(torch: Any, name: str) -> str:  # noqa: ANN401 - a module
    """Why a device cannot be used; empty where it can."""
    try:
        torch.empty(1, dtype=torch.uint8, device=name)
    except Exception as error:  # noqa: BLE001 - each backend has its own
        return _said(error)
    return ""


def _serve(torch: Any, source: Any, say: Callable[..., None]) -> None:  # noqa: ANN401 - torch has no types
    """Answer each window: pieces as [device, bytes of the tensor, place in it, begin and end in the buffer]."""
    target: Any = None
    for line in sys.stdin.buffer:
        pieces = json.loads(line)
        if pieces is None:
            say(peak={name: peak for name in sys.argv[3:] if (peak := _peak(torch, name)) is not None})
            return
        failed = []
        for number, piece in enumerate(pieces):
            target, why = _copied(torch, source, piece, target)
            if why:
                failed.append([number, why])
        say(failed=failed)


def _copied(torch: Any, source: Any, piece: list[Any], target: Any) -> tuple[Any, str]:  # noqa: ANN401
    """Copy one piece; gives the tensor where it goes on, and why it failed, if it did."""
    device, nbytes, at, begin, end = piece
    try:
        if at == 0:
            _check_room(device, nbytes)
            target = torch.empty(nbytes, dtype=torch.uint8, device=device)
        if target is None:
            return None, ""  # it failed before
        if device != "meta":
            target[at : at + end - begin].copy_(source[begin:end])
        if at + end - begin < nbytes:
            return target, ""
        _finish(torch, device)
    except Exception as error:  # noqa: BLE001 - whatever a device says is the answer
        return None, _said(error)
    return None, ""


def _check_room(device: str, nbytes: int) -> None:
    """Memory is promised that is not there, and whoever uses it is killed."""
    if device != "cpu":
        return
    with suppress(OSError, ValueError, StopIteration), open("/proc/meminfo", encoding="ascii") as file:
        words = next(line for line in file if line.startswith("MemAvailable:")).split()
        if nbytes > (available := int(words[1]) * 1024):
            raise TooLarge(f"it has {nbytes} bytes, and {available} are available")


def _finish(torch: Any, device: str) -> None:  # noqa: ANN401
    """Wait until the bytes are there: copies to an accelerator go on behind our back, and fail there."""
    backend = device.partition(":")[0]
    if backend not in {"cpu", "meta"}:
        getattr(torch, backend).synchronize(*([device] if backend != "mps" else []))


def _peak(torch: Any, device: str) -> int | None:  # noqa: ANN401
    """The most bytes that tensors took at once, by the device's own counter."""
    try:
        return int(getattr(torch, device.partition(":")[0]).max_memory_allocated(device))
    except Exception:  # noqa: BLE001 - it has no counter, or is not here
        return None


if __name__ == "__main__":
    main()
