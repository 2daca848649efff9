"""What every report does to a string before the escape of its own format: the last door before a sink."""

from hfcheck.finding import shorten, visible

NAME = 1000
"""Characters of a name inside a file: a key of a JSON file may have as many as the file has bytes."""

COMMANDS = ("##[", "##vso[", "##teamcity[")
"""Marks that a CI runner takes for a command wherever they stand in a line."""


def name(text: str, limit: int = NAME) -> str:
    """A tensor, a JSON pointer, an architecture, a reason: visible, and its two ends where it is long.

    It is cut before it is made visible, so that no escape is cut in two.
    """
    return visible(shorten(text, limit))


def unforged(text: str) -> str:
    """Text for a terminal or a log, in which no runner finds a command of its own."""
    for command in COMMANDS:
        text = text.replace(command, f"\\x23{command[1:]}")
    return text
