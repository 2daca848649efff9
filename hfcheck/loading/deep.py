"""What a model class expects, asked of the transformers that is installed here instead of the atlas: `--deep`.

The answer comes from a process of its own (`hfcheck.rehearsal.spec_worker`), which gets the text of config.json on
stdin, an environment without anything of the user's, an empty folder to work in, and limits. Nothing of the repository
but that text reaches it. What it says is checked before it is used, and kept in the user's cache.
"""

import json
import os
import signal
import stat
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from hashlib import sha256
from importlib.metadata import PackageNotFoundError, version
from typing import Any

from hfcheck.loading.spec import Shape, Spec, Submodel, TiedKeys

MAX_CONFIG = 16 * 2**20
"""Bytes of config.json; the largest published, with 21,000 labels, have one million."""

MAX_ANSWER = 64 * 2**20
SECONDS = 120.0
"""On the clock. The worker limits its own processor time to 60 seconds; 5 are usual, most of them to import torch."""

LINE = "5."
"""The renames and converters of hfcheck are those of transformers 5.23; for another line they would be a guess."""

FORM = 1
"""Of the answer: another form is another key in the cache."""

MAX_CACHED = 200
MAX_CACHE = 256 * 2**20
"""Answers and bytes in the cache; the oldest are removed."""

DECIDING = (
    "transformers", "torch", "timm", "torchvision", "torchaudio", "scipy", "pillow", "natten", "detectron2", "kernels",
    "einops", "flash-attn", "mamba-ssm", "causal-conv1d", "accelerate", "numpy", "sentencepiece", "peft",
)  # fmt: skip
"""Packages whose presence or version decides which classes there are and what they are built of."""

KEPT_VARIABLES = ("PATH", "LD_LIBRARY_PATH", "SYSTEMROOT")
"""Of the user's environment: without them some installations do not find their libraries."""

WORKER = os.path.join(os.path.dirname(os.path.dirname(os.path.abspath(__file__))), "rehearsal", "spec_worker.py")


class DeepUnavailable(Exception):
    """There is no answer, for a reason that lies in the installation and not in the repository.

    The text is a sentence that says what to do, or what was in the way; it may hold words of the repository.
    """


class DeepFailed(Exception):
    """The installed transformers refuses this config: the load raises.

    `stage` is "type", "config" or "constructor"; `error` the name of the exception, `message` its text, which holds
    words of the repository. `engine` says which transformers it was.
    """

    def __init__(self, engine: str, stage: str, error: str, message: str) -> None:
        super().__init__(f"{error}: {message}")
        self.engine = engine
        self.stage = stage
        self.error = error
        self.message = message


@dataclass(frozen=True, slots=True)
class DeepSpec:
    """A spec and who gave it: `transformers 5.23.0 (installed)`."""

    spec: Spec
    engine: str


class _Malformed(ValueError):
    """An answer that is not what the worker writes: from a cache that somebody else wrote, or a process that died."""


def deep_spec(
    config_bytes: bytes, class_name: str | None, model_type: str, *, cache: str | None, seconds: float = SECONDS
) -> DeepSpec:
    """What the class of this name expects under this config; raises DeepFailed and DeepUnavailable.

    Without a name it is the class that the config asks for, or the preferred one of the type. `cache` is a folder for
    answers, as `cache_folder` gives it; None keeps none.
    """
    if len(config_bytes) > MAX_CONFIG:
        raise DeepUnavailable(f"config.json has {len(config_bytes)} bytes, and at most {MAX_CONFIG} are handed on")
    try:
        text = config_bytes.decode("utf-8")
    except UnicodeDecodeError as error:
        raise DeepUnavailable("config.json is not UTF-8 text") from error
    versions = _versions()
    asked = (FORM, sha256(config_bytes).hexdigest(), class_name, model_type, sys.version, sorted(versions.items()))
    entry = os.path.join(cache, f"{sha256(json.dumps(asked).encode()).hexdigest()}.json") if cache else None
    if entry is not None and (kept := _read_cached(entry)) is not None:
        with suppress(_Malformed):
            return _judged(kept, versions)
    answer = _ask({"config": text, "class": class_name, "model_type": model_type}, seconds)
    try:
        result = _judged(answer, versions)
    except _Malformed as error:
        raise DeepUnavailable("the process that asks the installed transformers gave no proper answer") from error
    except DeepFailed:
        _keep(entry, answer)
        raise
    _keep(entry, answer)
    return result


