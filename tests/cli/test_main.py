"""The entry point: which error becomes which line and which exit code."""

from __future__ import annotations

import errno
import os
import subprocess
import sys

import pytest
import typer

from augmap import folder
from augmap.cli import main as entry
from augmap.errors import AugmapError, DamagedMapError, InputError, Interrupted, NoRoomError, TrainingError


def run_with(monkeypatch, error, *arguments):
    """Run ``augmap boom``, a command that raises ``error``."""

    def boom(size: int = 1) -> None:
        """Raise."""
        if error is not None:
            raise error

    def build() -> typer.Typer:
        app = typer.Typer(pretty_exceptions_enable=False)
        app.callback()(lambda: None)
        app.command("boom")(boom)
        return app

    monkeypatch.setattr(entry, "build_app", build)
    return entry.run(["boom", *arguments])


@pytest.mark.parametrize(
    ("error", "code", "line"),
    [
        (InputError("a.map: no such map; give another"), 2, "augmap: a.map: no such map; give another"),
        (DamagedMapError("a.map: cut short"), 2, "augmap: a.map: cut short"),
        (InputError("two\nlines  of text"), 2, "augmap: two lines of text"),
        (Interrupted("saved; go on with --resume"), 130, "augmap: saved; go on with --resume"),
        (NoRoomError("m: cannot be written"), 1, "augmap: m: cannot be written"),
        (TrainingError("the loss is not finite"), 1, "augmap: the loss is not finite"),
        (AugmapError("something else"), 1, "augmap: something else"),
        (KeyboardInterrupt(), 130, "augmap: interrupted"),
    ],
)
def test_error_becomes_one_line_and_a_code(monkeypatch, capsys, error, code, line):
    assert run_with(monkeypatch, error) == code
    out, err = capsys.readouterr()
    assert out == ""
    assert err == line + "\n"


@pytest.mark.parametrize(
    ("number", "code"),
    [(errno.EACCES, 2), (errno.EPERM, 2), (errno.EROFS, 2), (errno.ENOSPC, 1), (errno.EFBIG, 1)],
)
def test_what_the_system_refuses_is_one_line(monkeypatch, capsys, number, code):
    assert run_with(monkeypatch, OSError(number, os.strerror(number), "there/x.npy")) == code
    err = capsys.readouterr().err
    assert err.startswith(f"augmap: there/x.npy: {os.strerror(number)}; ")
    assert err.count("\n") == 1


@pytest.mark.parametrize(
    "error", [RuntimeError("a defect"), OSError(errno.EIO, "a defect"), ValueError("a defect")]
)
def test_a_defect_keeps_its_traceback(monkeypatch, error):
    with pytest.raises(type(error), match="a defect"):
        run_with(monkeypatch, error)


def test_a_full_disk_is_nobodys_mistake(monkeypatch, capsys, tmp_path):
    def full(handle):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(NoRoomError) as error:
        folder.write_atomic(tmp_path / "m", b"x")
    assert run_with(monkeypatch, error.value) == 1
    assert "No space left on device, 0.0 MB); make room" in capsys.readouterr().err
    assert not any(tmp_path.iterdir())


def test_success_is_zero_and_silent(monkeypatch, capsys):
    assert run_with(monkeypatch, None) == 0
    assert capsys.readouterr() == ("", "")


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["inof"], ["inof", "info", "augmap --help"]),
        (["info"], ["MAP", "augmap info --help"]),
        (["info", "--jason", "x.map"], ["--jason", "--json", "augmap info --help"]),
        (["embed", "a.map", "photos"], ["--output", "augmap embed --help"]),
        (["cache", "empty"], ["Invalid value for 'action': 'empty' is not one of 'list', 'clear'"]),
    ],
)
def test_wrong_command_lines_are_one_line(capsys, arguments, words):
    assert entry.run(arguments) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert err.count("\n") == 1
    assert err.startswith("augmap: ")
    assert all(word in err for word in words), err


def test_wrong_value_names_it(monkeypatch, capsys):
    assert run_with(monkeypatch, None, "--size", "big") == 2
    err = capsys.readouterr().err
    assert "--size" in err
    assert "'big'" in err
    assert err.count("\n") == 1


def test_no_arguments_is_help(capsys):
    assert entry.run([]) == 0
    out, err = capsys.readouterr()
    assert "Usage: augmap" in out
    assert err == ""


def test_main_exits_with_the_code(monkeypatch):
    monkeypatch.setattr(entry, "configure_process", lambda: None)
    with pytest.raises(SystemExit, match="2"):
        entry.main(["inof"])


