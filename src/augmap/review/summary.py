"""``summary.md``: what was found, in words, and how to act on it."""

from __future__ import annotations

from collections.abc import Mapping

import augmap
from augmap.imagemap import ImageMap
from augmap.review.find import Found
from augmap.review.queues import QUEUES
from augmap.review.sheets import Sheets

_TITLES = {
    "duplicates": "Duplicates",
    "outliers": "Outliers",
    "disagreement": "Label disagreements",
    "uncertain": "Uncertain images",
    "islands": "Islands",
    "clusters": "Clusters",
}


def summary(m: ImageMap, found: Found, sheets: Mapping[str, Sheets], *, title: str, seen: str) -> str:
    """Return the text.

    Parameters
    ----------
    sheets : mapping of queue names to Sheets
        Empty where there are no pictures.
    title : str
        What the map is called.
    seen : str
        Which pictures were looked at.
    """
    lines = [f"# What is worth looking at in {title}", ""]
    lines += [f"{m.n:,} images; {seen}. By augmap {augmap.__version__}.", ""]
    for name in QUEUES:
        if name in found.absent:
            lines += [f"**{_TITLES[name]}**: not looked for; {found.absent[name]}.", ""]
            continue
        for queue in (q for q in found.queues if q.name == name):
            lines += [f"## {_TITLES[name]}", "", queue.found, ""]
            if queue.beyond:
                lines += [f"{queue.beyond:,} more are left out of the queue; `--top` takes more in.", ""]
            drawn = sheets.get(name)
            if drawn and drawn.files:
                links = ", ".join(f"[{file}]({file})" for file in drawn.files)
                part = "" if drawn.shown == len(queue.entries) else f" (the first {drawn.shown:,} entries)"
                lines += [f"Sheets{part}: {links}", ""]
            if queue.titles:
                some = list(queue.titles.items())[:10]
                lines += [f"- {_plain(text)}" for _, text in some]
                lines += [f"- and {len(queue.titles) - len(some):,} more"] if len(queue.titles) > 10 else []
                lines.append("")
    lines += [_HOW]
    return "\n".join(lines)


def _plain(text: str) -> str:
    """Labels are other people's words: nothing in them is markup."""
    return "".join("\\" + c if c in "\\`*_[]<>#|" else c for c in text)


_HOW = """## How to act

Open `review.csv` in a spreadsheet and write `drop` into the column `decision` of what should go. Then

    augmap apply review.csv --list             # the files, one a line
    augmap apply review.csv --move-to trash/   # moves them there; never deletes, and writes down what it did
    augmap fit IMAGES -o MAP --exclude review.csv

The scores of all images are columns of `items.csv` in the map; `augmap plot MAP -o FILE --color-by outlier`
shows one.
"""
