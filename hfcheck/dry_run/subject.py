"""The one model that a path of the command line means."""

import os

from hfcheck.budget import TimeUp, ticking
from hfcheck.discovery import find
from hfcheck.facts import units
from hfcheck.finding import visible
from hfcheck.repository import scan

SECONDS = 30.0
"""For reading the configs of a repository."""

SEVERAL = 5
"""Folders that are named where somebody has to choose."""

MAX_UNITS = 200
"""Folders whose config is read in the search for one that transformers loads."""


class NoSubject(Exception):
    """The path means no model, or more than one; the message is a sentence for the user."""


def subject(path: str) -> str:
    """The folder that transformers would be given: a repository, or the one folder in it with a config for a model."""
    roots = find(path).roots
    if not roots:
        raise NoSubject(f"{visible(path)} belongs to no model repository")
    root, *others = roots
    if others:
        raise NoSubject(f"{visible(path)} holds more than one model repository: name one of {_named([root, *others])}")
    try:
        folders = _with_model(root)
    except TimeUp as error:
        raise NoSubject(f"it took too long to find out which folder of {visible(root)} holds the model") from error
    if len(folders) > 1:
        named = _named([os.path.join(root, folder) for folder in folders])
        raise NoSubject(f"{visible(root)} has no model at its root, and more than one below it: name one of {named}")
    return os.path.join(root, folders[0]) if folders and folders[0] else root


def _with_model(root: str) -> list[str]:
    """The folders whose config names a model: the root alone, where it is one of them."""
    with ticking(SECONDS) as clock, clock.limit(SECONDS):
        parts = sorted(units(scan(root))[:MAX_UNITS], key=lambda facts: facts.folder)
        if any(not facts.folder and facts.claims_transformers for facts in parts):
            return [""]
        return [facts.folder for facts in parts if facts.claims_transformers]


def _named(paths: list[str]) -> str:
    more = f" and {len(paths) - SEVERAL} more" if len(paths) > SEVERAL else ""
    return f"{', '.join(map(visible, paths[:SEVERAL]))}{more}"
