"""Reads a written file again: its header as any reader would, and each tensor beside its source."""

from collections.abc import Callable, Mapping
from typing import IO

from hfcheck.conversion.gather import gather
from hfcheck.conversion.layout import METADATA
from hfcheck.conversion.plan import Output
from hfcheck.finding import quote
from hfcheck.formats import safetensors


class Different(Exception):
    """What is on the disk is not what was to be written; the message is a phrase."""


def verify(output: Output, streams: Mapping[str, IO[bytes]], target: IO[bytes], advance: Callable[[int], None]) -> None:
    """Compare a file with what it was made of; raises Different."""
    try:
        found = safetensors.read(target)
    except safetensors.SafetensorsInvalid as error:
        raise Different(str(error)) from error
    if found.metadata != METADATA or found.tensors != output.layout.tensors or found.shadowed:
        raise Different("it has another header than was written")
    for piece in output.pieces:
        target.seek(found.data_start + output.layout.tensors[piece.name].begin)
        for chunk in gather(streams[piece.entry.path], piece.bytes):
            if target.read(len(chunk)) != chunk:
                raise Different(f"the tensor {quote(piece.name)} has other bytes than were written")
            advance(len(chunk))
