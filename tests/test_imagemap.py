"""ImageMap: what it holds, and that its folder gives back all of it or says what is wrong."""

from __future__ import annotations

import json
import os
import pickle
import re
import shutil
import subprocess
import sys

import numpy as np
import pytest
from safetensors.numpy import save as save_tensors

from augmap import folder as disk
from augmap.errors import DamagedMapError, InputError
from augmap.imagemap import ImageMap, Weights
from augmap.items import Items
from madeup import assert_same, full_map

FILES = (
    *("encoder.safetensors", "features.npy", "items.csv", "log.jsonl", "positions.npy"),
    *("skipped.csv", "thumbs.json", "thumbs/page-000.webp"),
)


def bare(positions=((0, 1), (2, 3)), **more) -> ImageMap:
    return ImageMap(
        positions=np.array(positions), items=Items([str(i) for i in range(len(positions))]), **more
    )


def test_everything_comes_back(tmp_path):
    made = full_map(7)
    made.save(tmp_path / "m")
    again = ImageMap.load(tmp_path / "m")
    assert_same(made, again)
    assert again.weights.arrays["count"].shape == ()
    again.save(tmp_path / "again")  # and its files are the same bytes
    for name in (*FILES, "map.json"):
        assert (tmp_path / "m" / name).read_bytes() == (tmp_path / "again" / name).read_bytes(), name
    record = json.loads((tmp_path / "m" / "map.json").read_bytes())
    assert sorted(record["files"]) == sorted(FILES)
    assert (record["n"], record["dim"], record["labels"], record["scores"]) == (
        7,
        2,
        ["label", "coarse_label"],
        ["outlier"],
    )


def test_the_least_there_is_comes_back(tmp_path):
    made = bare()
    made.save(tmp_path / "m")
    again = ImageMap.load(tmp_path / "m")
    assert again.positions.dtype == np.float32
    assert again.positions.tolist() == [[0, 1], [2, 3]]
    assert [again.features, again.thumbs, again.weights, again.config, again.labels] == [None] * 5
    there = sorted(p.name for p in (tmp_path / "m").iterdir())
    assert there == [".lock", "items.csv", "map.json", "positions.npy"]


@pytest.mark.parametrize("dim", [1, 3, 5])
def test_any_dimension(tmp_path, dim):
    made = full_map(dim=dim)
    made.save(tmp_path / "m")
    assert_same(made, ImageMap.load(tmp_path / "m"))
    assert made.dim == dim


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: bare([1, 2]), "positions must be numbers of shape (n, d), got int64 (2,)"),
        (lambda: bare([["a"]]), "positions must be numbers of shape (n, d)"),
        (lambda: bare([[1, np.nan], [2, 2]]), "positions of 1 of 2 images are not finite"),
        (lambda: bare([[1j, 2], [3, 4]]), "positions must be numbers of shape (n, d), got complex128 (2, 2)"),
        (lambda: bare(features=np.zeros(2)), "features must be floats of shape (n, f), got float64 (2,)"),
        (lambda: bare(features=np.array([["a"], ["b"]])), "features must be floats"),
        (lambda: bare(features=np.zeros((3, 2))), "features has 3 rows, positions has 2"),
        (lambda: bare(thumbs=full_map(3).thumbs), "thumbs has 3 rows, positions has 2"),
        (lambda: ImageMap(positions=np.eye(2), items=Items(["a"])), "items has 1 rows, positions has 2"),
        (lambda: bare().take([True]), "a mask of rows must have shape (2,), got (1,)"),
        (lambda: bare().embed([]), "this map has no encoder (this method cannot place new images)"),
        (
            lambda: full_map().embed([]),
            "this map was read without its encoder: read it with augmap.load(path)",
        ),
    ],
)
def test_refuses(make, message):
    with pytest.raises(InputError, match=re.escape(message)):
        make()


def test_take():
    made = full_map(6)
    some = made.take([4, 1])
    np.testing.assert_array_equal(some.positions, made.positions[[4, 1]])
    np.testing.assert_array_equal(some.features, made.features[[4, 1]])
    assert some.names == ["ab"[0] + "/4.png", "b/1.png"]
    np.testing.assert_array_equal(some.thumbs.images([0, 1]), made.thumbs.images([4, 1]))
    assert some.weights is made.weights
    bees = made.take(made.labels == "bee")  # a mask, as numpy's users write it
    assert bees.names == ["b/1.png", "b/3.png", "b/5.png"]


def test_pickles():
    assert_same(full_map(), pickle.loads(pickle.dumps(full_map())))


