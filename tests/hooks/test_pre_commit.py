"""The hooks for real: pre-commit, a clone of this checkout as hook repository, and commits in scratch repositories.

The environment of the hook is made once for the module, from the package index, as on the machine of a user.
"""

import os
import re
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import pytest

from hfcheck import testing
from hfcheck.example import Content, Example, Pointer
from hfcheck.example_models import LLAMA, llama_tensors, repository

FILTER = Path(__file__).with_name("lfs_filter.py")
ATTRIBUTES = "*.safetensors filter=lfs diff=lfs merge=lfs -text\n"

TWO = testing.LLAMA_SHARDS[1]
SHARDED = testing.llama()
CONFIG = dict(LLAMA)
SINGLE = repository(LLAMA, llama_tensors())
LOST = 'the shard "model-00002-of-00002.safetensors" is missing'


def without(files: Mapping[str, Content], name: str) -> dict[str, Content]:
    return {path: content for path, content in files.items() if path != name}


@dataclass(frozen=True)
class Done:
    code: int
    output: str


@dataclass(frozen=True)
class Scratch:
    """A Git repository below `folder`, in which pre-commit keeps its environments under `home`."""

    folder: Path
    home: Path

    def run(self, *command: str) -> Done:
        inherited = {name: value for name, value in os.environ.items() if not name.startswith(("GIT_", "PRE_COMMIT"))}
        variables = {
            **inherited,
            "PRE_COMMIT_HOME": str(self.home),
            "GIT_CONFIG_NOSYSTEM": "1",  # a real git-lfs would set its filters there
            "GIT_CONFIG_GLOBAL": os.devnull,
            "GIT_ALLOW_PROTOCOL": "file",
            **{f"GIT_{role}_NAME": "test" for role in ("AUTHOR", "COMMITTER")},
            **{f"GIT_{role}_EMAIL": "test@example.org" for role in ("AUTHOR", "COMMITTER")},
        }
        done = subprocess.run(
            command, cwd=self.folder, env=variables, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, check=False
        )
        return Done(done.returncode, done.stdout.decode())

    def must(self, *command: str) -> str:
        done = self.run(*command)
        assert done.code == 0, done.output
        return done.output.strip()

    def pre_commit(self, *arguments: str) -> Done:
        return self.run(sys.executable, "-m", "pre_commit", *arguments)

    def write(self, model: str, files: Mapping[str, Content]) -> None:
        folder = self.folder / model
        folder.mkdir(parents=True, exist_ok=True)
        testing.write(Example(model, files), folder)

    def commit(self, *options: str) -> Done:
        """A commit of whatever has changed: the hooks have their say unless `--no-verify` is among the options."""
        self.must("git", "add", "--all")
        return self.run("git", "commit", "--message", "work", *options)


@pytest.fixture(scope="module")
def hooks(checkout: Path, tmp_path_factory: pytest.TempPathFactory) -> Scratch:
    """The repository that users name in their settings: this checkout, committed."""
    repository = Scratch(checkout, tmp_path_factory.mktemp("pre-commit"))
    repository.must("git", "init", "--quiet")
    repository.must("git", "add", "--all")
    repository.must("git", "commit", "--quiet", "--message", "hfcheck")
    return repository


@pytest.fixture
def scratch(hooks: Scratch, tmp_path: Path) -> Scratch:
    """A repository of models with both hooks installed, and one commit."""
    repository = Scratch(tmp_path / "models", hooks.home)
    repository.folder.mkdir()
    repository.must("git", "init", "--quiet")
    revision = hooks.must("git", "rev-parse", "HEAD")
    (repository.folder / ".pre-commit-config.yaml").write_text(f"""\
default_install_hook_types: [pre-commit, pre-push]
repos:
  - repo: {hooks.folder}
    rev: {revision}
    hooks:
      - id: hfcheck
      - id: hfcheck-repo
""")
    assert repository.commit().code == 0
    assert repository.pre_commit("install").code == 0
    return repository


def test_commit_is_refused_for_a_lost_shard_and_passes_when_it_is_there(scratch: Scratch) -> None:
    scratch.write("llama", without(SHARDED, TWO))
    refused = scratch.commit()
    assert refused.code == 1
    assert LOST in refused.output
    assert "- exit code: 1" in refused.output
    assert scratch.must("git", "rev-list", "--count", "HEAD") == "1"

    scratch.write("llama", SHARDED)
    passed = scratch.commit()
    assert passed.code == 0, passed.output
    assert re.search(r"hfcheck \(model repositories of the changed files\)\.+Passed", passed.output)
    assert scratch.must("git", "rev-list", "--count", "HEAD") == "2"


def test_changed_config_leads_to_all_rules_of_its_repository_alone(scratch: Scratch) -> None:
    scratch.write("llama", without(SHARDED, TWO))
    scratch.write("other", without(SHARDED, TWO))
    assert scratch.commit("--no-verify").code == 0
    scratch.write("llama", {"config.json": {**CONFIG, "dtype": "float16"}})
    refused = scratch.commit()
    assert refused.code == 1
    assert refused.output.count(LOST) == 1
    assert "1 repository" in refused.output


def test_repository_is_checked_once_for_all_its_changed_files(scratch: Scratch) -> None:
    scratch.write("llama", without(SHARDED, TWO))
    scratch.write("llama/adapter", {"adapter_config.json": {"peft_type": "LORA"}, "adapter_model.safetensors": {}})
    assert scratch.commit().output.count(LOST) == 1


