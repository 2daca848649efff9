"""What a load writes to disk: the offload folder, and what accelerate puts into a temporary one.

Sources: transformers 5.23 `integrations/accelerate.py:accelerate_disk_offload`, `core_model_loading.py:
offload_and_maybe_resave_param`; accelerate 1.15 `utils/modeling.py:load_checkpoint_in_model`,
`big_modeling.py:load_checkpoint_and_dispatch`.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from hfcheck.formats.safetensors import SafetensorsFacts
from hfcheck.formats.tensor import Header
from hfcheck.placement.device import Key
from hfcheck.placement.model import Model
from hfcheck.placement.shards import owner
from hfcheck.placement.target import Dialect


@dataclass(frozen=True, slots=True)
class Offload:
    """Bytes of tensors; each is a file of its own, of which the header is not counted.

    `folder` goes to the offload folder, for the parameters `written`, in the order of the model. `in_place` is for the
    disk too and stays in the weight files. `temporary` is what accelerate writes of the part for the CPU, into the
    folder for temporary files of the system, and deletes again.
    """

    dialect: Dialect
    folder: int = 0
    written: tuple[str, ...] = ()
    in_place: int = 0
    temporary: int = 0
    is_to_disk: bool = False
    """Whether the map names the disk at all."""
    breaks: bool = False
    """Whether the map names nothing else, so that accelerate asks safetensors for a device of that name, in vain."""

    @property
    def failure(self) -> str:
        """What the loader does without a folder, as a clause; empty where it needs none."""
        if self.dialect == "accelerate" and self.is_to_disk:
            return "accelerate stops with a ValueError before it reads anything"
        if self.dialect == "transformers" and self.written:
            return "transformers stops with a ValueError in the middle of the load"
        return ""


def offload(
    dialect: Dialect,
    model: Model,
    device_map: Mapping[str, Key],
    placed: Mapping[str, Key | None],
    headers: Mapping[str, Header],
) -> Offload:
    """What a load of these weight files, by path, writes; `placed` gives the device of every tensor of the model."""
    if "disk" not in device_map.values():
        return Offload(dialect)
    if dialect == "accelerate":
        return _accelerate(model, device_map, headers)
    return _transformers(model, placed, headers)


def _transformers(model: Model, placed: Mapping[str, Key | None], headers: Mapping[str, Header]) -> Offload:
    """A tensor of safetensors that is renamed at most is read where it lies; everything else is saved again."""
    files = {name: header for header in headers.values() for name in header.tensors}
    written, folder, in_place = [], 0, 0
    for weight in model.weights.values():
        if weight.is_buffer or not weight.sources or placed.get(weight.name) != "disk":
            continue
        if weight.is_converted or not isinstance(files.get(weight.sources[0]), SafetensorsFacts):
            written.append(weight.name)
            folder += weight.nbytes
        else:
            in_place += weight.nbytes
    return Offload("transformers", folder, tuple(written), in_place, is_to_disk=True)


def _accelerate(model: Model, device_map: Mapping[str, Key], headers: Mapping[str, Header]) -> Offload:
    """Every parameter is written as it is stored, whatever type is asked for; a buffer for the disk is dropped."""
    folder: dict[str, int] = {}
    temporary = 0
    for name, nbytes, device in _stored(model, device_map, headers):
        if device == "cpu":
            temporary += nbytes
        elif device == "disk" and not model.weights[name].is_buffer:
            folder[name] = nbytes
    written = tuple(name for name in model.weights if name in folder)
    is_alone = set(device_map.values()) == {"disk"}
    breaks = is_alone and any(isinstance(header, SafetensorsFacts) for header in headers.values())
    return Offload("accelerate", sum(folder.values()), written, temporary=temporary, is_to_disk=True, breaks=breaks)


def _stored(
    model: Model, device_map: Mapping[str, Key], headers: Mapping[str, Header]
) -> Iterator[tuple[str, int, Key | None]]:
    """The stored tensors whose names the model has, with their bytes and devices."""
    for header in headers.values():
        for name, tensor in header.tensors.items():
            if name in model.weights:
                yield name, tensor.nbytes, owner(device_map, name)