def cache_folder(environment: Mapping[str, str], repository: str) -> str | None:
    """Where answers are kept, by the XDG rules; None where that would be inside the repository or nowhere.

    https://specifications.freedesktop.org/basedir-spec/latest/ : a relative path is ignored.
    """
    base = environment.get("XDG_CACHE_HOME", "")
    if not os.path.isabs(base):
        home = environment.get("HOME", "")
        if not os.path.isabs(home):
            return None
        base = os.path.join(home, ".cache")
    folder, root = os.path.realpath(os.path.join(base, "hfcheck", "deep")), os.path.realpath(repository)
    return None if os.path.commonpath((folder, root)) == root else folder


def _versions() -> dict[str, str]:
    versions = {}
    for name in DECIDING:
        with suppress(PackageNotFoundError):
            versions[name] = version(name)
    for name in ("transformers", "torch"):
        if name not in versions:
            raise DeepUnavailable(f"{name} is not installed beside hfcheck: `pip install 'transformers>=5' torch`")
    if not versions["transformers"].startswith(LINE):
        found = versions["transformers"]
        raise DeepUnavailable(f"transformers {found} is installed, and only its line {LINE}x can be asked")
    return versions


def _ask(request: Mapping[str, str | None], seconds: float) -> Any:  # noqa: ANN401 - JSON
    """The worker's answer. Its stdout is a file, so that the limit on the size of files holds for it."""
    if not sys.executable:
        raise DeepUnavailable("it is not known which Python runs here, so no second one can be started")
    with (
        tempfile.TemporaryDirectory(prefix="hfcheck-") as folder,
        tempfile.TemporaryFile() as asked,
        tempfile.TemporaryFile() as answered,
    ):
        asked.write(json.dumps(request).encode())
        asked.seek(0)
        # -I: no PYTHON variables, no user site, neither the working folder nor the script's on the path.
        with subprocess.Popen(  # noqa: S603 - our own program; nothing of the repository is among the arguments
            [sys.executable, "-I", "-B", "-X", "utf8", WORKER],
            cwd=folder,
            env=_environment(folder),
            stdin=asked,
            stdout=answered,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        ) as process:
            code = _waited(process, seconds)
        if code:
            raise DeepUnavailable(f"the process that asks the installed transformers {_ended(code)}")
        answered.seek(0)
        try:
            return json.loads(answered.read(MAX_ANSWER))
        except (ValueError, RecursionError) as error:
            raise DeepUnavailable("the process that asks the installed transformers gave no answer") from error


def _waited(process: "subprocess.Popen[bytes]", seconds: float) -> int:
    try:
        return process.wait(seconds)
    except BaseException as error:  # an interrupt, or the engine's clock: no process is left behind
        os.killpg(process.pid, signal.SIGKILL)  # not yet waited for, so the number is still its own
        if isinstance(error, subprocess.TimeoutExpired):
            raise DeepUnavailable(f"the installed transformers took more than {seconds:g} seconds") from error
        raise


def _ended(code: int) -> str:
    if code > 0:
        return f"ended with exit code {code}"
    name = signal.Signals(-code).name
    limits = {"SIGXCPU": "processor time", "SIGXFSZ": "the size of its answer", "SIGKILL": "memory, or by somebody"}
    return f"was ended by {name}" + (f": a limit on {limits[name]}" if name in limits else "")


def _environment(folder: str) -> dict[str, str]:
    return {
        **{name: os.environ[name] for name in KEPT_VARIABLES if name in os.environ},
        "HOME": folder,
        "TMPDIR": folder,
        "HF_HOME": folder,
        "LANG": "C.UTF-8",
        "HF_HUB_OFFLINE": "1",
        "TRANSFORMERS_OFFLINE": "1",
        "HF_HUB_DISABLE_TELEMETRY": "1",
        "HF_HUB_DISABLE_IMPLICIT_TOKEN": "1",
        "USE_HUB_KERNELS": "NO",
        "TRANSFORMERS_VERBOSITY": "error",
        "TOKENIZERS_PARALLELISM": "false",
        "CUDA_VISIBLE_DEVICES": "",
        "OMP_NUM_THREADS": "1",
        "MKL_NUM_THREADS": "1",
    }