def test_says_what_it_is():
    assert repr(full_map()) == "<ImageMap: 6 images in 2-D, 5 features, by t-SimCNE>"
    assert repr(bare()) == "<ImageMap: 2 images in 2-D, no features, by ?>"


def test_save_asks_before_it_replaces(tmp_path):
    place = tmp_path / "m"
    full_map(6).save(place)
    with pytest.raises(
        InputError, match="there is a map already; choose another name or pass overwrite=True"
    ):
        full_map(3).save(place)
    assert_same(ImageMap.load(place), full_map(6))
    bare().save(place, overwrite=True)
    assert sorted(p.name for p in place.iterdir() if p.is_file()) == [
        ".lock",
        "items.csv",
        "map.json",
        "positions.npy",
    ]
    (tmp_path / "letters").mkdir()
    (tmp_path / "letters" / "a.txt").write_text("x")
    (tmp_path / "file").write_text("x")
    for name in ("letters", "file"):
        for overwrite in (False, True):
            with pytest.raises(InputError, match=f"{name}: exists and is not a map; choose another name"):
                bare().save(tmp_path / name, overwrite=overwrite)
    bare().save(tmp_path / "new" / "parents" / "m")


def test_a_measure_that_is_nan_does_not_stop_the_saving(tmp_path):
    made = bare(
        info={"quality": {"agreement": float("nan"), "k": np.int64(3)}}, log=[{"loss": np.float32("inf")}]
    )
    made.save(tmp_path / "m")
    again = ImageMap.load(tmp_path / "m")
    assert again.info == {"quality": {"agreement": None, "k": 3}}
    assert again.log == [{"loss": None}]


@pytest.fixture(scope="module")
def saved(tmp_path_factory):
    place = tmp_path_factory.mktemp("saved")
    full_map(6).save(place / "m")
    full_map(6, seed=1).save(place / "other")
    return place