def test_in_a_process(augmap_command, tmp_path):
    """The same through ``python -m augmap``: version, a mistake, an undecodable name."""
    import augmap

    done = augmap_command("--version")
    assert (done.returncode, done.stdout, done.stderr) == (0, f"augmap {augmap.__version__}\n", "")
    done = augmap_command("info", tmp_path / "none.map")
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.startswith(f"augmap: {tmp_path / 'none.map'}: no such map")
    done = augmap_command("info", os.fsdecode(b"bad\xff.map"), cwd=tmp_path)
    assert done.returncode == 2
    assert "bad\\udcff.map" in done.stderr


@pytest.mark.parametrize(
    ("closed", "arguments", "code"), [(1, ["--version"], 0), (2, ["info", "none.map"], 2)]
)
def test_a_closed_stream_hears_nothing(closed, arguments, code, root, tmp_path):
    env = {**os.environ, "PYTHONPATH": str(root / "src")}
    command = f'exec "$0" -m augmap "$@" {closed}>&-'
    done = subprocess.run(
        ["sh", "-c", command, sys.executable, *arguments], env=env, cwd=tmp_path, capture_output=True
    )
    assert (done.returncode, done.stdout, done.stderr) == (code, b"", b"")


@pytest.mark.parametrize("buffering", [[], ["-u"]])
def test_reader_that_goes_away_is_no_error(root, buffering):
    """``augmap info MAP | head -1``: what was printed last meets a closed pipe when the process ends."""
    code = (
        "import sys, typer\n"
        "from augmap.cli import main as entry\n"
        "app = typer.Typer()\n"
        "app.command()(lambda: sys.stdin.read() or print('late'))\n"
        "entry.build_app = lambda: app\n"
        "entry.main(['--'])"
    )
    pipes = dict.fromkeys(("stdin", "stdout", "stderr"), subprocess.PIPE)
    env = {**os.environ, "PYTHONPATH": str(root / "src")}
    with subprocess.Popen([sys.executable, *buffering, "-c", code], env=env, **pipes) as process:
        process.stdout.close()
        process.stdin.close()
        error = process.stderr.read()
    assert (process.returncode, error) == (141, b"")


def test_sigterm_is_130_wherever_it_comes(tmp_path):
    (tmp_path / "ended.py").write_text(
        "import signal, sys\n"
        "from augmap.cli.main import configure_process\n"
        "configure_process()\n"
        "try:\n"
        "    exec('signal.raise_signal(signal.SIGTERM)')\n"
        "except KeyboardInterrupt:\n"
        "    sys.exit(130)\n"
    )
    assert subprocess.run([sys.executable, "-m", "ended"], cwd=tmp_path, timeout=60).returncode == 130


@pytest.mark.parametrize("name", ["SIGTERM", "SIGINT"])
def test_a_wish_that_a_compiler_swallows_still_ends_as_one(name, root):
    """What is raised in a callback from C is forgotten there; what it broke off fails a little later."""
    code = (
        "import ctypes, signal, typer\n"
        "from augmap.cli import main as entry\n"
        "def command():\n"
        f"    ctypes.CFUNCTYPE(None)(lambda: signal.raise_signal(signal.{name}))()\n"
        "    raise AttributeError('half compiled')\n"
        "app = typer.Typer()\n"
        "app.command()(command)\n"
        "entry.build_app = lambda: app\n"
        "entry.main(['--'])"
    )
    env = {**os.environ, "PYTHONPATH": str(root / "src")}
    done = subprocess.run(
        [sys.executable, "-c", code], env=env, capture_output=True, text=True, check=False, timeout=60
    )
    assert done.returncode == 130, done.stderr
    assert done.stderr.splitlines()[-1] == "augmap: interrupted"


@pytest.mark.skipif(os.name == "nt", reason="there a folder that somebody is in cannot be removed")
def test_a_folder_that_is_gone(root, tmp_path):
    (tmp_path / "gone").mkdir()
    done = subprocess.run(
        ["sh", "-c", 'rmdir ../gone && exec "$0" -m augmap embed a.map photos -o -', sys.executable],
        cwd=tmp_path / "gone",
        env={**os.environ, "PYTHONPATH": str(root / "src")},
        capture_output=True,
        text=True,
        check=False,
    )
    line = "augmap: the current folder no longer exists; cd elsewhere\n"
    assert (done.returncode, done.stdout, done.stderr) == (2, "", line)
