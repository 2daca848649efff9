"""The options that say onto which devices a model shall be loaded, and how: of `dry-run` and of `check`."""

from collections.abc import Callable
from dataclasses import dataclass, fields
from functools import wraps
from typing import get_args

import click

from hfcheck.placement.target import Dialect, Dtype, Mode

EXAMPLE = "--device 0=24GiB --device cpu=64GiB"

MOST = 10**9
"""Tokens, sequences or ranks: nobody has more, and what is reckoned with them stays a number that can be read."""


@dataclass(frozen=True, slots=True)
class Wanted:
    """What was typed; None where nothing was."""

    devices: tuple[str, ...] = ()
    device_map: str | None = None
    dialect: Dialect | None = None
    dtype: Dtype | None = None
    tokens: int | None = None
    batch: int | None = None
    tp: int | None = None
    ep: int | None = None
    pp: int | None = None

    @property
    def is_nothing(self) -> bool:
        return self == Wanted()


def _count(_context: click.Context, _parameter: click.Parameter, value: str | None) -> int | None:
    if value is None:
        return None
    if not (value.isascii() and value.isdigit() and len(value) <= len(str(MOST)) and 1 <= int(value) <= MOST):
        raise click.BadParameter(f"{value!r} is not a number from 1 to {MOST}")
    return int(value)


_OPTIONS = (
    click.option(
        "--device",
        "devices",
        multiple=True,
        metavar="KEY[=SIZE][:TAG]",
        help="A device and how much the loader may take of it: 0=24GiB, 0-3=80GiB:sm_90, cpu=64GiB, disk.",
    ),
    click.option(
        "--device-map",
        metavar="MODE|FILE",
        help=f"{', '.join(get_args(Mode))}, or a JSON file with a device map.  [default: auto]",
    ),
    click.option("--dialect", type=click.Choice(get_args(Dialect)), help="Whose planner.  [default: transformers]"),
    click.option(
        "--dtype", type=click.Choice(get_args(Dtype)), help="Of floating tensors after the load.  [default: auto]"
    ),
    click.option("--context", "tokens", callback=_count, metavar="N", help="Tokens of a sequence, prompt included."),
    click.option("--batch", callback=_count, metavar="N", help="Sequences at a time.  [default: 1]"),
    click.option("--tp", callback=_count, metavar="N", help="Ranks that share each layer (tensor parallel)."),
    click.option("--ep", callback=_count, metavar="N", help="Ranks that share the experts (expert parallel)."),
    click.option("--pp", callback=_count, metavar="N", help="Ranks that share the layers out (pipeline parallel)."),
)


def device_options(command: Callable[..., None]) -> Callable[..., None]:
    """Gives a command these options, which it gets together as the argument `wanted`."""
    names = [field.name for field in fields(Wanted)]

    @wraps(command)
    def collected(*arguments: object, **options: object) -> None:
        wanted = Wanted(**{name: options.pop(name) for name in names})  # type: ignore[arg-type] # click has checked them
        command(*arguments, wanted=wanted, **options)

    for option in reversed(_OPTIONS):
        collected = option(collected)
    return collected
