"""How fast the explorer's page is, in Chromium on made-up points: writes JSON, prints the table of docs/explorer.md.

    python benchmarks/explorer.py [--points 100000,1000000] [--output FILE.json] [--browser /usr/bin/chromium]

Needs Node.js and ``npm ci`` in src/augmap/explorer/web. Software WebGL: a graphics card is not asked for. Times are
wall clock, so run it on a machine that does nothing else; the load before each measurement stands in the JSON.
"""  # noqa: E501

from __future__ import annotations

import argparse
import json
import subprocess
from pathlib import Path

from measuring import HERE, write

WEB = HERE.parent / "src" / "augmap" / "explorer" / "web"
COLUMNS = {
    "first": "first points",
    "zoom": "zoom step",
    "filter": "hide a class",
    "lasso": "lasso",
    "hover": "hit test",
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--points", default="100000,1000000")
    parser.add_argument("--browser", default="/usr/bin/chromium")
    parser.add_argument("--output", type=Path, default=HERE / "results" / "explorer.json")
    options = parser.parse_args()
    command = ["node", "tests/browser/bench.mjs", options.points, options.browser]
    run = subprocess.run(command, cwd=WEB, check=True, stdout=subprocess.PIPE, text=True)
    found = json.loads(run.stdout)
    write(options.output, found)
    print(table(found))


def table(found: dict) -> str:
    """Return the medians, least and most in milliseconds, as a table."""
    lines = [f"| points | {' | '.join(COLUMNS.values())} |", "| ---: " * (len(COLUMNS) + 1) + "|"]
    for n, times in found["points"].items():
        cells = [f"{_ms(t['median'])} ({_ms(t['least'])}-{_ms(t['most'])})" for t in map(times.get, COLUMNS)]
        lines.append(f"| {int(n):,} | {' | '.join(cells)} |")
    return "\n".join(lines)


def _ms(value: float) -> str:
    return f"{value:,.0f}" if value >= 10 else f"{value:.1f}"


if __name__ == "__main__":
    main()
