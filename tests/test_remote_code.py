"""Places that select code, in documents that hide them or hold nearly one."""

import json

import pytest

from hfcheck.formats import json_
from hfcheck.remote_code import Reference, ReferenceInvalid, fields, is_followed, misshapen, parse, sites


def read(value: object) -> json_.JsonFacts:
    return json_.parse(json.dumps(value).encode())


def test_reference() -> None:
    assert parse("m.M") == Reference(None, "m", "M")
    assert parse("o/r--code/m.M") == Reference("o/r", "code/m", "M")


@pytest.mark.parametrize("text", ["../x--m.M", "/x--m.M", "--m.M", "C:\\x--m.M", "a b--m.M", "o/r/s--m.M"])
def test_a_folder_is_no_repository(text: str) -> None:
    """The loader looks for a folder of this name first: with one of these it would run code from anywhere."""
    with pytest.raises(ReferenceInvalid):
        parse(text)


def test_every_form() -> None:
    document = {
        "auto_map": {"AutoModel": "m.M", "AutoTokenizer": ["t.S", None], "AutoImageProcessor": {"pil": "i.P"}, "A": 5},
        "text_config": [{"auto_map": ["l.S", "l.F"]}, {"auto_map": None}, {"auto_map": "m.M"}],
        "custom_pipelines": {"pair": {"impl": "p.P"}, "other": {"pt": ["AutoModel"]}, "no": 1},
    }
    found = [
        (site.pointer, site.home, site.key, site.reference and site.reference.name) for site in sites(read(document))
    ]
    assert found == [
        ("/auto_map/AutoModel", "/auto_map", "AutoModel", "M"),
        ("/auto_map/AutoTokenizer/0", "/auto_map", "AutoTokenizer", "S"),
        ("/auto_map/AutoImageProcessor/pil", "/auto_map", "AutoImageProcessor", "P"),
        ("/auto_map/A", "/auto_map", "A", None),
        ("/custom_pipelines/pair/impl", "/custom_pipelines", "pair", "P"),
        ("/text_config/0/auto_map/0", "/text_config/0/auto_map", "AutoTokenizer", "S"),
        ("/text_config/0/auto_map/1", "/text_config/0/auto_map", "AutoTokenizer", "F"),
    ]


def test_a_key_that_is_spelt_with_escapes() -> None:
    document = json_.parse(b'{"x": [{"\\u0061uto\\u005fmap": {"AutoModel": "m.M"}}]}')
    assert [site.pointer for site in sites(document)] == ["/x/0/auto_map/AutoModel"]


def test_the_last_of_two_counts() -> None:
    document = json_.parse(b'{"auto_map": {"AutoModel": "m.M"}, "auto_map": {}}')
    assert sites(document) == ()


def test_words_are_no_keys() -> None:
    assert sites(read({"a": "auto_map", "b": ["auto_map"], "auto_map_": {"A": "b.C"}})) == ()


def test_deep() -> None:
    value: object = {"auto_map": {"AutoModel": "m.M"}}
    for _ in range(100):
        value = [value]
    assert [site.pointer for site in sites(read(value))] == ["/0" * 100 + "/auto_map/AutoModel"]


def test_fields_need_a_watched_key() -> None:
    document = read({"trust_remote_code": True, "other": 1})
    assert list(fields(document, {"trust_remote_code"})) == [(("trust_remote_code",), "trust_remote_code", True)]
    assert {"auto_map", "custom_pipelines", "trust_remote_code"} <= json_.WATCHED


def test_followed() -> None:
    model, tokenizer = sites(read({"auto_map": {"AutoModel": "m.M", "AutoTokenizer": ["t.T", None]}}))
    assert is_followed("config.json", model)
    assert not is_followed("config.json", tokenizer)
    assert is_followed("tokenizer_config.json", tokenizer)
    assert not is_followed("tokenizer_config.json", model)
    (below,) = sites(read({"vision_config": {"auto_map": {"AutoModel": "m.M"}}}))
    assert not is_followed("config.json", below)


@pytest.mark.parametrize(
    ("name", "auto_map", "places"),
    [
        ("config.json", {"AutoConfig": None}, ["/auto_map/AutoConfig"]),
        ("config.json", {"AutoModel": ["m.M", None]}, ["/auto_map/AutoModel"]),
        ("config.json", {"AutoTokenizer": "t.T", "AutoProcessor": None, "AutoImageProcessor": ["i.I", None]}, []),
        ("config.json", ["t.T", None], []),
        ("config.json", "m.M", ["/auto_map"]),
        ("tokenizer_config.json", {"AutoTokenizer": "t.T"}, ["/auto_map/AutoTokenizer"]),
        ("tokenizer_config.json", {"AutoTokenizer": None}, []),
        ("preprocessor_config.json", {"AutoImageProcessor": {"pil": None}}, ["/auto_map/AutoImageProcessor"]),
        ("preprocessor_config.json", None, ["/auto_map"]),
        ("notes.json", None, []),
    ],
)
def test_misshapen(name: str, auto_map: object, places: list[str]) -> None:
    assert [place for place, _ in misshapen(name, {"auto_map": auto_map})] == places
