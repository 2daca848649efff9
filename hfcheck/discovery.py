"""From a path of the command line to the model repositories that it stands for."""

import os
from collections.abc import Container, Iterator
from dataclasses import dataclass

from hfcheck.layout import STRONG_MARKERS, index_name, marks_a_repository
from hfcheck.repository import ENVIRONMENT_MARK, MAX_DEPTH, NOT_CONTENT

LEVELS = 3
"""Folders that the search for the repository of a file goes up where no version control says where to stop."""

PASSED_OVER = frozenset({*NOT_CONTENT, "node_modules", "__pycache__", ".no_exist"})
"""Folders that a search for repositories does not enter (the last is where the download cache of the Hub remembers with
empty files what a repository does not have); inside a repository nothing is passed over."""

UNSPOKEN = frozenset({*NOT_CONTENT, ".no_exist"})
"""Those of them that are in every clone and every cache: nobody looks for a model there."""


@dataclass(frozen=True, slots=True)
class Found:
    """Roots of repositories, in order, links to folders that were not followed, and folders that were not searched."""

    roots: tuple[str, ...]
    not_followed: tuple[str, ...] = ()
    passed_over: tuple[str, ...] = ()


def find(path: str) -> Found:
    """The repositories that `path` means: a repository, a folder that holds many, or a file of one.

    A folder without any model below it is a repository of its own, so that something is said about it. A file that
    belongs to none (a README at the top of a collection) leads nowhere.
    """
    if not os.path.isdir(path):
        root = _root_of_file(path)
        return Found((root,) if root else ())
    links: list[str] = []
    passed_over: list[str] = []
    roots = tuple(_below(path, links, passed_over))
    if not roots:  # then all that is below is checked, but for what is a link
        return Found((path,), tuple(sorted(links)))
    return Found(tuple(sorted(roots)), tuple(sorted(links)), tuple(sorted(passed_over)))


def is_within(path: str, roots: Container[str]) -> bool:
    """Whether a folder is checked with a repository around it that is one of `roots`; all are real paths."""
    while (parent := os.path.dirname(path)) != path and os.path.basename(path) not in NOT_CONTENT:
        if parent in roots:
            return True
        path = parent
    return False


def _below(path: str, links: list[str], passed_over: list[str]) -> Iterator[str]:
    pending = [(path, 0)]
    while pending:
        folder, depth = pending.pop()
        try:
            with os.scandir(folder) as listing:
                items = sorted(listing, key=lambda item: item.name, reverse=True)
        except OSError:  # a repository that cannot be listed: the scan of it says so
            yield folder
            continue
        if any(not item.is_dir(follow_symlinks=False) and marks_a_repository(item.name) for item in items):
            yield folder
            continue
        if depth and any(item.name == ENVIRONMENT_MARK for item in items):
            passed_over.append(folder)
            continue
        for item in items:
            if item.is_symlink() and os.path.isdir(
                item.path
            ):  # not `item.is_dir()`, which raises for a circle of links
                links.append(item.path)
            elif item.is_dir(follow_symlinks=False):
                if item.name not in PASSED_OVER and depth < MAX_DEPTH:
                    pending.append((item.path, depth + 1))
                elif item.name not in UNSPOKEN:
                    passed_over.append(item.path)


def _root_of_file(path: str) -> str | None:
    """The topmost folder around a file that looks like a model, within the work tree or a few levels."""
    folder = os.path.dirname(path) or "."
    marked = any(map(marks_a_repository, [os.path.basename(path), *_names(folder)]))
    best = folder if marked else None
    for _ in range(MAX_DEPTH if _in_work_tree(folder) else LEVELS + 1):
        names = _names(folder)
        if any(name in STRONG_MARKERS or index_name(name) for name in names):
            best = folder
        parent = os.path.normpath(os.path.join(folder, os.pardir))
        if ".git" in names or os.path.realpath(parent) == os.path.realpath(folder):
            break
        folder = parent
    return best


def _in_work_tree(folder: str) -> bool:
    current = os.path.realpath(folder)
    while True:
        if os.path.lexists(os.path.join(current, ".git")):
            return True
        parent = os.path.dirname(current)
        if parent == current:
            return False
        current = parent


def _names(folder: str) -> list[str]:
    try:
        return sorted(os.listdir(folder))
    except OSError:
        return []
