"""What scanners, loaders and their advisories were about, each rebuilt from its description: every one is an error.

No published sample is among them. What they call prints a word at worst, and nothing here is ever loaded.
"""

import gzip
import io
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest

from hfcheck import engine, registry, testing
from hfcheck.config import Settings
from hfcheck.example import Append, Archive, Content, Cut, Example, Pickle, Replace
from hfcheck.example_pickles import MARKER, call, joblib_array, pickle, torch_legacy, torch_zip
from hfcheck.finding import Severity
from hfcheck.rule import Rule

CALLABLES = {
    "GHSA-4r9r-ch6f-vxmx": "torch.utils.bottleneck.__main__ run_cprofile",
    "GHSA-4whj-rm5r-c2v8": "torch.utils.bottleneck.__main__ run_autograd_prof",
    "GHSA-86cj-95qr-2p4f": "torch._dynamo.guards GuardBuilder.get",
    "GHSA-f4x7-rfwp-v3xw": "torch.fx.experimental.symbolic_shapes ShapeEnv.evaluate_guards_expression",
    "GHSA-f745-w6jp-hpxx": "torch.utils.collect_env run",
    "GHSA-jhph-76pp-mggw": "torch.utils.collect_env run_and_read_all",
    "GHSA-h3qp-7fh3-f8h4": "torch.utils.data.datapipes.utils.decoder basichandlers",
    "GHSA-vr7h-p6mm-wpmh": "torch.jit.unsupported_tensor_ops execWrapper",
    "GHSA-vv6j-3g6g-2pvj": "torch.utils._config_module ConfigModule.load_config",
    "GHSA-5qwp-399c-mjwf": "trace Trace.run",
    "GHSA-g344-hcph-8vgg": "trace Trace.runctx",
    "GHSA-x696-vm39-cp64": "profile Profile.run",
    "GHSA-6vqj-c2q5-j97w": "profile Profile.runctx",
    "GHSA-7wx9-6375-f5wh CVE-2026-53873": "profile run",
    "GHSA-49gj-c84q-6qm9": "cProfile run",
    "GHSA-9w88-8rmg-7g2p CVE-2026-22607": "cProfile runctx",
    "GHSA-f54q-57x4-jg88": "lib2to3.pgen2.grammar Grammar.loads",
    "GHSA-p9w7-82w4-7q8m": "lib2to3.pgen2.pgen ParserGenerator.make_label",
    "idlelib: AutoComplete.fetch_completions of autocomplete": "idlelib.autocomplete AutoComplete.fetch_completions",
    "idlelib: AutoComplete.get_entity of autocomplete": "idlelib.autocomplete AutoComplete.get_entity",
    "idlelib: Calltip.fetch_tip of calltip": "idlelib.calltip Calltip.fetch_tip",
    "idlelib: get_entity of calltip": "idlelib.calltip get_entity",
    "idlelib: ObjectTreeItem.SetText of debugobj": "idlelib.debugobj ObjectTreeItem.SetText",
    "idlelib: ModifiedInterpreter.runcode of pyshell": "idlelib.pyshell ModifiedInterpreter.runcode",
    "idlelib: ModifiedInterpreter.runcommand of pyshell": "idlelib.pyshell ModifiedInterpreter.runcommand",
    "idlelib: Executive.runcode of run": "idlelib.run Executive.runcode",
    "GHSA-cj3c-v495-4xqh": "code InteractiveInterpreter.runcode",
    "GHSA-cj3c-v495-4xqh, the class": "code InteractiveInterpreter",
    "GHSA-xp4f-hrf8-rxw7": "ensurepip _run_pip",
    "GHSA-fqq6-7vqf-w3fg": "doctest debug_script",
    "GHSA-q77w-mwjj-7mqx": "asyncio.unix_events _UnixSubprocessTransport._start",
    "GHSA-655q-fx9r-782v CVE-2025-1716": "pip main",
    "CVE-2025-1716, another name": "pip._internal main",
    "GHSA-m273-6v24-x4m4 CVE-2025-71321": "distutils.file_util write_file",
    "GHSA-4675-36f9-wf6r CVE-2025-71323": "ctypes CDLL",
    "CVE-2025-71323, by attribute": "ctypes cdll.LoadLibrary",
    "GHSA-84r2-jw7c-4r5q": "pydoc locate",
    "GHSA-84r2-jw7c-4r5q, its second half": "operator methodcaller",
    "GHSA-vqmv-47xg-9wpr": "pty spawn",
    "GHSA-r8g5-cgf2-4m4m and others: getlincoef": "numpy.f2py.crackfortran getlincoef",
    "GHSA-r8g5-cgf2-4m4m and others: _eval_length": "numpy.f2py.crackfortran _eval_length",
    "GHSA-r8g5-cgf2-4m4m and others: myeval": "numpy.f2py.crackfortran myeval",
    "GHSA-r8g5-cgf2-4m4m and others: param_eval": "numpy.f2py.crackfortran param_eval",
    "GHSA-fj43-3qmq-673f": "numpy.testing._private.utils runstring",
    "CVE-2025-71351": "timeit timeit",
    "GHSA-955r-x9j8-7rhh": "_operator methodcaller",
    "GHSA-46h3-79wf-xr6c CVE-2025-71367": "_operator attrgetter",
    "GHSA-9726-w42j-3qjr": "_io FileIO",
    "GHSA-9726-w42j-3qjr, the network": "urllib.request urlopen",
    "GHSA-9m3x-qqw2-h32h": "types CodeType",
    "GHSA-9m3x-qqw2-h32h, cloudpickle": "cloudpickle.cloudpickle _make_function",
    "GHSA-m7j5-r2p5-c39r CVE-2026-56304": "logging FileHandler",
    "GHSA-vvpj-8cmc-gx39 CVE-2026-3490": "pkgutil resolve_name",
    "GHSA-g38g-8gr9-h9xp CVE-2026-56315 uuid": "uuid _get_command_stdout",
    "CVE-2026-56315 _osx_support": "_osx_support _read_output",
    "CVE-2026-56315 _aix_support": "_aix_support _read_cmd_output",
    "CVE-2026-56315 imaplib": "imaplib IMAP4_stream",
    "CVE-2026-56315 _pyrepl": "_pyrepl.pager pipe_pager",
    "CVE-2026-56315 test.support": "test.support.script_helper assert_python_ok",
    "GHSA-565g-hwwr-4pp3 CVE-2025-67747": "marshal loads",
    "CVE-2025-67747, its second half": "types FunctionType",
    "GHSA-wfq2-52f7-7qvj CVE-2026-22606": "runpy run_path",
    "CVE-2026-22606, another": "runpy _run_code",
    "GHSA-5hvc-6wx8-mvv4 CVE-2026-22608": "ctypes PyDLL",
    "GHSA-q5qq-mvfm-j35x CVE-2026-22609": "importlib import_module",
    "CVE-2026-22609 multiprocessing": "multiprocessing.util spawnv_passfds",
    "GHSA-h4rm-mm56-xf63 CVE-2026-22612": "builtins __import__",
    "GHSA-h4rm-mm56-xf63, by the old name": "__builtin__ execfile",
    "GHSA-5hwf-rc88-82xm": "_osx_support _find_build_tool",
    "GHSA-6ggj-6f2q-f7mx": "_interpreters run_string",
    "GHSA-mhc9-48gj-9gp3": "http.server HTTPServer",
    "GHSA-mhc9-48gj-9gp3, signals": "signal signal",
    "GHSA-r48f-3986-4f9c linecache": "linecache getlines",
    "GHSA-r48f-3986-4f9c difflib": "difflib context_diff",
    "GHSA-r48f-3986-4f9c gc": "gc get_objects",
    "GHSA-pc6j-px3p-rrj4": "test.support run_with_locale",
    "GHSA-m6fh-58r7-x697 CVE-2026-14534": "_posixsubprocess fork_exec",
    "CVE-2026-14534 site": "site execsitecustomize",
    "CVE-2026-14534 atexit": "atexit register",
    "GHSA-5cxw-w2xg-2m8h": "platform popen",
    "no id: inspect": "inspect getattr_static",
    "no id: distutils": "distutils.spawn spawn",
    "no id: numpy.distutils": "numpy.distutils.exec_command exec_command",
    "no id: codecs.open": "codecs open",
    "no id: io.open": "io open",
    "no id: http.client": "http.client HTTPSConnection",
    "no id: pipes": "pipes Template",
    "CVE-2025-32434": "torch._utils _import_dotted_name",
    "CVE-2024-5480": "torch.distributed.rpc.internal _internal_rpc_pickler.deserialize",
    "CVE-2024-48063": "torch.distributed.rpc RemoteModule",
    "CVE-2022-45907": "torch.jit.annotations parse_type_line",
    "CVE-2019-6446": "numpy load",
    "CVE-2022-21797": "joblib.parallel Parallel",
    "CVE-2024-34997": "joblib.numpy_pickle NumpyArrayWrapper.read_array",
    "CVE-2020-13092": "joblib load",
    "CVE-2020-13091": "pandas read_pickle",
    "CVE-2024-3568": "transformers.modeling_tf_utils load_repo_checkpoint",
    "CVE-2024-3660": "keras.models load_model",
    "CVE-2025-23304": "nemo.core.classes.common Serialization.from_config_dict",
    "a member of a class that nobody lists": "some_package.somewhere Something",
}  # fmt: skip
"""Advisory, and the module and the name in it that a pickle called."""


