"""Public: do the promises hold? Version, names, commands, what is loaded when."""

from __future__ import annotations

import importlib
import inspect
import json
import os
import re
import subprocess
import sys
import tomllib

import pytest

import augmap
from augmap.cli.main import COMMANDS, build_app

HEAVY = ("torch", "lightning_fabric", "sklearn", "scipy", "matplotlib", "PIL", "starlette", "uvicorn")
"""What only work loads; asking for help must not."""

NEVER_TORCH = ("errors", "config", "imagemap", "items", "folder", "thumbs", "neighbors", "images", "plots")


def loaded_after(code: str) -> set[str]:
    """Run code in a fresh process; return the top-level packages it left in ``sys.modules``."""
    program = f"{code}\nimport json, sys; print(json.dumps(sorted({{m.split('.')[0] for m in sys.modules}})))"
    done = subprocess.run(
        [sys.executable, "-c", program],
        capture_output=True,
        text=True,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return set(json.loads(done.stdout.splitlines()[-1]))


def test_version_is_the_top_of_the_changelog(root):
    entries = re.findall(r"^## (\S+)", (root / "CHANGELOG.md").read_text("utf-8"), flags=re.M)
    assert entries[0] == augmap.__version__


def test_public_names_exist_and_are_documented():
    assert sorted(augmap.__all__) == sorted({*augmap._HOME, "__version__"})
    for name in augmap.__all__:
        thing = getattr(augmap, name)
        assert name.startswith("__") or inspect.getdoc(thing), f"augmap.{name} has no docstring"


def test_public_names_are_the_ones_type_checkers_see(root):
    source = (root / "src/augmap/__init__.py").read_text("utf-8")
    block = source[source.index("if TYPE_CHECKING:\n") : source.index("__version__")]
    seen = dict.fromkeys(augmap._HOME, "")
    for module, names in re.findall(r"from (augmap\.\w+) import (.+)", block):
        seen |= dict.fromkeys(names.split(", "), module)
    assert seen == augmap._HOME


def test_unknown_name_says_so():
    with pytest.raises(AttributeError, match="module 'augmap' has no attribute 'TSimNCE'"):
        augmap.TSimNCE  # noqa: B018


def test_import_loads_nothing_heavy():
    assert not loaded_after("import augmap") & {*HEAVY, "numpy"}


def test_help_loads_nothing_heavy():
    """``augmap --help`` and the help of every command, in one process after another's imports."""
    lines = [
        "import contextlib, io",
        "from augmap.cli.main import run",
        "with contextlib.redirect_stdout(io.StringIO()):",
    ]
    lines += [
        f"    assert run({arguments}) == 0" for arguments in (["--help"], *([c, "--help"] for c in COMMANDS))
    ]
    assert not loaded_after("\n".join(lines)) & set(HEAVY)


def test_what_must_never_load_torch(root):
    """Beside the import contracts: these are looked at as they run, with everything below them."""
    modules = []
    for name in NEVER_TORCH:
        path = root / "src" / "augmap" / name
        files = sorted(path.rglob("*.py")) if path.is_dir() else [path.with_suffix(".py")]
        modules += [".".join(f.relative_to(root / "src").with_suffix("").parts) for f in files]
    assert len(modules) > len(NEVER_TORCH)
    assert not loaded_after("\n".join(f"import {m}" for m in modules)) & {"torch", "lightning_fabric"}


@pytest.mark.parametrize("package", ["augmap.cli", "augmap.images", "augmap.method"])
def test_packages_import_nothing(package, root):
    assert "import " not in (root / "src" / package.replace(".", "/") / "__init__.py").read_text("utf-8")


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_has_help(command, capsys):
    from augmap.cli.main import run

    assert run([command, "--help"]) == 0
    assert f"Usage: augmap {command}" in capsys.readouterr().out


def test_every_command_is_documented(root):
    """The README's table of commands is the list of commands, and every option has a help text."""
    readme = (root / "README.md").read_text("utf-8")
    for info in build_app().registered_commands:
        assert f"augmap {info.name}" in readme, f"README.md does not mention augmap {info.name}"
        for parameter in inspect.signature(info.callback, eval_str=True).parameters.values():
            option = parameter.annotation.__metadata__[0]
            assert option.help, f"augmap {info.name}: {parameter.name} has no help"


def test_what_is_named_in_the_metadata_is_there(root):
    project = tomllib.loads((root / "pyproject.toml").read_text("utf-8"))["project"]
    module, function = project["scripts"]["augmap"].split(":")
    assert callable(getattr(importlib.import_module(module), function))
    pinned = {line.split("==")[0].lower() for line in (root / "constraints.txt").read_text().splitlines()}
    extras = project["optional-dependencies"]
    whole = [name for d in extras["test"] if d.startswith("augmap[") for name in d[7:-1].split(",")]
    needed = [d for e in ("test", *whole) for d in extras[e] if not d.startswith("augmap[")]
    needed += project["dependencies"]
    missing = [n for d in needed if (n := re.split(r"[>=<\[ ]", d)[0].lower()) not in pinned]
    assert not missing, f"constraints.txt does not pin {missing}"
