"""One callable each: of published advisories, of the standard library and of packages that stand beside a model."""

from collections.abc import Iterator
from pathlib import Path

from benchmarks.pickle.assembler import MARKER, RUN, SYSTEM, Apply, Name, call, pickle
from benchmarks.pickle.sample import Sample

CALLABLES = Path(__file__).parent / "callables"
"""Lists of "module name", one on a line; those of advisories begin with the number of it."""
GROUPS = {"gadget_sweep": "sweep", "unknown_global_canary": "canaries", "dotted_reexport": "dotted"}


def _listed(listing: str) -> list[list[str]]:
    return [line.split() for line in (CALLABLES / f"{listing}.txt").read_text(encoding="utf-8").splitlines()]


def samples() -> Iterator[Sample]:
    for advisory, module, name in _listed("advisories"):
        data = call(module, name, MARKER, protocol=4)
        yield Sample("ghsa_gadget", advisory, "model.pkl", data)
    for group, listing in GROUPS.items():
        for number, (module, name) in enumerate(_listed(listing)):
            protocol = 4 if "." in name else (2, 3, 4)[number % 3]
            data = call(module, name, MARKER, protocol=protocol)
            yield Sample(group, f"{number:03}-{module}.{name}", "pytorch_model.bin", data)
    for module, name in _listed("reexported"):
        function = Apply(Name("builtins", "getattr"), (Name(module, name), "system"))
        data = pickle(Apply(function, (MARKER,)), 4)
        yield Sample("dotted_reexport", f"getattr-{module}.{name}", "model.pkl", data)
    inner = pickle(RUN, 2)
    for module, name in _listed("loaders"):
        data = pickle(Apply(Name(module, name), (inner,)), 4)
        yield Sample("nested_pickle", f"{module}.{name}", "model.pkl", data)
    yield from _combined()


def _combined() -> Iterator[Sample]:
    """Advisories whose trick takes more than one callable."""
    located = Apply(Name("pydoc", "locate"), ("os",))
    caller = Apply(Name("operator", "methodcaller"), ("system", MARKER))
    library = Apply(Name("ctypes", "CDLL"), ("libc.so.6",))
    marshalled = Apply(Name("types", "FunctionType"), (Apply(Name("marshal", "loads"), (b"c",)), {}))
    module = Apply(Name("importlib", "import_module"), ("os",))
    several = {
        "84r2-jw7c-4r5q-methodcaller": Apply(caller, (located,)),
        "hgrh-qx5j-jfwx": Apply(Name("pty", "spawn"), (["echo", "hfcheck-marker"],)),
        "no-id-ctypes-methodcaller": Apply(Apply(Name("operator", "methodcaller"), ("system", b"echo")), (library,)),
        "565g-hwwr-4pp3-function": Apply(marshalled, ()),
        "no-id-import-getattr-static": Apply(Name("inspect", "getattr_static"), (module, "system")),
        "cffc-mxrf-mhh4": Apply(Name("numpy.f2py.crackfortran", "_eval_scalar"), (MARKER, {})),
        "timeit-callable": Apply(Name("timeit", "timeit"), (SYSTEM,)),
    }
    for name, value in several.items():
        yield Sample("ghsa_gadget", name, "model.pkl", pickle(value, 4))