def called(named: str) -> Pickle:
    """The pickle that calls this with a word; from protocol 4 on, where dots in a name are looked up."""
    module, name = named.split(" ")
    if "." not in name:
        return call(module, name, "hfcheck-marker")
    names = f"SHORT_BINUNICODE {module}", f"SHORT_BINUNICODE {name}", "STACK_GLOBAL"
    return pickle(*names, "SHORT_BINUNICODE hfcheck-marker", "TUPLE1", "REDUCE", protocol=4)


SYSTEM = ("GLOBAL os system", f"BINUNICODE {MARKER}", "TUPLE1", "REDUCE")
RUN = pickle(*SYSTEM)
ZIP = torch_zip(RUN)
PAIR = ("EMPTY_TUPLE", *("DUP", "TUPLE2") * 40)


def packed(name: str, content: Content) -> bytes:
    return testing.to_bytes(name, content)


def deflated(members: dict[str, Content]) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in members.items():
            archive.writestr(zipfile.ZipInfo(name), packed(name, content), zipfile.ZIP_DEFLATED)
    return buffer.getvalue()


def npy(descr: str, data: Content) -> Append:
    header = f"{{'descr': {descr}, 'fortran_order': False, 'shape': (1,), }}".encode()
    return Append(b"\x93NUMPY\x01\x00" + (118).to_bytes(2, "little") + header.ljust(117) + b"\n", data)


