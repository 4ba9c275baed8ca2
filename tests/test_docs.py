"""Docs: the code of README.md and docs/ runs as it stands there, but for the trainings, which are shortened.

All blocks of a document run in order in one folder that has ``photos/`` and ``new_photos/``; Python
blocks share their names, and ``X`` is an array of images. ``<!-- not run: reason -->`` above a block
leaves it out.
"""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest

from augmap.cli.main import run
from pictures import ROOT, make_photos

SHORT_COMMANDS = (
    # what the document says -> what is run: the only differences
    (r"^augmap demo\b.*", "augmap demo --help"),  # minutes; has a test of its own
    (r" --(budget|preset) \S+", ""),
    (r" --epochs \S+", ""),
    (
        r"^augmap fit (.*)",
        r"augmap fit \1 --epochs 1,1 --batch-size 16 --image-size 16 --precision float32 --device cpu",
    ),
)
SHORT_PYTHON = (
    (r"budget=\"\w+\"", 'epochs=(1, 1), batch_size=16, image_size=16, precision="float32", device="cpu"'),
    (r"epochs=\(1000, 50, 450\)", 'epochs=(1, 1, 1), batch_size=16, backbone="slim", device="cpu"'),
)
NOT_OURS = ("pip", "git", "cd")
"""Commands of a document that are shown but not run."""

DOCUMENTS = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").rglob("*.md"))]
_BLOCK = re.compile(r"^```(\w*)[^\n]*\n(.*?)^```", flags=re.M | re.S)


@dataclass(frozen=True)
class Block:
    """A fenced piece of code."""

    language: str
    code: str
    line: int
    skipped: bool


def blocks(document: Path) -> Iterator[Block]:
    """Find the fenced blocks of a Markdown file."""
    text = document.read_text("utf-8")
    for match in _BLOCK.finditer(text):
        before = text[: match.start()].rstrip().rsplit("\n", 1)[-1]
        skipped = re.fullmatch(r"<!-- not run: .+ -->", before) is not None
        yield Block(match.group(1), match.group(2), text[: match.start()].count("\n") + 2, skipped)


def commands(block: Block) -> Iterator[str]:
    """Command lines of a block: continued lines joined, comments and (in ``console``) output left out."""
    for line in block.code.replace("\\\n", " ").splitlines():
        if block.language == "console":
            if not line.startswith("$ "):
                continue
            line = line[2:]
        if words := shlex.split(line, comments=True):
            yield shlex.join(words)


def shortened(text: str, table: tuple[tuple[str, str], ...]) -> str:
    """Apply a table of shortenings."""
    for pattern, replacement in table:
        text = re.sub(pattern, replacement, text, flags=re.M)
    return text


def names(documents: list[Path]) -> list[str]:
    return [str(d.relative_to(ROOT)) for d in documents]


RUNNABLE = [d for d in DOCUMENTS if any(b.language in ("bash", "console", "python") for b in blocks(d))]


@pytest.mark.parametrize("document", RUNNABLE, ids=names(RUNNABLE))
def test_code_runs(document, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    make_photos(tmp_path / "photos")
    make_photos(tmp_path / "new_photos", each=2)
    shared = {"X": np.random.default_rng(0).integers(0, 256, (48, 16, 16, 3), dtype=np.uint8)}
    for block in blocks(document):
        where = f"{document.name}:{block.line}"
        if block.skipped:
            continue
        if block.language == "python":
            exec(compile(shortened(block.code, SHORT_PYTHON), where, "exec"), shared)
        elif block.language in ("bash", "console"):
            for command in commands(block):
                run_command(command, where, capsys)


def run_command(command: str, where: str, capsys: pytest.CaptureFixture[str]) -> None:
    program, *arguments = shlex.split(shortened(command, SHORT_COMMANDS))
    if program == "augmap":
        code = run(arguments)
        assert code == 0, f"{where}: {command}\nexit code {code}: {capsys.readouterr().err}"
    elif program == "make":
        targets = re.findall(r"^([\w-]+):", (ROOT / "Makefile").read_text(), flags=re.M)
        target = next(a for a in arguments if "=" not in a)
        assert target in targets, f"{where}: the Makefile has no target {target!r}"
    else:
        assert program in NOT_OURS, (
            f"{where}: {program!r} is not run by this test; write <!-- not run: why -->"
        )


@pytest.mark.parametrize("document", DOCUMENTS, ids=names(DOCUMENTS))
def test_links_lead_somewhere(document):
    text = _BLOCK.sub("", document.read_text("utf-8"))
    links = re.findall(r"\]\(([^)\s]+)\)", text)
    broken = [
        link
        for link in links
        if "://" not in link
        and not link.startswith("#")
        and not (document.parent / link.split("#")[0]).exists()
    ]
    assert not broken


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("augmap demo", "augmap demo --help"),
        ("augmap plot a.map -o a.png", "augmap plot a.map -o a.png"),
        (
            "augmap fit a -o b --budget 10m --seed 3",
            "augmap fit a -o b --seed 3 --epochs 1,1 --batch-size 16 --image-size 16 "
            "--precision float32 --device cpu",
        ),
    ],
)
def test_shortening_keeps_the_rest(line, expected):
    assert shortened(line, SHORT_COMMANDS) == expected


def test_blocks_and_commands_are_found(tmp_path):
    document = tmp_path / "a.md"
    document.write_text(
        "x\n\n```bash\naugmap fit a \\\n  -o b   # why\nmake demo\n```\n<!-- not run: needs a GPU -->\n"
        "```console\n$ augmap info b\noutput\n```\n```python\nx = 1\n```\n"
    )
    found = list(blocks(document))
    assert [(b.language, b.line, b.skipped) for b in found] == [
        ("bash", 4, False),
        ("console", 10, True),
        ("python", 14, False),
    ]
    assert list(commands(found[0])) == ["augmap fit a -o b", "make demo"]
    assert list(commands(found[1])) == ["augmap info b"]
