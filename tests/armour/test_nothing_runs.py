"""Requirement 1: no module of hfcheck can execute, import, unpickle, render or spawn anything of a repository."""

import ast
import os
import pickle
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from hfcheck import engine, registry, reports, testing
from hfcheck.config import Settings
from hfcheck.report import Report, RepositoryReport

HOUSE = Path(engine.__file__).parent
SOURCES = sorted([*HOUSE.rglob("*.py"), *(HOUSE.parent / "rules").rglob("*.py")])

FORBIDDEN_CALLS = {
    "eval", "exec", "compile", "__import__", "system", "popen", "Popen", "spawn", "fork", "execv", "execve",
    "from_string", "render_template", "unpickle", "Unpickler", "load_module", "exec_module", "run_path", "run_module",
    "literal_eval",
}  # fmt: skip
FORBIDDEN_MODULES = {
    "pickle", "marshal", "shelve", "subprocess", "socket", "urllib", "http", "torch", "numpy", "ctypes", "runpy",
    "multiprocessing", "code", "codeop", "imp", "yaml", "transformers", "huggingface_hub", "requests", "webbrowser",
    "pty", "fickling",
}  # fmt: skip
EXEMPT = {
    # `--deep`, which nobody gets who does not ask for it: our own program, in a process with limits, and of the
    # repository only the text of its config on stdin (tests/loading/test_deep.py).
    "loading/deep.py": {"subprocess", "Popen"},
    # That program. Nothing of hfcheck imports it.
    "rehearsal/spec_worker.py": {"torch", "transformers"},
    # `--second-opinion`, which is asked for in the same way: our own program in a process with limits, and of the
    # repository only the bytes of one pickle on stdin (tests/opinion/test_ask.py).
    "opinion/ask.py": {"subprocess", "Popen"},
    "rehearsal/fickling_worker.py": {"fickling"},
    # `--rehearse`, in the same way: our own programs in processes with limits. Of the repository they get opened weight
    # files, through a socket, and read bytes and numbers of them (tests/rehearsal).
    "rehearsal/process.py": {"subprocess", "Popen"},
    "rehearsal/rehearse.py": {"socket"},
    "rehearsal/read_worker.py": {"socket", "numpy"},
    "rehearsal/copy_worker.py": {"torch"},
}
"""Modules that do what no other may, and what."""

COMPUTED_IMPORTS = {"registry.py": 1, "config.py": 1}
"""The registry loads rule modules; the settings choose between tomllib and tomli."""


@pytest.mark.parametrize("source", SOURCES, ids=lambda path: path.name)
def test_source_cannot_run_anything(source: Path) -> None:
    imports = 0
    allowed = EXEMPT.get(source.relative_to(HOUSE).as_posix(), set()) if source.is_relative_to(HOUSE) else set()
    modules, calls = FORBIDDEN_MODULES - allowed, FORBIDDEN_CALLS - allowed
    for node in ast.walk(ast.parse(source.read_text())):
        match node:
            case ast.Import(names=names):
                assert not {name.name.split(".")[0] for name in names} & modules, ast.unparse(node)
            case ast.ImportFrom(module=str(module)):
                assert module.split(".")[0] not in modules, ast.unparse(node)
            case ast.Call(func=ast.Name(id=name) | ast.Attribute(attr=name)) if name in calls:
                # `re.compile` of a constant and nothing else of that name.
                assert ast.unparse(node.func) == "re.compile", ast.unparse(node)
            case ast.Call(func=ast.Name(id="import_module") | ast.Attribute(attr="import_module"), args=[argument]):
                imports += not isinstance(argument, ast.Constant)
    assert imports == COMPUTED_IMPORTS.get(source.name, 0)


def test_exemptions_are_needed() -> None:
    """A module that no longer starts a process, or is no longer there, loses the right to."""
    for name, words in EXEMPT.items():
        assert all(word in (HOUSE / name).read_text() for word in words)


def test_the_programs_of_other_processes_are_never_imported() -> None:
    """They are started by their paths: where one were imported, torch would come with it."""
    programs = {path.stem for path in (HOUSE / "rehearsal").glob("*_worker.py")}
    assert programs == {"spec_worker", "fickling_worker", "read_worker", "copy_worker"}
    for source in SOURCES:
        for node in ast.walk(ast.parse(source.read_text())):
            named = [alias.name for alias in node.names] if isinstance(node, (ast.Import, ast.ImportFrom)) else []
            module = node.module or "" if isinstance(node, ast.ImportFrom) else ""
            parts = {part for name in (*named, module) for part in name.split(".")}
            assert not parts & programs, source


WATCHED = ("exec", "compile", "socket.", "subprocess.", "os.system", "os.exec", "os.spawn", "os.posix_spawn", "ctypes.")


