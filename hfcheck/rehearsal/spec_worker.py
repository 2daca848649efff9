"""A program: builds a model class of the installed transformers without its weights and says what it expects.

`hfcheck.loading.deep` starts it in an empty folder and hands it a request on stdin; the answer is one JSON object on
stdout. The config is a stranger's. So limits are set before anything of it is looked at, what selects code or leads to
other files is taken out, and whatever would still start a program or reach for the network is refused.
"""

import json
import os
import resource
import signal
import sys
from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager, ExitStack
from typing import Any

CONFIG = "config.json"

LIMITS = {
    resource.RLIMIT_AS: 32 * 2**30,  # addresses, not memory: a torch for CUDA maps large libraries
    resource.RLIMIT_DATA: 2 * 2**30,  # torch and transformers take 0.35 GiB, the objects of 1,000 layers 0.05 more
    resource.RLIMIT_CPU: 60,
    resource.RLIMIT_FSIZE: 64 * 2**20,
    resource.RLIMIT_CORE: 0,
    resource.RLIMIT_NOFILE: 512,
}

MESSAGE = 2000
"""Characters of an error's message that are passed on."""

SELECTS_CODE_OR_FILES = frozenset({
    "auto_map", "custom_pipelines", "trust_remote_code", "code_revision", "_commit_hash", "_name_or_path",
    "name_or_path", "transformers_weights", "attn_implementation", "_attn_implementation",
    "_attn_implementation_internal", "experts_implementation", "_experts_implementation",
    "_experts_implementation_internal", "fusion_config", "kernel_config", "use_kernels", "distributed_config",
    "quantization_config",
})  # fmt: skip
"""Keys that change which code runs and not what is expected of a file: kernels and attention can come from the Hub.
A quantised model is judged by what it was before."""

LEADS_AWAY = "configuration_files"
"""transformers reads the config of another version from the file that is named here."""

TIED, IGNORED_MISSING, IGNORED_UNEXPECTED = (
    "_tied_weights_keys", "_keys_to_ignore_on_load_missing", "_keys_to_ignore_on_load_unexpected",
)  # fmt: skip
"""What a model class says of itself under names with an underscore, and `post_init` collects from its parts."""

PREFERRED = (
    "MODEL_FOR_CAUSAL_LM_MAPPING_NAMES", "MODEL_FOR_IMAGE_TEXT_TO_TEXT_MAPPING_NAMES",
    "MODEL_FOR_SEQ_TO_SEQ_CAUSAL_LM_MAPPING_NAMES", "MODEL_FOR_PRETRAINING_MAPPING_NAMES", "MODEL_MAPPING_NAMES",
)  # fmt: skip

FORBIDDEN = (
    "socket.connect", "socket.getaddrinfo", "socket.gethostbyname", "socket.sendto", "subprocess.Popen", "os.system",
    "os.exec", "os.fork", "os.posix_spawn", "os.spawn", "pickle.find_class",
)  # fmt: skip


class Refused(PermissionError):
    """The model does what this program must not do.

    Where transformers catches it, it goes on without: rwkv looks for a compiler.
    """


class CannotTell(Exception):
    """The installed transformers gives no answer for a reason that lies in the installation, not in the config."""


class Raised(Exception):
    """The installed transformers refuses: `stage` is "type", "config" or "constructor"."""

    def __init__(self, stage: str, error: Exception) -> None:
        super().__init__(str(error))
        self.stage = stage
        self.error = error


def main() -> None:
    """Answer one request: {"config": text of config.json, "class": name or null, "model_type": text}."""
    # Libraries print what they like: their stdout is stderr, and the answer has a descriptor of its own.
    answer = os.dup(1)
    os.dup2(2, 1)
    for limit, most in LIMITS.items():
        hard = resource.getrlimit(limit)[1]
        most_ = most if hard == resource.RLIM_INFINITY else min(most, hard)
        resource.setrlimit(limit, (most_, hard))
    signal.signal(signal.SIGXFSZ, signal.SIG_DFL)
    request = json.loads(sys.stdin.read())
    with os.fdopen(answer, "w", encoding="utf-8") as stream:
        json.dump(_answer(request), stream, ensure_ascii=True)


def _answer(request: Mapping[str, Any]) -> dict[str, Any]:
    try:
        import torch  # noqa: PLC0415 - after the limits are set
        import transformers  # noqa: PLC0415
    except ImportError as error:
        return {"unavailable": f"it cannot be imported ({error!s:.{MESSAGE}})"}
    engine = {"transformers": transformers.__version__, "torch": torch.__version__}
    sys.addaudithook(_refuse)
    try:
        return {"engine": engine, "spec": _spec(request, transformers, torch)}
    except Raised as raised:
        said = {"stage": raised.stage, "error": type(raised.error).__name__, "message": str(raised)[:MESSAGE]}
        return {"engine": engine, "raised": said}
    except CannotTell as reason:
        return {"engine": engine, "unavailable": str(reason)[:MESSAGE]}


def _refuse(event: str, _arguments: tuple[Any, ...]) -> None:
    if event.startswith(FORBIDDEN):
        raise Refused(f"`{event}` is never allowed here")