def magic_by_a_call() -> Pickle:
    return Pickle((*RUN.lines, *torch_legacy(pickle("EMPTY_DICT")).lines[3:]))


def memoised(protocol: int, *between: str) -> Pickle:
    """Module and name in the memo, other things after them, and both taken from there at the end."""
    names = ("SHORT_BINUNICODE os", "MEMOIZE", "POP", "SHORT_BINUNICODE system", "MEMOIZE", "POP")
    return pickle(*names, *between, "BINGET 0", "BINGET 1", "STACK_GLOBAL", *SYSTEM[1:], protocol=protocol)


def straddling() -> Pickle:
    """The frame ends in the middle of a text, so that the C unpickler takes what comes behind the frame for it."""
    run = testing.to_bytes("", Pickle(SYSTEM[:1])) + b"X\x13\x00\x00\x00" + MARKER.encode() + b"\x85R."
    return Pickle(("PROTO 4", "FRAME 4", b"\x8c\x08ab", b"cdefgh0", run))


TRICKS: dict[str, dict[str, Content]] = {
    # Parsing and containers, by what they were published for.
    "CVE-2025-1889 a pickle of another extension in the archive": {
        "a.pt": torch_zip(pickle("EMPTY_DICT"), **{"config.p": RUN, "notes.txt": b"x"})
    },
    "CVE-2025-1944 another name in the local header": {"a.pt": Replace(ZIP, b"archive/data.pkl", b"archive/data.txt")},
    "CVE-2025-1945 a flag in the local header": {
        "a.pt": Replace(ZIP, b"PK\x03\x04\x14\x00\x00\x00", b"PK\x03\x04\x14\x00\x01\x00")
    },
    "CVE-2025-1945 a flag in the directory": {
        "a.pt": Replace(ZIP, b"PK\x01\x02\x14\x03\x14\x00\x00\x00", b"PK\x01\x02\x14\x03\x14\x00\x20\x00")
    },
    "CVE-2025-10155 a pickle called .bin": {"pytorch_model.bin": RUN},
    "CVE-2025-10156 a wrong CRC": {"a.pt": Replace(ZIP, MARKER.encode(), MARKER.upper().encode())},
    "CVE-2025-10157 a module below one that is listed": {"a.pkl": call("os.path.genericpath", "os", "x")},
    "GHSA-9gvj-pp9x-gcfr names far behind": {"a.pkl": memoised(4, *("NONE", "POP") * 500)},
    "CVE-2025-46417 names by STRING": {
        "a.pkl": pickle("STRING 'os'", "STRING 'system'", "STACK_GLOBAL", *SYSTEM[1:], protocol=4)
    },
    "CVE-2025-46417 an error behind the payload": {"a.pkl": pickle(*SYSTEM, b"\xff")},
    "CVE-2025-46417 the end behind the payload": {"a.pkl": Cut(RUN, 1)},
    "CVE-2026-53875 a magic number that a call makes": {"a.pt": magic_by_a_call()},
    "GHSA-mxhj-88fx-4pcv OBJ and POP": {
        "a.pkl": pickle("MARK", "GLOBAL os system", f"BINUNICODE {MARKER}", "OBJ", "POP", "NONE")
    },
    "GHSA-mxhj-88fx-4pcv INST and POP": {
        "a.pkl": pickle("MARK", f"BINUNICODE {MARKER}", "INST os system", "POP", "NONE", protocol=1)
    },
    "GHSA-5j3x-jp52-966f a dotted name": {"a.pkl": called("torch storage.os.system")},
    "GHSA-mhc9-48gj-9gp3 REDUCE and BUILD": {
        "a.pkl": pickle("GLOBAL socketserver TCPServer", "EMPTY_TUPLE", "REDUCE", "EMPTY_DICT", "BUILD")
    },
    "GHSA-r7v6-mfhq-g3m2 by NEWOBJ": {"a.pkl": pickle("GLOBAL pty spawn", "BINUNICODE true", "TUPLE1", "NEWOBJ")},
    "GHSA-cffv-grgg-g429 harmless pickles first": {
        "a.pkl": pickle("GLOBAL collections OrderedDict", "EMPTY_TUPLE", "REDUCE", "STOP", "PROTO 2", *SYSTEM)
    },
    "modelscan 330 an attribute of a function": {
        "a.pkl": pickle(
            "GLOBAL numpy.core.multiarray _reconstruct", "EMPTY_DICT", "BINUNICODE a", "NONE", "SETITEM", "BUILD"
        )
    },
    "modelscan 331 a joined name": {
        "a.pkl": pickle("BINUNICODE os", "BINUNICODE system.__call__", "STACK_GLOBAL", *SYSTEM[1:], protocol=4)
    },
    "modelscan 85 the memo": {"a.pkl": pickle("GLOBAL os system", "PUT 7", "POP", "GET 7", *SYSTEM[1:])},
    "modelscan 263 an archive of another extension": {"a.dat": ZIP},
    "a hexadecimal number in front": {"a.pkl": pickle("INT 0x1f", "POP", *SYSTEM)},
    "a hexadecimal number in front, in an array": {"a.npy": npy("'|O'", pickle("INT 0x1f", "POP", *SYSTEM))},
    "an index of the memo that is set again": {
        "a.pkl": pickle(
            "GLOBAL collections OrderedDict", "BINPUT 0", "POP", "GLOBAL os system", "BINPUT 0", "POP", "BINGET 0",
            *SYSTEM[1:],
        )
    },
    "MEMOIZE behind POP": {
        "a.pkl": pickle(
            "GLOBAL os system", "NONE", "POP", "MEMOIZE", "POP", "BINGET 0", *SYSTEM[1:], protocol=4
        )
    },
    "names by DUP": {"a.pkl": pickle("GLOBAL os system", "DUP", "POP", *SYSTEM[1:])},
    "arguments for map": {
        "a.pkl": pickle("GLOBAL builtins map", "GLOBAL os system", "EMPTY_LIST", "TUPLE2", "REDUCE")
    },
    "a number that is registered": {"a.pkl": pickle("EXT1 1", "EMPTY_TUPLE", "REDUCE")},
    "a call of what a call returns": {
        "a.pkl": pickle("GLOBAL collections OrderedDict", "EMPTY_TUPLE", "REDUCE", "EMPTY_TUPLE", "REDUCE")
    },
    "types and marshal": {
        "a.pkl": pickle(
            "GLOBAL types FunctionType", "GLOBAL marshal loads", "BINUNICODE x", "TUPLE1", "REDUCE", "EMPTY_DICT",
            "TUPLE2", "REDUCE", "EMPTY_TUPLE", "REDUCE",
        )
    },
    "dotted builtins at protocol 4": {"a.pkl": called("builtins object.__subclasses__")},
    "a list for the arguments": {
        "a.pkl": pickle("GLOBAL os system", "EMPTY_LIST", f"BINUNICODE {MARKER}", "APPEND", "REDUCE")
    },
    "a frame that is longer than the file": {"a.pkl": pickle("FRAME 4000", *SYSTEM, protocol=4)},
    "CPython 154848 a text across the end of its frame": {"a.pkl": straddling()},
    "a frame inside a frame": {"a.pkl": pickle("FRAME 100", "NONE", "FRAME 2", "POP", "NONE", protocol=4)},
    "a length beyond the end": {"a.pkl": pickle(*SYSTEM, b"X\xff\xff\xff\xff")},
    "each of five pickles: the protocol": {
        "a.pt": Pickle((*torch_legacy(RUN).lines[:3], *RUN.lines, *torch_legacy(RUN).lines[6:]))
    },
    "each of five pickles: the object": {"a.pt": torch_legacy(RUN)},
    "each of five pickles: the keys": {"a.pt": Pickle((*torch_legacy(pickle("EMPTY_DICT")).lines[:-3], *RUN.lines))},
    "a persistent id that is a module": {
        "a.pt": torch_legacy(
            pickle(
                "MARK", "BINUNICODE module", "GLOBAL os system", "NONE", "NONE", "TUPLE", "BINPERSID", *SYSTEM[1:]
            )
        )
    },
    "a persistent id in a plain pickle": {"a.pkl": pickle("BINUNICODE x", "BINPERSID")},
    "7z in the place of weights": {"pytorch_model.bin": b"7z\xbc\xaf\x27\x1c" + bytes(26)},
    "7z in the place of a pickle": {"a.pkl": b"7z\xbc\xaf\x27\x1c" + bytes(26)},
    "two data.pkl": {
        "a.pt": Archive({"archive/data.pkl": pickle("EMPTY_DICT"), "archive/DATA.PKL": RUN, "archive/version": b"3\n"})
    },
    "a deflated data.pkl": {"a.pt": deflated({"archive/data.pkl": RUN, "archive/version": b"3\n"})},
    "no version": {"a.pt": Archive({"archive/data.pkl": RUN})},
    "bytes in front of the archive": {"a.pt": Append(b"#" * 9, ZIP)},
    "an archive behind a pickle": {"a.pt": Append(pickle("EMPTY_DICT"), ZIP)},
    "an archive in an archive": {"a.zip": Archive({"inner/a.pt": ZIP})},
    "gzip": {"a.pkl.gz": gzip.compress(packed("", RUN), mtime=0)},
    "gzip of an archive, called .bin": {"a.bin": gzip.compress(packed("", ZIP), mtime=0)},
    "an array of objects": {"a.npy": npy("'|O'", RUN)},
    "an array with objects in a field": {"a.npy": npy("[('a', '<f4'), ('b', [('c', '|O')])]", RUN)},
    "an array of objects in an archive": {"a.npz": Archive({"a.npy": npy("'|O'", RUN)})},
    "a pickle called .npy": {"a.npy": RUN},
    "a pickle called .png": {"a.png": RUN},
    "protocol 0 called .txt": {"a.txt": f"cos\nsystem\n(V{MARKER}\ntR."},
    "behind the bytes of an array": {"a.joblib": pickle("EMPTY_LIST", *joblib_array(b"." * 80), "APPEND", *SYSTEM)},
    "in front of the bytes of an array": {"a.joblib": pickle(*SYSTEM, *joblib_array(b"." * 80), "TUPLE2")},
    "an index of the memo of four billion": {"a.pkl": pickle("NONE", "LONG_BINPUT 4000000000")},
    "a key that takes forever to hash": {"a.pkl": pickle("EMPTY_DICT", *PAIR, "NONE", "SETITEM")},
    "CVE-2026-24747 an item for a tensor": {
        "config.json": {"model_type": "x", "architectures": ["X"]},
        "pytorch_model.bin": torch_zip(
            pickle("GLOBAL torch._utils _rebuild_tensor_v2", "EMPTY_TUPLE", "REDUCE", "NONE", "NONE", "SETITEM")
        ),
    },
    "CVE-2026-4538 a package of torch": {"a.pt2": Archive({"a/data.pkl": RUN, "a/archive_format": b"pt2"})},
    "CVE-2024-34997 an array in another folder": {
        "a.joblib": pickle(
            "GLOBAL joblib.numpy_pickle NDArrayWrapper", "EMPTY_TUPLE", "NEWOBJ", "EMPTY_DICT", "BINUNICODE filename",
            "BINUNICODE ../../x.npy", "SETITEM", "BUILD",
        )
    },
}  # fmt: skip


