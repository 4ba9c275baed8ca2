"""augmap cache: the stores that earlier runs left."""

from __future__ import annotations

from augmap.cli.main import run
from augmap.images.open import open_images


def test_list_and_clear(photos, tmp_path, capsys):
    cache = tmp_path / "stores"
    open_images(photos, image_size=16, cache=cache)
    capsys.readouterr()
    assert run(["cache", "--cache", str(cache)]) == 0
    store, total = (" ".join(line.split()) for line in capsys.readouterr().out.splitlines())
    assert "48 × 16 × 16 × 3" in store
    assert store.endswith(str(photos))
    assert total.endswith(f"in {cache}")
    assert run(["cache", "clear", "--cache", str(cache)]) == 0
    assert capsys.readouterr().out.startswith("1 pixel store removed, ")
    assert not [p for p in cache.iterdir() if p.is_dir()]
    assert run(["cache", "list", "--cache", str(cache)]) == 0
    assert capsys.readouterr().out == f"      0 B  in {cache}\n"


def test_no_cache_yet(tmp_path, monkeypatch, capsys):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "none"))
    assert run(["cache"]) == 0
    assert capsys.readouterr().out == f"      0 B  in {tmp_path / 'none' / 'augmap'}\n"
    assert run(["cache", "clear"]) == 0
    assert capsys.readouterr().out == "0 pixel stores removed, 0 B freed\n"
