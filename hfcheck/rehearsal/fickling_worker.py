"""A program: has fickling judge one pickle, which comes on stdin, and says its verdict as one JSON object on stdout.

`hfcheck.opinion.ask` starts it. The pickle is a stranger's and fickling has its faults, so limits are set before it is
imported: it can write no file, and what would start a program, reach for the network or unpickle is refused.
"""

import io
import json
import os
import resource
import sys
from typing import Any

LIMITS = {
    resource.RLIMIT_AS: 2 * 2**30,
    resource.RLIMIT_CPU: 20,
    resource.RLIMIT_FSIZE: 0,
    resource.RLIMIT_CORE: 0,
    resource.RLIMIT_NOFILE: 64,
}

MAX_OPCODES = 100_000
"""Of which fickling takes a second; from 500,000 it takes any pickle for an attack on itself."""

MESSAGE = 2000
"""Characters that are passed on: the answer fits into a pipe that nobody reads yet."""

FORBIDDEN = (
    "socket.", "subprocess.Popen", "os.system", "os.exec", "os.fork", "os.posix_spawn", "os.spawn",
    "pickle.find_class", "ctypes.",
)  # fmt: skip


class Refused(PermissionError):
    """fickling would do what this program must not do."""


def main() -> None:
    answer = os.dup(1)  # a library prints what it likes: its stdout is stderr
    os.dup2(2, 1)
    for limit, most in LIMITS.items():
        hard = resource.getrlimit(limit)[1]
        most_ = most if hard == resource.RLIM_INFINITY else min(most, hard)
        resource.setrlimit(limit, (most_, most_))
    found = _answer(sys.stdin.buffer.read())
    os.write(answer, json.dumps(found, ensure_ascii=True).encode())


def _answer(pickled: bytes) -> dict[str, Any]:
    try:
        import fickling  # type: ignore[import-untyped]  # noqa: PLC0415 - after the limits are set
        from fickling.analysis import check_safety  # type: ignore[import-untyped]  # noqa: PLC0415
        from fickling.fickle import Pickled  # type: ignore[import-untyped]  # noqa: PLC0415
    except ImportError as error:
        return {"unavailable": str(error)[:MESSAGE]}
    sys.addaudithook(_refuse)
    version = str(fickling.__version__)
    try:
        # What comes before an error is run before the error: it is looked at as well.
        opcodes = Pickled.load(io.BytesIO(pickled), fail_on_decode_error=False)
        if len(opcodes) > MAX_OPCODES:
            return {"unavailable": f"it reads {len(opcodes)} opcodes, and at most {MAX_OPCODES} are handed on"}
        results = check_safety(opcodes)
        return {"fickling": version, "severity": results.severity.name, "message": str(results)[:MESSAGE]}
    except Exception as error:  # noqa: BLE001 - whatever it is: fickling failed, and that is the answer
        return {"fickling": version, "failed": type(error).__name__, "message": str(error)[:MESSAGE]}


def _refuse(event: str, _arguments: tuple[Any, ...]) -> None:
    if event.startswith(FORBIDDEN):
        raise Refused(f"`{event}` is never allowed here")


if __name__ == "__main__":
    main()
