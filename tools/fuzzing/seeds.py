"""Valid files, with which the search begins: those of all examples, and some whole ones."""

import gzip
import importlib
import struct
import tarfile
import zipfile
from collections.abc import Iterator
from io import BytesIO

from tools.fuzzing.changes import LARGEST
from tools.fuzzing.targets import Target


def seeds(target: Target) -> list[bytes]:
    """The files of all examples and the whole files below that belong to a target."""
    testing, registry = importlib.import_module("hfcheck.testing"), importlib.import_module("hfcheck.registry")
    example = importlib.import_module("hfcheck.example")
    found = dict.fromkeys(data for name, data in whole_files() if target.belongs(name, data))
    for rule in registry.load():
        for case in (*rule.bad, *rule.good):
            for name, content in case.files.items():
                if not isinstance(content, (example.Link, example.Pipe, example.Sparse)):
                    data = testing.to_bytes(name, content)
                    if target.belongs(name, data) and len(data) <= LARGEST:
                        found[data] = None
    return list(found) or [b""]


def whole_files() -> Iterator[tuple[str, bytes]]:
    """Valid files with what the examples of the rules have little of."""
    entry = '{"dtype":{"U8":null},"shape":[0,5],"data_offsets":[4,4],"x":{"y":[1.5,-0]}}'
    header = f'{{"a":["F32",[1],[0,4]],"b":{entry}}}'.encode()
    yield "a.safetensors", struct.pack("<Q", len(header)) + header + bytes(4)
    yield "a.json", '{"a": [1, -0, 2.5e3, NaN, {"b/~": null}], "é\\u0061\\ud83d\\ude00": "\\n", "a": [{}]}'.encode()
    text = struct.pack("<Q", 20) + b"general.architecture" + struct.pack("<IQ", 8, 5) + b"llama"
    tensor = struct.pack("<Q", 1) + b"w" + struct.pack("<IQIQ", 1, 32, 0, 0)
    header = struct.pack("<4sIQQ", b"GGUF", 3, 1, 1) + text + tensor
    yield "a.gguf", header + bytes(-len(header) % 32) + bytes(128)
    yield "a.onnx", b"\x08\x07\x12\x04test\x3a\x04\x12\x02ab\x42\x04\x0a\x00\x10\x0d"
    yield ".gitattributes", b'[attr]lfs filter=lfs -text\n*.bin lfs\n"a b" -filter\na/**/[!x-z]?.pt filter=lfs # no\n'
    yield "a.py", b"import a.b as c\nfrom .d import *\ntry:\n    class E(F): x = 1\nexcept G as h: pass\n"
    yield "a.py", b"for i, *j in k: l: int = 1\nmatch m:\n    case {'n': o, **p}: (q := lambda: f'{r!s:>{t}}')\n"
    yield from pickles()
    yield from tokenizers()
    yield "a.toml", b'select = ["IDX"]\nfail-on = "note"\n[ignore]\nRMC001 = "why"\n[per-path."*.json"]\nFMT = "x"\n'


def tokenizers() -> Iterator[tuple[str, bytes]]:
    """Vocabularies in every form."""
    for merges in (b'["a b", "ab \\u00e9"]', b'[["a", "b"], ["a", "\\"]"]]', b"[]"):
        model = b'{"type": "BPE", "vocab": {"a": 0, "b": 1, "ab": 2}, "merges": %b}' % merges
        yield "tokenizer.json", b'{"added_tokens": [{"id": 3, "content": "<s>"}], "model": %b}\n' % model
        yield "tokenizer.json", b'{"model": %b, "x": {"merges": ["a", [1, -0]]}}' % model
    yield "tokenizer.json", b'{"model": {"vocab": [["a", -1.5], ["b", 0]], "unk_id": 0}, "padding": null}'
    config = b'{"default_vocab_size": 5, "default_num_special_tokens": 3, "version": "v3"}'
    special = b'[{"rank": 0, "token_str": "<s>", "is_control": true}]'
    ranks = b'[{"rank": 0, "token_bytes": "AA==", "token_str": "a"}, {"rank": 1, "token_bytes": "INA="}]'
    yield "tekken.json", b'{"config": %b, "vocab": %b, "special_tokens": %b}' % (config, ranks, special)
    yield "vocab.txt", b"[PAD]\n[UNK]\na\n##b \n\xe4\xb8\xad\r\n\na\n"
    yield "merges.txt", b"#version: 0.2\na b\nab c\n\n"
    yield "a.tiktoken", b"IQ== 0\nIg== 1\nIyQ= 2\n"
    piece = b"\x0a\x0e\x0a\x05<unk>\x15\0\0\0\0\x18\x02\x0a\x08\x0a\x01a\x15\0\0\x80\x3f"
    yield "tokenizer.model", piece + b"\x12\x08\x18\x02\x98\x02\x01\xc0\x02\0\x1a\x0a\x0a\x08identity"
    yield "README.md", b"---\nbase_model:\n- a/b-Chat\n---\n# b-Instruct\n"
    yield "chat_template.jinja", b"{% for m in messages %}<|{{ m.role }}|>{{ m.content }}\r\n{% endfor %}"