@pytest.fixture(scope="module")
def rules() -> tuple[Rule, ...]:
    return registry.load()


Errors = Callable[[dict[str, Content]], list[str]]


@pytest.fixture
def errors(rules: tuple[Rule, ...], tmp_path: Path) -> Errors:
    def found(files: dict[str, Content]) -> list[str]:
        testing.write(Example("", files), tmp_path)
        report = engine.check(".", str(tmp_path), rules, Settings())
        findings = [located.finding for located in report.findings]
        assert not [finding for finding in findings if finding.id.startswith("HFC")], "nothing crashed"
        return [f"{f.id} {f.message}" for f in findings if f.severity is Severity.ERROR and not f.id.startswith("REP")]

    return found


@pytest.mark.parametrize("named", CALLABLES.values(), ids=CALLABLES)
def test_callable_of_an_advisory(named: str, errors: Errors) -> None:
    found = errors({"model.pkl": called(named)})
    assert found
    assert any(named.replace(" ", ".") in line for line in found), found


@pytest.mark.parametrize("named", CALLABLES.values(), ids=CALLABLES)
def test_callable_inside_a_file_of_torch(named: str, errors: Errors) -> None:
    assert errors({"pytorch_model.bin": torch_zip(called(named))})


@pytest.mark.parametrize("files", TRICKS.values(), ids=TRICKS)
def test_trick(files: dict[str, Content], errors: Errors) -> None:
    assert errors(files)
