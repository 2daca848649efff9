"""Pickles that are one plain call: of every protocol, through a second pickle, buried in a state dict."""

import base64
from collections.abc import Iterator

from benchmarks.pickle.assembler import MARKER, RUN, Apply, Name, Raw, call, pickle, push
from benchmarks.pickle.sample import Sample

CODE = "print('hfcheck-marker')"
PLAIN: dict[str, tuple[Name, tuple[object, ...]]] = {
    "exec": (Name("builtins", "exec"), (CODE,)),
    "system": (Name("os", "system"), (MARKER,)),
    "posix-system": (Name("posix", "system"), (MARKER,)),
    "popen": (Name("subprocess", "Popen"), (["echo", "hfcheck-marker"],)),
    "runpy": (Name("runpy", "run_module"), ("this",)),
    "import": (Name("builtins", "__import__"), ("this",)),
}
ONE_CALL: dict[str, tuple[Name, tuple[object, ...]]] = {
    "eval": (Name("builtins", "eval"), (CODE,)),
    "compile": (Name("builtins", "compile"), (CODE, "<x>", "exec")),
    "open": (Name("builtins", "open"), ("/tmp/hfcheck-marker", "w")),  # noqa: S108 - nobody opens it
    "getattr": (Name("builtins", "getattr"), (Name("os", "system"), "__call__")),
    "check-output": (Name("subprocess", "check_output"), (["echo", "hfcheck-marker"],)),
    "getoutput": (Name("subprocess", "getoutput"), (MARKER,)),
    "nt-system": (Name("nt", "system"), (MARKER,)),
    "os-popen": (Name("os", "popen"), (MARKER,)),
    "os-execv": (Name("os", "execv"), ("/bin/echo", ["echo", "hfcheck-marker"])),
    "os-spawnlp": (Name("os", "spawnlp"), (0, "echo", "echo", "hfcheck-marker")),
    "os-putenv": (Name("os", "putenv"), ("HFCHECK", "marker")),
    "os-remove": (Name("os", "remove"), ("/nonexistent/hfcheck-marker",)),
    "rmtree": (Name("shutil", "rmtree"), ("/nonexistent/hfcheck-marker",)),
    "socket": (Name("socket", "create_connection"), (("127.0.0.1", 9),)),
    "urlopen": (Name("urllib.request", "urlopen"), ("http://127.0.0.1:9/hfcheck-marker",)),
    "requests": (Name("requests.api", "get"), ("http://127.0.0.1:9/hfcheck-marker",)),
    "webbrowser": (Name("webbrowser", "open"), ("http://127.0.0.1:9/hfcheck-marker",)),
    "pip": (Name("pip._internal", "main"), (["help"],)),
    "pip-main": (Name("pip", "main"), (["help"],)),
    "pdb": (Name("pdb", "run"), (CODE,)),
    "bdb": (Name("bdb", "Bdb.run"), (None, CODE)),
    "asyncio-shell": (Name("asyncio", "create_subprocess_shell"), (MARKER,)),
    "asyncio-exec": (Name("asyncio.subprocess", "create_subprocess_exec"), ("echo", "hfcheck-marker")),
    "dill-import": (Name("dill._dill", "_import_module"), ("os",)),
    "dill-eval": (Name("dill._dill", "_eval_repr"), (CODE,)),
    "cloudpickle": (Name("cloudpickle.cloudpickle", "_builtin_type"), ("CodeType",)),
    "commands": (Name("commands", "getoutput"), (MARKER,)),
    "sys-exit": (Name("sys", "exit"), (0,)),
    "os-exit": (Name("os", "_exit"), (0,)),
    "breakpoint": (Name("builtins", "breakpoint"), ()),
    "input": (Name("builtins", "input"), ("hfcheck-marker",)),
    "torch-load": (Name("torch.serialization", "load"), ("other.bin",)),
    "import-module": (Name("importlib", "import_module"), ("this",)),
    "types-function": (Name("types", "FunctionType"), (None, {})),
    "marshal": (Name("marshal", "loads"), (b"N",)),
    "ctypes": (Name("ctypes", "CDLL"), ("libc.so.6",)),
    "multiprocessing": (Name("multiprocessing.context", "Process"), ()),
    "thread": (Name("_thread", "start_new_thread"), (Name("builtins", "print"), ("hfcheck-marker",))),
    "setattr": (Name("builtins", "setattr"), (Name("os", "path"), "hfcheck", "marker")),
    "torch-hub": (Name("torch.hub", "load"), ("owner/name", "model")),
    "torch-cpp": (Name("torch.utils.cpp_extension", "load_inline"), ("name", "int main(){}")),
    "numpy-exec": (Name("numpy.testing._private.utils", "runstring"), (CODE, {})),
    "code-run": (Name("code", "interact"), ()),
    "tempfile": (Name("tempfile", "mkdtemp"), ()),
    "getattr-dotless": (Name("builtins", "getattr"), (Apply(Name("builtins", "__import__"), ("os",)), "system")),
}


def samples() -> Iterator[Sample]:
    yield from _protocols()
    yield from _fixtures()


def _protocols() -> Iterator[Sample]:
    for protocol in range(6):
        for name, (callee, args) in PLAIN.items():
            module = "__builtin__" if callee.module == "builtins" and protocol < 3 else callee.module  # noqa: PLR2004
            data = call(module, callee.name, *args, protocol=protocol)
            yield Sample("raw_protocols", f"{name}-p{protocol}", "model.pkl", data)
    state: dict[str, object] = {f"layer.{number}.weight": [0.5] * 8 for number in range(200)}
    for protocol in (0, 2, 4):
        data = pickle({**state, "layer.117.bias": {"scale": [1.0, (2, RUN)]}}, protocol)
        yield Sample("raw_protocols", f"buried-p{protocol}", "pytorch_model.bin", data)


def _fixtures() -> Iterator[Sample]:
    group = "raw_pickle_fixture"
    for number, (name, (callee, args)) in enumerate(ONE_CALL.items()):
        protocol = 4 if "." in callee.name else (0, 2, 3, 4)[number % 4]
        yield Sample(group, name, "model.pkl", call(callee.module, callee.name, *args, protocol=protocol))
    inner = pickle(RUN, 2)
    text = base64.b64encode(inner).decode()
    decode = Apply(Name("base64", "b64decode"), (text,))
    yield Sample(group, "two-stage", "model.pkl", call("pickle", "loads", inner))
    yield Sample(group, "two-stage-base64", "model.pkl", pickle(Apply(Name("_pickle", "loads"), (decode,)), 2))
    yield Sample(group, "exec-base64", "model.pkl", pickle(Apply(Name("builtins", "exec"), (decode,)), 3))
    code = Apply(Name("zlib", "decompress"), (decode,))
    yield Sample(group, "exec-zlib", "model.pkl", pickle(Apply(Name("builtins", "exec"), (code,)), 4))
    joined = Apply(Name("builtins", "getattr"), ("", "join"))
    yield Sample(group, "join", "model.pkl", pickle(Apply(joined, (["a", "b"],)), 4))
    state = Raw(push(Apply(Name("collections", "OrderedDict"), ()), 2) + push({"w": RUN}, 2) + b"b")
    yield Sample(group, "in-build-state", "model.pkl", pickle(state, 2))
    yield Sample(group, "as-key", "model.pkl", pickle(Raw(b"}" + push(RUN, 2) + b"Ns"), 2))
    yield Sample(group, "in-set", "model.pkl", pickle(Raw(b"\x8f(" + push(RUN, 4) + b"\x90"), 4))
