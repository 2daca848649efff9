"""Folders with files of torch.save, and the command over them in this process."""

import contextlib
import io
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from hfcheck import registry
from hfcheck.conversion.command import run
from hfcheck.rule import Rule

Convert = Callable[..., tuple[int, str, str]]
"""Path and options to exit code, stdout and stderr."""


@pytest.fixture(scope="session")
def rules() -> tuple[Rule, ...]:
    return registry.load()


@pytest.fixture
def convert(rules: tuple[Rule, ...]) -> Convert:
    def call(path: Path, **options: Any) -> tuple[int, str, str]:  # noqa: ANN401 - of three types
        out, err = io.StringIO(), io.StringIO()
        given = {"output": None, "max_shard_size": None, "force": False} | options
        with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
            code = run(str(path), rules, **given)
        return code, out.getvalue(), err.getvalue()

    return call