def test_other_files_pass_unseen(scratch: Scratch) -> None:
    scratch.write(".", {"notes.txt": "not a model\n"})
    passed = scratch.commit()
    assert passed.code == 0
    assert "(no files to check)Skipped" in passed.output


def test_push_sees_what_a_commit_deleted(scratch: Scratch, tmp_path: Path) -> None:
    """pre-commit hands over no deleted files: only the hook over everything can see that a shard has gone."""
    scratch.must("git", "init", "--quiet", "--bare", str(tmp_path / "remote"))
    scratch.must("git", "remote", "add", "origin", str(tmp_path / "remote"))
    scratch.write("llama", SHARDED)
    assert scratch.commit().code == 0
    assert scratch.run("git", "push", "origin", "HEAD:main").code == 0
    (scratch.folder / "llama" / TWO).unlink()
    assert scratch.commit().code == 0
    refused = scratch.run("git", "push", "origin", "HEAD:main")
    assert refused.code == 1
    assert LOST in refused.output


def test_manual_stage(scratch: Scratch) -> None:
    scratch.write("llama", SHARDED)
    passed = scratch.pre_commit("run", "hfcheck-repo", "--hook-stage", "manual", "--verbose")
    assert passed.code == 0
    assert "1 repository" in passed.output


def test_try_repo(hooks: Scratch, scratch: Scratch) -> None:
    scratch.write("llama", without(SHARDED, TWO))
    scratch.must("git", "add", "--all")
    tried = scratch.pre_commit("try-repo", str(hooks.folder), "hfcheck", "--all-files")
    assert tried.code == 1
    assert LOST in tried.output


def with_filter(scratch: Scratch) -> Scratch:
    """The same repository with the filters of LFS set, as `git lfs install --local` does."""
    store = scratch.folder / ".git" / "lfs"
    store.mkdir()
    for direction in ("clean", "smudge"):
        scratch.must("git", "config", f"filter.lfs.{direction}", f'"{sys.executable}" "{FILTER}" {direction} "{store}"')
    return scratch


def blob(scratch: Scratch, path: str) -> str:
    return scratch.must("git", "show", f":{path}")


def test_lfs_with_its_filters_the_file_is_checked(scratch: Scratch) -> None:
    with_filter(scratch).write("llama", {".gitattributes": ATTRIBUTES, **SINGLE})
    passed = scratch.commit()
    assert passed.code == 0, passed.output
    assert blob(scratch, "llama/model.safetensors").startswith("version https://git-lfs")
    assert (scratch.folder / "llama/model.safetensors").stat().st_size > 80

    scratch.write("llama", {"model.safetensors": b"cut short"})
    refused = scratch.commit()
    assert refused.code == 1
    assert "model.safetensors" in refused.output


def test_lfs_a_clone_without_the_files_is_incomplete(scratch: Scratch, tmp_path: Path) -> None:
    with_filter(scratch).write("llama", {".gitattributes": ATTRIBUTES, **SINGLE})
    assert scratch.commit().code == 0
    scratch.must("git", "clone", "--quiet", str(scratch.folder), str(tmp_path / "clone"))
    clone = Scratch(tmp_path / "clone", scratch.home)
    assert clone.pre_commit("install").code == 0
    clone.write("llama", {"config.json": {**CONFIG, "dtype": "float16"}})
    refused = clone.commit()
    assert "- exit code: 3" in refused.output
    assert "Git LFS pointer" in refused.output


def test_lfs_a_file_committed_before_its_filter_looks_like_any_other(scratch: Scratch) -> None:
    """Only the index of Git knows that it is not in LFS, and hfcheck reads the work tree alone."""
    path = "llama/model.safetensors"
    scratch.write("llama", SINGLE)
    # Older than the index of Git, which else would look at it again and convert it.
    os.utime(scratch.folder / path, (0, 0))
    assert scratch.commit().code == 0
    with_filter(scratch).write("llama", {".gitattributes": ATTRIBUTES})
    passed = scratch.commit()
    assert passed.code == 0, passed.output
    assert scratch.must("git", "check-attr", "filter", path).endswith(": lfs")
    assert int(scratch.must("git", "cat-file", "-s", f"HEAD:{path}")) == (scratch.folder / path).stat().st_size


def test_lfs_a_pointer_written_over_the_file_is_incomplete(scratch: Scratch) -> None:
    """There is nothing to commit, because the filter leaves a pointer as it is: only the work tree can tell."""
    with_filter(scratch).write("llama", {".gitattributes": ATTRIBUTES, **SINGLE})
    assert scratch.commit().code == 0
    (scratch.folder / "llama/model.safetensors").write_text(blob(scratch, "llama/model.safetensors") + "\n")
    scratch.must("git", "add", "--all")
    assert scratch.must("git", "status", "--porcelain") == ""
    scratch.write("llama", {"config.json": {**CONFIG, "dtype": "float16"}})
    assert "- exit code: 3" in scratch.commit().output


def test_lfs_a_pointer_that_was_never_a_file_is_incomplete(scratch: Scratch) -> None:
    scratch.write("llama", {"config.json": CONFIG, "model.safetensors": Pointer(4096)})
    refused = scratch.commit()
    assert "- exit code: 3" in refused.output
    assert scratch.must("git", "rev-list", "--count", "HEAD") == "1"