def _spec(request: Mapping[str, Any], transformers: Any, torch: Any) -> dict[str, Any]:  # noqa: ANN401 - modules
    config_dict = _scrubbed(json.loads(request["config"]))
    if not isinstance(config_dict, dict):
        raise Raised("config", TypeError("config.json is not an object"))
    if LEADS_AWAY in config_dict:
        raise CannotTell(f"config.json names other configs in `{LEADS_AWAY}`, which are not read here")
    class_ = _class(transformers, request["class"], request["model_type"], config_dict.get("architectures"))
    with open(CONFIG, "w", encoding="utf-8") as file:  # of this folder, which is empty and our own
        json.dump(config_dict, file)
    try:
        config = class_.config_class.from_pretrained(os.getcwd(), local_files_only=True)
    except Exception as error:  # any error of any config class is the answer
        raise _sorted_out("config", error) from error
    try:
        with _without_weights(transformers, torch):
            model = class_(config)
    except Exception as error:
        raise _sorted_out("constructor", error) from error
    return _described(model, transformers, request["model_type"])


def _sorted_out(stage: str, error: Exception) -> Exception:
    """What an error says about: the config, or this machine and its limits."""
    if isinstance(error, ImportError):
        return CannotTell(f"it needs a package that is not installed: {error}")
    if isinstance(error, (OSError, MemoryError, RecursionError)):
        return CannotTell(f"{type(error).__name__} where it has no network, no programs and not much memory: {error}")
    return Raised(stage, error)


def _scrubbed(value: Any) -> Any:  # noqa: ANN401 - JSON
    if isinstance(value, dict):
        kept = {key: _scrubbed(inner) for key, inner in value.items() if key not in SELECTS_CODE_OR_FILES}
        if "use_pretrained_backbone" in kept:  # it would be fetched; with and without, the parameters are the same
            kept["use_pretrained_backbone"] = False
        return kept
    return [_scrubbed(inner) for inner in value] if isinstance(value, list) else value


def _class(transformers: Any, name: str | None, model_type: str, architectures: Any) -> Any:  # noqa: ANN401
    """The class of this name, else one that the config asks for, else the preferred one of the type."""
    from transformers.models.auto import modeling_auto  # noqa: PLC0415

    maps = {key: value for key, value in vars(modeling_auto).items() if key.endswith("_MAPPING_NAMES")}
    maps.pop("CONFIG_MAPPING_NAMES", None)
    known = {class_name for mapping in maps.values() for entry in mapping.values() for class_name in _names(entry)}
    if name is not None:
        if name not in known:  # `getattr` is asked for no other name
            raise CannotTell(f"it has no model class {name!r}")
        return getattr(transformers, name)
    asked = architectures if isinstance(architectures, list) else []
    chosen = next((entry for entry in asked if isinstance(entry, str) and entry in known), None)
    if chosen is not None:
        return getattr(transformers, chosen)
    if model_type not in transformers.CONFIG_MAPPING:
        raise Raised("type", ValueError(f"transformers has no model type {model_type!r}"))
    for entry in (maps[key].get(model_type) for key in PREFERRED if key in maps):
        if entry is not None:
            return getattr(transformers, _names(entry)[0])
    raise CannotTell(f"it has no model class for the type {model_type!r}")


def _names(entry: str | tuple[str, ...]) -> tuple[str, ...]:
    return (entry,) if isinstance(entry, str) else tuple(entry)


def _without_weights(transformers: Any, torch: Any) -> AbstractContextManager[Any]:  # noqa: ANN401
    """As `from_pretrained` builds a model before it reads a file: parameters have shapes and no bytes."""
    stack = ExitStack()
    stack.enter_context(torch.device("meta"))
    for name in ("no_init_weights", "meta_device_safe_creation_ops"):
        stack.enter_context(getattr(transformers.initialization, name)())
    return stack


def _described(model: Any, transformers: Any, model_type: str) -> dict[str, Any]:  # noqa: ANN401
    state = model.state_dict()
    buffers = [name for name, _ in model.named_buffers()]
    unexpected: set[str] = set(getattr(model, IGNORED_UNEXPECTED) or ())
    # The two patterns that `_adjust_missing_and_unexpected_keys` adds by itself.
    if any(name.endswith("rotary_emb.inv_freq") for name in buffers):
        unexpected.add(r"rotary_emb\.inv_freq")
    if any(name.endswith("position_ids") for name in buffers):
        unexpected.add(r"(^|\.)position_ids$")
    parts = [(at, part) for at, part in model.named_modules() if isinstance(part, transformers.PreTrainedModel)]
    return {
        "architecture": type(model).__name__,
        "model_type": model_type,
        "state": {name: list(tensor.shape) for name, tensor in state.items()},
        "integers": [name for name, tensor in state.items() if not _is_floating(tensor)],
        "base_prefix": model.base_model_prefix,
        "submodels": [[at, type(part).__name__, part.config.model_type, _heads(part.config)] for at, part in parts],
        "tied": [[at, keys] for at, keys in _tied(model, "")],
        "ignore_missing": sorted(getattr(model, IGNORED_MISSING) or ()),
        "ignore_unexpected": sorted(unexpected),
    }


def _is_floating(tensor: Any) -> bool:  # noqa: ANN401
    return bool(tensor.is_floating_point() or tensor.is_complex())


def _heads(config: Any) -> int | None:  # noqa: ANN401
    try:
        heads = getattr(config, "num_attention_heads", None)
    except Exception:  # noqa: BLE001 - a config whose layers differ has an error of its own for it
        return None
    return heads if type(heads) is int else None


def _tied(model: Any, at: str) -> Iterator[tuple[str, dict[str, str]]]:  # noqa: ANN401
    """The active `_tied_weights_keys`, as `post_init` collects them: of children that are models, and theirs."""
    keys = getattr(model, TIED)
    if keys and getattr(model.config, "tie_word_embeddings", False):
        yield at, dict(keys)
    for name, child in model.named_children():
        if hasattr(child, "all_tied_weights_keys"):
            yield from _tied(child, f"{at}.{name}" if at else name)


if __name__ == "__main__":
    main()
