"""The devices that `--device` names."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hfcheck.placement.device import (
    MAX_ACCELERATOR,
    MAX_SIZE,
    Device,
    DeviceInvalid,
    devices,
    is_in_bits,
    size_in_bytes,
)

GIB = 2**30


def test_a_device_has_a_key_a_size_and_tags() -> None:
    assert devices(["0=24GiB:sm_80"]) == (Device(0, 24 * GIB, "cuda", (8, 0), given="24GiB"),)


def test_a_range_is_a_device_for_each_number() -> None:
    found = devices(["2-4=80GiB:sm_90a"])
    assert [device.key for device in found] == [2, 3, 4]
    assert {device.compute for device in found} == {(9, 0)}


def test_accelerators_come_first_then_mps_cpu_and_disk() -> None:
    found = devices(["disk", "cpu=1GiB", "10=1GiB", "mps=1GiB", "9=1GiB"])
    assert [device.key for device in found] == [9, 10, "mps", "cpu", "disk"]
    assert [device.is_accelerator for device in found] == [True, True, True, False, False]


@pytest.mark.parametrize(
    ("tag", "compute"),
    [("sm_80", (8, 0)), ("sm_89", (8, 9)), ("sm_100", (10, 0)), ("sm_120", (12, 0)), ("sm_90a", (9, 0))],
)
def test_the_last_digit_is_the_minor_version(tag: str, compute: tuple[int, int]) -> None:
    assert devices([f"0=1GiB:{tag}"])[0].compute == compute


def test_tags_of_other_makers() -> None:
    rocm, xpu = devices(["0=1GiB:rocm:free", "1=1GiB:xpu:integrated:free"])
    assert (rocm.backend, rocm.compute, rocm.is_free, rocm.is_integrated) == ("rocm", None, True, False)
    assert (xpu.backend, xpu.is_free, xpu.is_integrated) == ("xpu", True, True)


def test_a_disk_may_have_a_size_and_needs_none() -> None:
    assert devices(["disk"])[0].size is None
    assert devices(["disk=1000GiB"])[0].size == 1000 * GIB


def test_a_disk_says_nothing_about_who_gives_max_memory() -> None:
    assert [device.is_free for device in devices(["0=1GiB:free", "cpu=1GiB:free", "disk"])] == [True, True, False]


@pytest.mark.parametrize(
    ("texts", "words"),
    [
        (["0"], "write 0=24GiB"),
        (["cpu"], "write cpu=24GiB"),
        (["0="], "is no size"),
        (["cuda:0=1GiB"], "by their number alone"),
        (["gpu0=1GiB"], "by their number alone"),
        (['"0"=1GiB'], "names no device"),
        (["=1GiB"], "names no device"),
        ([""], "names no device"),
        (["-1=1GiB"], "names no device"),
        (["\u0663=1GiB"], "names no device"),
        (["3-1=1GiB"], "ascending"),
        (["0-999999999=1GiB"], "from 0 to 127"),
        (["0-99999999999999999999=1GiB"], "names no device"),
        (["128=1GiB"], "from 0 to 127"),
        (["0=24G"], "is no size"),
        (["0=1000"], "is no size"),
        (["0=2TiB"], "is no size"),
        (["0=GiB"], "a number is expected"),
        (["0=nanGiB"], "a number is expected"),
        (["0=1e999GiB"], "no size of a device"),
        (["0=-1GiB"], "no size of a device"),
        (["0=1e300GB"], "no size of a device"),
        (["0=" + "9" * 5000 + "GiB"], "is no size"),
        (["0=1GiB:sm_80:rocm"], "two makers"),
        (["0=1GiB:sm_8"], "not one of its kind"),
        (["0=1GiB:sm_80:sm_90"], "each at most once"),
        (["0=1GiB:free:free"], "each at most once"),
        (["cpu=1GiB:sm_80"], "expected are free"),
        (["disk:free"], "none is expected"),
        (["0=1GiB", "0=2GiB"], "given twice"),
        (["0-3=1GiB", "2=2GiB"], "given twice"),
        (["0=1GiB:free", "cpu=1GiB"], "tag all of them free, or none"),
    ],
)
def test_what_is_wrong_is_said_in_one_sentence(texts: list[str], words: str) -> None:
    with pytest.raises(DeviceInvalid) as caught:
        devices(texts)
    assert words in str(caught.value)
    assert "\n" not in str(caught.value)
    assert len(str(caught.value)) < 500


@given(
    st.lists(st.one_of(st.text(), st.from_regex(r"[0-9]{1,3}(-[0-9]{1,3})?(=[0-9.]{1,4}[KMGkmg]i?[Bb])?(:sm_[0-9]+)?")))
)
def test_any_text_is_devices_or_a_sentence(texts: list[str]) -> None:
    try:
        found = devices(texts)
    except DeviceInvalid:
        return
    keys = [device.key for device in found]
    assert len(keys) == len(set(keys))
    assert all(device.size is None or 0 <= device.size <= MAX_SIZE for device in found)
    assert all(device.size is not None for device in found if device.backend != "disk")
    assert all(0 <= key <= MAX_ACCELERATOR for key in keys if isinstance(key, int))


@pytest.mark.parametrize(
    ("text", "nbytes", "is_bits"),
    [
        ("10GiB", 10 * GIB, False),
        ("10gib", 10 * GIB, False),
        ("10GIb", 10 * GIB, False),
        ("10GB", 10**10, False),
        ("10gB", 10**10, False),
        ("10gb", 10**10 // 8, True),
        ("10Gb", 10**10 // 8, True),
        ("10mb", 10**7 // 8, True),
        ("0.5kb", 62, True),
        ("1.5MiB", 3 * 2**19, False),
    ],
)
def test_a_final_b_in_lower_case_makes_bits_of_decimal_units(text: str, nbytes: int, *, is_bits: bool) -> None:
    assert size_in_bytes(text) == nbytes
    assert is_in_bits(text) is is_bits
