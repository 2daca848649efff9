"""From a path of the command line to repositories."""

from pathlib import Path

import pytest

from hfcheck.discovery import find


def tree(root: Path, *files: str) -> None:
    for file in files:
        path = root / file
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("{}")


def roots(root: Path, path: str = ".") -> list[str]:
    return [str(Path(found).relative_to(root)) for found in find(str(root / path)).roots]


def test_a_repository(tmp_path: Path) -> None:
    tree(tmp_path, "config.json", "sub/config.json")
    assert roots(tmp_path) == ["."]


def test_a_folder_of_many(tmp_path: Path) -> None:
    tree(tmp_path, "org/b/config.json", "org/a/model.safetensors", "README.md", "notes/todo.txt")
    assert roots(tmp_path) == ["org/a", "org/b"]


def test_a_folder_without_a_model_is_one_repository(tmp_path: Path) -> None:
    tree(tmp_path, "README.md")
    assert roots(tmp_path) == ["."]


def test_what_is_no_work_of_the_user_is_not_searched(tmp_path: Path) -> None:
    tree(
        tmp_path, "m/config.json", "node_modules/x/config.json", ".git/config.json", "v/pyvenv.cfg", "v/lib/config.json"
    )
    assert roots(tmp_path) == ["m"]


def test_the_download_cache(tmp_path: Path) -> None:
    cache = tmp_path / "models--org--name"
    tree(cache, "refs/main", "blobs/" + "a" * 40)
    snapshot = cache / "snapshots" / ("c" * 40)
    snapshot.mkdir(parents=True)
    (snapshot / "config.json").symlink_to("../../blobs/" + "a" * 40)
    assert [Path(root) for root in find(str(tmp_path)).roots] == [snapshot]


def test_links_to_folders_are_named_and_not_followed(tmp_path: Path) -> None:
    tree(tmp_path, "real/config.json")
    (tmp_path / "latest").symlink_to("real")
    (tmp_path / "loop").symlink_to(".")
    found = find(str(tmp_path))
    assert [Path(link).name for link in found.not_followed] == ["latest", "loop"]
    assert [Path(root).name for root in found.roots] == ["real"]


@pytest.mark.parametrize(
    ("file", "root"),
    [
        ("pipe/model_index.json", "pipe"),
        ("pipe/unet/diffusion_pytorch_model.safetensors", "pipe"),
        ("pipe/unet/deep/er/notes.txt", "pipe"),
        ("plain/model.safetensors", "plain"),
        ("plain/config.json", "plain"),
        ("shards/model.safetensors.index.json", "shards"),
        ("alone/weights.bin", "alone"),
    ],
)
def test_a_file_leads_to_its_repository(tmp_path: Path, file: str, root: str) -> None:
    tree(
        tmp_path,
        "pipe/model_index.json", "pipe/unet/config.json", "pipe/unet/diffusion_pytorch_model.safetensors",
        "pipe/unet/deep/er/notes.txt", "plain/model.safetensors", "plain/config.json",
        "shards/model.safetensors.index.json", "alone/weights.bin",
    )  # fmt: skip
    assert roots(tmp_path, file) == [root]


def test_a_file_of_no_repository_leads_nowhere(tmp_path: Path) -> None:
    tree(tmp_path, "README.md", "models/a/config.json")
    assert roots(tmp_path, "README.md") == []


def test_the_search_stops_at_the_work_tree(tmp_path: Path) -> None:
    tree(tmp_path, "config.json", "work/.git/HEAD", "work/models/a/config.json")
    assert roots(tmp_path, "work/models/a/config.json") == ["work/models/a"]


def test_a_relative_path_from_inside(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    tree(tmp_path, "model_index.json", "unet/config.json")
    monkeypatch.chdir(tmp_path / "unet")
    assert find("config.json").roots == ("..",)
    monkeypatch.chdir(tmp_path)
    assert find("unet/config.json").roots == (".",)


def test_a_circle_of_links_is_passed_over(tmp_path: Path) -> None:
    tree(tmp_path, "models/a/config.json")
    (tmp_path / "models" / "x").symlink_to("y")
    (tmp_path / "models" / "y").symlink_to("x")
    assert roots(tmp_path, "models") == ["models/a"]
