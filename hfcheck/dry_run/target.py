"""From what was typed to what the dry run is asked."""

from collections.abc import Mapping
from typing import Any, get_args

from hfcheck.dry_run.options import EXAMPLE, Wanted
from hfcheck.finding import quote
from hfcheck.formats.json_ import JsonInvalid, read, type_of
from hfcheck.placement.device import DeviceInvalid, devices
from hfcheck.placement.target import Mode, Target

MODES: dict[str, Mode] = {mode: mode for mode in get_args(Mode)}


class TargetInvalid(Exception):
    """What was typed asks for nothing that could be planned; the message is a sentence for the user."""


def target(wanted: Wanted) -> Target:
    """Onto which devices a model shall be loaded, and how; raises TargetInvalid."""
    groups = {name: getattr(wanted, name) or 1 for name in ("tp", "ep", "pp")}
    if not wanted.devices and set(groups.values()) == {1}:
        raise TargetInvalid(f"name the devices, for example {EXAMPLE}, or the ranks with --tp, --ep or --pp")
    try:
        named = devices(wanted.devices)
    except DeviceInvalid as error:
        raise TargetInvalid(f"--device: {error}") from error
    mode, explicit = _device_map(wanted.device_map or "auto")
    return Target(
        named,
        mode,
        explicit,
        wanted.dialect or "transformers",
        wanted.dtype or "auto",
        wanted.tokens,
        wanted.batch or 1,
        **groups,
    )


def _device_map(text: str) -> tuple[Mode, Mapping[str, Any] | None]:
    return (MODES[text], None) if text in MODES else ("auto", _from_file(text))


def _from_file(path: str) -> Mapping[str, Any]:
    """The device map in a JSON file: what each value comes to is for the rules to say."""
    try:
        with open(path, "rb") as stream:
            document = read(stream)
    except OSError as error:
        modes = ", ".join(MODES)
        raise TargetInvalid(
            f"--device-map: {quote(path)} is none of {modes}, and no file that can be read: {error.strerror or error}"
        ) from error
    except JsonInvalid as error:
        raise TargetInvalid(
            f"--device-map: {quote(path)} is no JSON at byte {error.offset}: expected {error.expected}"
        ) from error
    if type(document.value) is not dict:
        raise TargetInvalid(
            f"--device-map: {quote(path)} holds {type_of(document.value)}, and not an object of modules and devices"
        )
    if document.shadowed:
        raise TargetInvalid(
            f"--device-map: {quote(path)} has {quote(document.shadowed[0].pointer)} twice, "
            "and a loader would see the last alone: take one away"
        )
    return document.value