class Watch:
    """An audit hook, which Python never takes away again; it counts only while it is armed."""

    def __init__(self) -> None:
        self.armed = False
        self.root = ""
        self.events: list[str] = []
        sys.addaudithook(self.hear)

    def hear(self, event: str, arguments: tuple[Any, ...]) -> None:
        if not self.armed:
            return
        if event.startswith(WATCHED) and not self.is_syntax_tree(event, arguments):
            self.events.append(f"{event} {arguments!r:.200}")
        if event == "import" and str(arguments[1] or "").startswith(self.root):
            self.events.append(f"import {arguments[:2]!r:.200}")
        if event == "open" and isinstance(arguments[2], int) and arguments[2] & (os.O_WRONLY | os.O_RDWR | os.O_CREAT):
            self.events.append(f"open {arguments!r:.200}")

    @staticmethod
    def is_syntax_tree(event: str, arguments: tuple[Any, ...]) -> bool:
        """`ast.parse` is heard as `compile` of a file of no name; nothing is compiled to code."""
        return event == "compile" and arguments[1] == "<unknown>"

    @contextmanager
    def over(self, root: Path) -> Iterator[list[str]]:
        self.root, self.events, self.armed = str(root), [], True
        try:
            yield self.events
        finally:
            self.armed = False


WATCH = Watch()


def test_the_watch_hears(tmp_path: Path) -> None:
    with WATCH.over(tmp_path) as events:
        exec("1")
        (tmp_path / "file").write_text("x")
    assert [event.split()[0] for event in events] == ["compile", "exec", "open"]


def test_all_examples_are_only_read(tmp_path: Path, checked: Callable[[Path], RepositoryReport]) -> None:
    """Every example of every rule, checked with all rules and written in every format: 0 events."""
    examples = [example for rule in registry.load() for example in (*rule.bad, *rule.good)]
    rules = registry.load()
    (tmp_path / "warm").mkdir()
    (tmp_path / "warm" / "README.md").write_text("# A text\n")
    (tmp_path / "warm" / "config.json").write_text('{"model_type": "llama"}')
    (tmp_path / "warm" / "a.pkl").write_bytes(b"N.")
    (tmp_path / "warm" / "chat_template.jinja").write_text("{% for")
    (tmp_path / "warm" / "tokenizer_config.json").write_text('{"chat_template": "{{ messages }}"}')
    for number, magic in enumerate(
        (b"BZh9", b"\xfd7zXZ\x00", b"\x28\xb5\x2f\xfd", b"\x04\x22\x4d\x18", b"7z\xbc\xaf\x27\x1c")
    ):
        (tmp_path / "warm" / f"{number}.bin").write_bytes(magic + bytes(40))
    for format_ in reports.FORMATS:  # what is imported on demand is imported once, before anybody listens
        reports.FORMATS[format_](Report((checked(tmp_path / "warm"),), rules))
    for number, example in enumerate(examples):
        folder = tmp_path / str(number)
        folder.mkdir()
        testing.write(example, folder)
        with WATCH.over(folder) as events:
            report = engine.check(".", str(folder), rules, Settings())
            for render in reports.FORMATS.values():
                render(Report((report,), rules))
        assert events == [], example.title
        assert not report.crashed, example.title


WORDS = "hfcheck-marker", "executed"
MARKER = " ".join(WORDS)
"""What `print` makes of the two. A report that quotes the call has them apart."""


class Marker:
    """Unpickling this prints the marker, and does nothing else."""

    def __reduce__(self) -> tuple[Any, ...]:
        return print, WORDS


@pytest.mark.parametrize("entry", [("-m", "hfcheck"), ("-c", "from hfcheck.__main__ import main; main()")])
def test_no_marker_is_printed(tmp_path: Path, entry: tuple[str, str]) -> None:
    """Every file of the repository would print a marker if it were run, imported, unpickled or rendered."""
    code = f"print{WORDS}\n"
    ours, theirs = ("click", "json", "conftest", "hfcheck_rules"), ("sitecustomize", "modeling_x", "handler", "setup")
    for name in (*ours, *theirs):
        (tmp_path / f"{name}.py").write_text(code)
    for package in ("jinja2", "jsonschema", "fickling"):
        (tmp_path / package).mkdir()
        (tmp_path / package / "__init__.py").write_text(code)
    (tmp_path / "config.json").write_text(
        '{"model_type": "x", "auto_map": {"AutoModel": "modeling_x.X"}, "trust_remote_code": true}'
    )
    (tmp_path / "chat_template.jinja").write_text("{{ 'hfcheck-marker' ~ ' executed' }}")
    for name in ("pytorch_model.bin", "model.safetensors", "weights.pkl", "tokenizer.json", "x.npy", "a.joblib"):
        (tmp_path / name).write_bytes(pickle.dumps(Marker()))
    environment = {"PATH": os.environ["PATH"], "PYTHONPATH": os.environ.get("PYTHONPATH", "")}
    if entry[0] == "-c":  # the console script has no working folder on its path: neither has this
        environment["PYTHONSAFEPATH"] = "1"
    command = [sys.executable, *entry, "check", "."]
    result = subprocess.run(
        command, cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=60, check=False
    )
    assert MARKER not in result.stdout + result.stderr
    assert "in 1 repository" in result.stdout, result.stderr