def _judged(answer: Any, versions: Mapping[str, str]) -> DeepSpec:  # noqa: ANN401 - JSON
    match answer:
        case {"unavailable": str(reason)}:
            raise DeepUnavailable(f"the installed transformers gives no answer: {reason}")
        case {"engine": {"transformers": str(found)}, "raised": {"stage": str(stage), "error": str(error), **rest}}:
            message = rest.get("message")
            if found != versions["transformers"] or not isinstance(message, str):
                raise _Malformed
            raise DeepFailed(_label(found), stage, error, message)
        case {"engine": {"transformers": str(found)}, "spec": dict(value)} if found == versions["transformers"]:
            return DeepSpec(_spec(value), _label(found))
    raise _Malformed


def _label(found: str) -> str:
    return f"transformers {found} (installed)"


def _spec(value: Mapping[str, Any]) -> Spec:
    try:
        return Spec(
            architecture=_text(value["architecture"]),
            model_type=_text(value["model_type"]),
            state={_text(name): _shape(shape) for name, shape in value["state"].items()},
            integers=frozenset(_texts(value["integers"])),
            base_prefix=_text(value["base_prefix"]),
            submodels=tuple(
                Submodel(_text(at), _text(name), _text(type_), None if heads is None else _size(heads))
                for at, name, type_, heads in value["submodels"]
            ),
            tied=tuple(
                TiedKeys(_text(at), {_text(target): _text(source) for target, source in keys.items()})
                for at, keys in value["tied"]
            ),
            ignore_missing=_texts(value["ignore_missing"]),
            ignore_unexpected=_texts(value["ignore_unexpected"]),
        )
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise _Malformed from error


def _text(value: object) -> str:
    if not isinstance(value, str):
        raise _Malformed
    return value


def _texts(value: object) -> tuple[str, ...]:
    if not isinstance(value, list):
        raise _Malformed
    return tuple(_text(item) for item in value)


def _size(value: object) -> int:
    if type(value) is not int or value < 0:
        raise _Malformed
    return value


def _shape(value: object) -> Shape:
    if not isinstance(value, list):
        raise _Malformed
    return tuple(_size(item) for item in value)


def _read_cached(path: str) -> Any:  # noqa: ANN401 - JSON
    """What is kept at this path; None where nothing is, or what is there is not a plain file of our own."""
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError:
        return None
    with os.fdopen(descriptor, "rb") as file:
        found = os.fstat(descriptor)
        if not stat.S_ISREG(found.st_mode) or found.st_uid != os.getuid() or found.st_size > MAX_ANSWER:
            return None
        try:
            return json.loads(file.read(MAX_ANSWER))
        except (OSError, ValueError, RecursionError):
            return None


def _keep(path: str | None, answer: Any) -> None:  # noqa: ANN401 - JSON
    """Write an answer to the cache, whole or not at all; a cache that cannot be written is none."""
    if path is None:
        return
    folder = os.path.dirname(path)
    with suppress(OSError):
        os.makedirs(folder, mode=0o700, exist_ok=True)
        descriptor, temporary = tempfile.mkstemp(dir=folder, suffix=".part")
        try:
            with os.fdopen(descriptor, "w", encoding="utf-8") as file:
                json.dump(answer, file)
            os.replace(temporary, path)
        except BaseException:
            os.unlink(temporary)
            raise
        _prune(folder)


def _prune(folder: str) -> None:
    with os.scandir(folder) as entries:
        files = [(entry.stat(follow_symlinks=False), entry.path) for entry in entries]
    size = 0
    for number, (found, path) in enumerate(sorted(files, key=lambda file: -file[0].st_mtime)):
        size += found.st_size
        if number >= MAX_CACHED or size > MAX_CACHE:
            with suppress(OSError):  # another process was quicker
                os.unlink(path)
