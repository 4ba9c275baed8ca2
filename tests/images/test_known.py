"""Known names, against a server of our own: download, checksum, cache, and what is said offline."""

from __future__ import annotations

import gzip
import hashlib
import http.server
import io
import pickle
import struct
import tarfile
import threading

import numpy as np
import pytest

from augmap.errors import InputError
from augmap.images import known
from augmap.images.open import open_images

RANDOM = np.random.default_rng(0)


def idx_gz(array: np.ndarray) -> bytes:
    return gzip.compress(struct.pack(f">HBB{array.ndim}I", 0, 8, array.ndim, *array.shape) + array.tobytes())


def small_mnist() -> dict[str, bytes]:
    out = {}
    for split, n in (("train", 3), ("t10k", 2)):
        out[f"{split}-images-idx3-ubyte.gz"] = idx_gz(RANDOM.integers(0, 256, (n, 28, 28), np.uint8))
        out[f"{split}-labels-idx1-ubyte.gz"] = idx_gz(np.arange(n, dtype=np.uint8))
    return out


def small_cifar() -> dict[str, bytes]:
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w:gz") as tar:
        blob = {
            b"data": RANDOM.integers(0, 256, (2, 3072), np.uint8),
            b"labels": [0, 1],
            b"filenames": [b"a", b"b"],
        }
        for name, content in (("data_batch_1", blob), ("batches.meta", {b"label_names": [b"cat", b"dog"]})):
            data = pickle.dumps(content, 2)
            info = tarfile.TarInfo(f"cifar-10-batches-py/{name}")
            info.size = len(data)
            tar.addfile(info, io.BytesIO(data))
    return {"cifar-10-python.tar.gz": out.getvalue()}


@pytest.fixture
def server(monkeypatch, tmp_path):
    """Serve small data sets under the known names; ``asked`` lists the requests, ``files`` can be changed."""
    files = {"fashion-mnist": small_mnist(), "mnist": small_mnist(), "cifar10": small_cifar()}
    asked = []

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self):
            asked.append(self.path)
            name, file = self.path.strip("/").split("/")
            data = files[name].get(file)
            self.send_response(200 if data is not None else 404)
            self.send_header("Content-Length", str(len(data or b"")))
            self.end_headers()
            self.wfile.write((data or b"")[: self.server.cut])

        def log_message(self, *_):
            pass

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        server.cut, server.asked, server.files = None, asked, files
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        monkeypatch.setenv(known.MIRROR, f"http://127.0.0.1:{server.server_port}")
        for name, content in files.items():
            sums = tuple(
                known.KnownFile(f, f"md5:{hashlib.md5(data).hexdigest()}") for f, data in content.items()
            )
            old = known.KNOWN[name]
            monkeypatch.setitem(known.KNOWN, name, known.Known(old.url, sums, old.classes))
        yield server
        server.shutdown()
        thread.join()


def test_download_once(server, tmp_path):
    progress = []
    for _ in range(2):
        opened = open_images("fashion-mnist", cache=tmp_path, download_progress=lambda *a: progress.append(a))
        assert opened.names == ["train/000000", "train/000001", "train/000002", "test/000000", "test/000001"]
        assert opened.labels["label"] == ["T-shirt/top", "Trouser", "Pullover", "T-shirt/top", "Trouser"]
    assert len(server.asked) == 4
    assert len([1 for done, total in progress if done == total]) == 4
    files = sorted(p.name for p in (tmp_path / "downloads" / "fashion-mnist").iterdir())
    assert files == sorted(server.files["fashion-mnist"])


@pytest.mark.parametrize("name", ["cifar10", "CIFAR-10", "Cifar_10"])
def test_spellings_and_cifar(server, tmp_path, name):
    opened = open_images(name, cache=tmp_path)
    assert opened.names == ["train/cat/a", "train/dog/b"]
    assert opened.pixels.shape == (2, 32, 32, 3)


def test_a_folder_of_that_name_comes_first(server, tmp_path, write, monkeypatch):
    write("x.png", root=tmp_path / "mnist")
    monkeypatch.chdir(tmp_path)
    assert open_images("mnist").names == ["x.png"]
    assert not server.asked


def test_damaged_download(server, tmp_path):
    server.cut = 100
    with pytest.raises(
        InputError, match=r"/mnist/train-images.*download http://.* and put it at .*mnist/train-images"
    ):
        open_images("mnist", cache=tmp_path)
    server.cut = None
    server.files["mnist"] = small_mnist()
    with pytest.raises(InputError, match=r"gave a wrong or cut file \(md5:.*, expected md5:.*\)"):
        open_images("mnist", cache=tmp_path)
    assert not list((tmp_path / "downloads" / "mnist").iterdir())


def test_missing_on_the_server(server, tmp_path):
    server.files["mnist"].clear()
    with pytest.raises(
        InputError, match=r"mnist is not in the cache and cannot be downloaded \(Not Found\): download http"
    ):
        open_images("mnist", cache=tmp_path)


def test_offline(tmp_path, monkeypatch, server):
    server.shutdown()
    server.server_close()
    by_hand = rf"download http://.*/mnist/train.* and put it at {tmp_path}/downloads/mnist/train"
    message = rf"cannot be downloaded .*: {by_hand}"
    with pytest.raises(InputError, match=message):
        open_images("mnist", cache=tmp_path)
    folder = tmp_path / "downloads" / "mnist"  # and that is indeed where to put it
    for name, data in server.files["mnist"].items():
        (folder / name).write_bytes(data)
    assert len(open_images("mnist", cache=tmp_path)) == 5
    (folder / "train-images-idx3-ubyte.gz").write_bytes(b"something else")
    with pytest.raises(InputError, match=r"not the file from http.*\(wrong checksum\); delete it"):
        open_images("mnist", cache=tmp_path)


def test_official_addresses():
    for name, entry in known.KNOWN.items():
        assert entry.url.startswith("http")
        assert entry.url.endswith("/")
        for file in entry.files:
            algorithm, digest = file.checksum.split(":")
            assert len(digest) == {"md5": 32, "sha256": 64}[algorithm]
        assert known.known_name(name.upper().replace("-", "_")) == name
    assert known.known_name("cifar") is None


def test_only_http(tmp_path, monkeypatch):
    monkeypatch.setenv(known.MIRROR, "file:///etc")
    with pytest.raises(
        InputError, match="AUGMAP_MIRROR must be an http:// or https:// URL, got 'file:///etc'"
    ):
        open_images("mnist", cache=tmp_path)