def pickles() -> Iterator[tuple[str, bytes]]:
    """Pickles, and what they are packed in."""
    call = b"\x80\x02cos\nsystem\nX\x01\0\0\0a\x85R0(lp0\nI1\na}X\x01\0\0\0bU\x01cs."
    yield "a.pkl", call
    yield "a.pkl", b"\x80\x04\x95\x0c\0\0\0\0\0\0\0\x8c\x02os\x94\x8c\x01a\x94\x93\x94)\x81N."
    array = b"cnumpy\ndtype\nX\x02\0\0\0f8\x85RX\x05\0\0\0shapeK\x02\x85ub"
    yield (
        "a.joblib",
        b"\x80\x03cjoblib.numpy_pickle\nNumpyArrayWrapper\n)\x81}(X\x05\0\0\0dtype" + array + bytes(16) + b".",
    )
    storage = b"(X\x07\0\0\0storagectorch\nFloatStorage\nX\x01\0\0\x000X\x03\0\0\0cpuK\x02NtQ"
    tensor = b"ctorch._utils\n_rebuild_tensor_v2\n(" + storage + b"K\0K\x02\x85K\x01\x85\x89NtR"
    magic = b"\x80\x02\x8a\x0al\xfc\x9cF\xf9 j\xa8P\x19.\x80\x02M\xe9\x03.\x80\x02}X\x0d\0\0\0little_endian\x88s."
    yield (
        "a.pt",
        magic + b"\x80\x02}X\x01\0\0\0a" + tensor + b"s.\x80\x02]X\x01\0\0\x000a." + struct.pack("<q", 2) + bytes(8),
    )
    header = b"{'descr': [('a', '|O')], 'fortran_order': False, 'shape': (1,), }\n"
    npy = b"\x93NUMPY\x01\0" + struct.pack("<H", len(header)) + header + call
    yield "a.npy", npy
    yield "a.gz", gzip.compress(call, mtime=0)
    for name, members in (
        ("a.pt", {"m/data.pkl": b"\x80\x02}X\x01\0\0\0a" + tensor + b"s.", "m/data/0": bytes(8), "m/version": b"3\n"}),
        ("a.pt", {"m/data.pkl": call, "m/constants.pkl": b"\x80\x02).", "m/code/a.py": b"torch.save(x)\n"}),
        ("a.npz", {"a.npy": npy, "b.gz": gzip.compress(npy, mtime=0)}),
    ):
        stream = BytesIO()
        with zipfile.ZipFile(stream, "w") as archive:
            for member, data in members.items():
                archive.writestr(zipfile.ZipInfo(member), data)
        yield name, stream.getvalue()
    for format_ in (tarfile.GNU_FORMAT, tarfile.PAX_FORMAT):
        stream = BytesIO()
        with tarfile.open(fileobj=stream, mode="w", format=format_) as tar:
            for name in ("storages", "tensors", "pickle", "a" * 120):
                entry = tarfile.TarInfo(name)
                entry.size = len(call)
                tar.addfile(entry, BytesIO(call))
        yield "a.tar", stream.getvalue()
