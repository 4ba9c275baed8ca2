"""augmap explore and augmap fit --watch as processes of their own, asked as a browser would ask."""

from __future__ import annotations

import http.cookiejar
import json
import os
import re
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from contextlib import contextmanager

import numpy as np
import pytest

from augmap.cli.main import run
from augmap.explorer import server as servers
from augmap.imagemap import ImageMap
from madeup import full_map
from pictures import ROOT


@contextmanager
def started(*arguments):
    """A process that serves, and a browser that has opened the address which it printed."""
    environment = {**os.environ, "PYTHONPATH": str(ROOT / "src"), "PYTHONUNBUFFERED": "1"}
    command = [sys.executable, "-m", "augmap", *map(str, arguments)]
    process = subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, env=environment, bufsize=1
    )
    try:
        lines = []
        for line in process.stdout:
            lines.append(line)
            if found := re.search(r"http://\S+", line):
                yield process, Browser(found.group()), lines
                return
        pytest.fail("".join(lines))
    finally:
        process.kill()
        process.wait()
        process.stdout.close()


class Browser:
    """Keeps the cookie, as browsers do."""

    def __init__(self, address):
        self.base = address.split("?")[0]
        jar = urllib.request.HTTPCookieProcessor(http.cookiejar.CookieJar())
        self.opener = urllib.request.build_opener(jar)
        self.opener.open(address, timeout=20).read()

    def __call__(self, path, data=None):
        with self.opener.open(self.base + path, data=data, timeout=20) as answer:
            return answer.read()


def ended(process, seconds):
    """Press Ctrl-C; return the exit code."""
    began = time.monotonic()
    process.send_signal(signal.SIGINT)
    code = process.wait(20)
    assert time.monotonic() - began < seconds
    return code


@pytest.fixture
def some_map(tmp_path):
    m = full_map(12)
    m.weights = None
    return m.save(tmp_path / "some.map")


def test_a_map_is_served_until_ctrl_c(some_map):
    with started("explore", some_map, "--no-open") as (process, ask, lines):
        assert "some.map: 12 images at http://127.0.0.1:" in lines[-1]
        meta = json.loads(ask("meta.json"))
        assert (meta["n"], meta["capabilities"]["embed"]) == (12, False)
        assert len(ask("col/x.bin")) == 48
        with pytest.raises(urllib.error.HTTPError, match="409"):
            ask("embed", b"x")
        with pytest.raises(urllib.error.HTTPError, match="403"):
            urllib.request.urlopen(ask.base + "meta.json", timeout=20)
        assert ended(process, 5) == 0  # measured on quiet cores: under 1 s; the test machine may be busy


@pytest.mark.parametrize(
    ("arguments", "why"),
    [
        (["nowhere.map"], "no such map"),
        (["some.map", "--images", "nowhere"], "no such folder"),
        (["some.map", "nowhere.map"], "no such map"),
        (["some.map", "--host", "no.such.host.invalid"], "cannot be listened on"),
        (["some.map", "--port", "70000"], "70000"),
    ],
)
def test_mistakes_are_one_line(some_map, monkeypatch, capsys, arguments, why):
    monkeypatch.chdir(some_map.parent)
    assert run(["explore", *arguments, "--no-open"]) == 2
    error = capsys.readouterr().err
    assert why in error
    assert error.count("\n") == 1


def test_the_next_free_port(monkeypatch):
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        monkeypatch.setattr(servers, "PORT", port)
        found = servers.bind()
        assert found.port != port
        found.close()
        with pytest.raises(ValueError, match=f"127.0.0.1:{port} cannot be listened on"):
            servers.bind(port=port)


@pytest.mark.parametrize(
    ("host", "address"),
    [
        ("127.0.0.1", "http://127.0.0.1:"),
        ("localhost", "http://localhost:"),
    ],
)
def test_the_address(host, address):
    found = servers.bind(host, 0)
    assert found.address("t") == f"{address}{found.port}/?token=t"
    found.close()
    assert servers.is_loopback(host)
    assert not servers.is_loopback("0.0.0.0")


def test_a_training_is_watched(photos, tmp_path):
    """From before the images are read until the finished map: frames, pause, an early end, the replay."""
    arguments = ["fit", photos, "-o", tmp_path / "m.map", "--preset", "paper", "--epochs", "3000,5,5"]
    arguments += [
        "--backbone",
        "slim",
        "--batch-size",
        16,
        "--image-size",
        8,
        "--device",
        "cpu",
        "--watch",
        "--no-open",
    ]
    with started(*arguments) as (process, ask, _):

        def until(truth, what):
            for _ in range(600):
                found = json.loads(ask(what))
                if truth(found):
                    return found
                time.sleep(0.1)
            pytest.fail(f"{what}: {found}")

        meta = until(lambda m: m["live"]["state"] == "running", "meta.json")
        assert (meta["n"], meta["capabilities"]["live"], meta["capabilities"]["embed"]) == (48, True, False)
        assert json.loads(ask("control", b'{"action": "pause"}')) == {"state": "paused"}
        for _ in range(300):
            if (tmp_path / "m.map" / "checkpoint" / "checkpoint.json").exists():
                break
            time.sleep(0.1)
        time.sleep(0.3)
        frames = [len(json.loads(ask("replay.json"))["frames"]) for _ in range(2)]
        assert frames[0] == frames[1] > 0
        assert json.loads(ask("control", b'{"action": "stop"}')) == {"state": "stopping"}
        meta = until(lambda m: not m["capabilities"]["live"], "meta.json")
        assert (meta["title"], meta["capabilities"]["embed"], meta["capabilities"]["replay"]) == (
            "m.map",
            True,
            True,
        )
        assert b"event: end" in first_events(ask)
        replay = json.loads(ask("replay.json"))
        assert replay["frames"][0]["pca"] is True
        assert set(replay["stages"]) == {"pretrain", "readout", "finetune"}
        frames = np.frombuffer(ask("replay.bin"), "<u2").reshape(-1, 48, 2)
        rows = np.frombuffer(ask("col/replay_rows.bin"), "<u4")
        last = np.stack([np.frombuffer(ask(f"col/{axis}.bin"), "<f4")[rows] for axis in "xy"], 1)
        np.testing.assert_allclose(frames[-1] / 65535 * 2 - 1, last, atol=1e-4)
        placed = json.loads(ask("embed", (photos / ImageMap.load(tmp_path / "m.map").names[0]).read_bytes()))
        assert len(placed["views"]) == 32
        assert ended(process, 10) == 0
    made = ImageMap.load(tmp_path / "m.map")
    assert made.config.stages[0].stop is not None
    assert not (tmp_path / "m.map" / "checkpoint").exists()


def first_events(ask):
    with ask.opener.open(ask.base + "events", timeout=20) as stream:
        found = b""
        while b"event: end" not in found:
            line = stream.readline()
            if not line:
                break
            found += line
        return found


@pytest.mark.parametrize(
    ("arguments", "why"),
    [(["--no-open"], "--no-open belongs to --watch"), (["--watch", "--devices", "2"], "cannot be watched")],
)
def test_fit_refuses_what_does_not_go_together(photos, tmp_path, capsys, arguments, why):
    assert run(["fit", str(photos), "-o", str(tmp_path / "m.map"), *arguments]) == 2
    assert why in capsys.readouterr().err
    assert not (tmp_path / "m.map").exists()