@pytest.mark.parametrize("name", FILES)
@pytest.mark.parametrize("harm", ["half", "empty", "edit", "missing", "of another map", "folder"])
def test_a_harmed_file_is_named(saved, tmp_path, name, harm):
    shutil.copytree(saved / "m", tmp_path / "m")
    file = tmp_path / "m" / name
    data = file.read_bytes()
    other = (saved / "other" / name).read_bytes()
    if harm == "of another map" and other == data:  # the same images were skipped
        pytest.skip("the two maps share this file")
    file.unlink()
    if harm == "folder":
        file.mkdir()
    elif harm != "missing":
        edited = data[:-1] + bytes([data[-1] ^ 1])
        file.write_bytes(
            {"half": data[: len(data) // 2], "empty": b"", "edit": edited, "of another map": other}[harm]
        )
    with pytest.raises(DamagedMapError, match=re.escape(name)) as refused:
        ImageMap.load(tmp_path / "m")
    assert "copy the map again" in str(refused.value)


def rewrite(place, change) -> None:
    """Edit map.json as someone who knows the format would."""
    record = json.loads((place / "map.json").read_text())
    change(record)
    (place / "map.json").write_text(json.dumps(record))


def put(place, name, data) -> None:
    """Replace a file and its hash."""
    (place / name).write_bytes(data)
    rewrite(place, lambda r: r["files"].update({name: disk._entry(data)}))


@pytest.mark.parametrize(
    ("key", "value", "message"),
    [
        ("config", [], "map.json: expected a table, got []"),
        ("config", {"stages": "x"}, "'stages' must be a list"),
        (
            "config",
            {"stages": [{"name": "a", "epochs": "1"}]},
            "stage 1: epochs must be float | None, got '1'",
        ),
        ("config", {"stages": [{"name": "a", "epochs": 1}], "exec": "x"}, "unknown 'exec'"),
        (
            "preprocessing",
            {"image_size": "8", "channels": 3},
            "preprocessing: image_size must be int, got '8'",
        ),
        ("preprocessing", {"image_size": 8}, "preprocessing: 'channels' is missing"),
        ("preprocessing", 5, "preprocessing: expected a table, got 5"),
        ("preprocessing", None, "does not describe the map"),
        ("encoder", None, "does not describe the map"),
        ("encoder", ["slim"], "does not describe the map"),
        ("info", "made by hand", "does not describe the map"),
        ("scores", 5, "cannot be understood"),
        ("scores", ["label"], "a score is not a number"),
    ],
)
def test_a_record_with_wrong_values(saved, tmp_path, key, value, message):
    shutil.copytree(saved / "m", tmp_path / "m")
    rewrite(tmp_path / "m", lambda r: r.update({key: value}))
    with pytest.raises(DamagedMapError, match=re.escape(message)):
        ImageMap.load(tmp_path / "m")


@pytest.mark.parametrize(
    ("name", "data", "message"),
    [
        ("positions.npy", b"\x93NUMPY nothing", "positions.npy: not a numpy array"),
        ("positions.npy", pickle.dumps([1]), "positions.npy: not a numpy array"),
        ("encoder.safetensors", b"\0" * 20, "cannot be understood (SafetensorError"),
        ("encoder.safetensors", pickle.dumps([1]), "cannot be understood (SafetensorError"),
        ("items.csv", b"name,split\na,\n", "items has 1 rows, positions has 6"),
        ("log.jsonl", b"[1]\n", "does not describe the map"),
        ("log.jsonl", b"{", "cannot be understood"),
        ("skipped.csv", b"name,reason\na,b,c\n", "cannot be understood"),
        ("thumbs.json", b"[]", "cannot be understood"),
        (
            "thumbs.json",
            b'{"size": 8, "columns": 32, "pages": 2, "slots": [0]}',
            "has no thumbs/page-001.webp",
        ),
        ("thumbs.json", b'{"size": 8, "columns": 32, "pages": 1, "slots": [-1]}', "cannot be understood"),
        ("thumbs.json", b'{"size": 8, "columns": 32, "pages": 1, "slots": [5000]}', "slot 5000 lies beyond"),
        ("thumbs.json", b'{"size": 0, "columns": 32, "pages": 1, "slots": [0]}', "size of thumbnails must"),
    ],
)
def test_a_file_with_wrong_content_and_the_right_hash(saved, tmp_path, name, data, message):
    shutil.copytree(saved / "m", tmp_path / "m")
    put(tmp_path / "m", name, data)
    with pytest.raises(DamagedMapError, match=re.escape(message)):
        ImageMap.load(tmp_path / "m")


def test_no_code_is_run(saved, tmp_path):
    class Evil:
        def __reduce__(self):
            return (os.mkdir, (str(tmp_path / "ran"),))

    shutil.copytree(saved / "m", tmp_path / "m")
    array = np.array([Evil()], dtype=object)
    with (tmp_path / "evil.npy").open("wb") as file:
        np.save(file, array, allow_pickle=True)
    put(tmp_path / "m", "features.npy", (tmp_path / "evil.npy").read_bytes())
    with pytest.raises(DamagedMapError, match=r"features\.npy: not a numpy array \(Object arrays"):
        ImageMap.load(tmp_path / "m")
    assert not (tmp_path / "ran").exists()


def test_features_of_another_number_of_images(saved, tmp_path):
    shutil.copytree(saved / "m", tmp_path / "m")
    put(
        tmp_path / "m", "encoder.safetensors", save_tensors({"x": np.zeros(2)})
    )  # that is for embed to refuse
    assert set(ImageMap.load(tmp_path / "m").weights.arrays) == {"x"}


def test_weights_that_do_not_lie_in_order_are_saved_as_they_are(tmp_path):
    made = full_map()
    turned = np.arange(6, dtype=np.float32).reshape(2, 3).T
    made.weights = Weights(made.weights.spec, {"w": turned})
    made.save(tmp_path / "m")
    np.testing.assert_array_equal(ImageMap.load(tmp_path / "m").weights.arrays["w"], turned, strict=True)


def test_loading_a_map_imports_no_torch(saved, root):
    code = (
        "import sys, augmap; m = augmap.ImageMap.load(sys.argv[1]); k = augmap.load(sys.argv[1]);"
        "m.thumbs.images([0]); m.save(sys.argv[1] + '2', overwrite=True);"
        "print([x for x in ('torch', 'lightning_fabric', 'matplotlib') if x in sys.modules], m.n, k.n)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, str(saved / "m")],
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, "PYTHONPATH": str(root / "src")},
    )
    assert (done.stdout, done.stderr) == ("[] 6 6\n", "")


def test_rows_are_whole_numbers():
    with pytest.raises(InputError, match="rows must be whole numbers or a mask, got float64"):
        bare().take([0.7])
    assert bare().take([]).n == 0


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        ([100], "rows must lie in [0, {n}), or in [-{n}, 0) from the end, got 100"),
        ([0, -100], "from the end, got -100"),
        (1, "rows must be a list of whole numbers or a mask, got shape ()"),
        ([[0, 1]], "rows must be a list of whole numbers or a mask, got shape (1, 2)"),
    ],
)
def test_rows_that_there_are_not(rows, message):
    with pytest.raises(InputError, match=re.escape(message.replace("{n}", str(bare().n)))):
        bare().take(rows)
