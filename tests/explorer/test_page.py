"""The page in a real browser: Debian's Chromium, driven by playwright-core, against the real server."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from augmap.imagemap import ImageMap
from augmap.items import Items
from augmap.thumbs import make_thumbs

EXPLORER = Path(__file__).resolve().parents[2] / "src" / "augmap" / "explorer"
WEB = EXPLORER / "web"
N = 3000
SCENARIOS = [
    "opens",
    "keyboard_reaches_everything",
    "zoom_turns_points_into_pictures",
    "hover_ring_then_card",
    "click_shows_image_and_neighbours",
    "lasso_box_add_subtract",
    "legend_hides_isolates_and_counts",
    "colour_by_a_score",
    "search_by_keyboard",
    "grid_sorts_tags_and_exports",
    "a_link_shows_the_same",
    "dropped_image_lands",
    "refused_images_are_named",
    "without_an_encoder_says_so",
    "review_by_keyboard",
    "original_moved",
    "server_gone",
    "damaged_map_is_refused",
    "no_webgl",
    "context_lost_and_back",
    "narrow_window_has_drawers",
    "training_is_watched",
    "two_maps_are_linked",
    "one_file_without_a_network",
]


def browser() -> str | None:
    for name in ("chromium", "chromium-browser", "google-chrome"):
        if found := shutil.which(name):
            return found
    return None


def why_not() -> str | None:
    """Return what is missing to drive the page, or None."""
    if browser() is None:
        return "no browser; apt-get install chromium"
    if shutil.which("node") is None:
        return "no node; apt-get install nodejs npm"
    if not (WEB / "node_modules" / "playwright-core").is_dir():
        return f"no playwright-core; npm ci in {WEB.relative_to(EXPLORER.parents[2])}"
    return None


def required() -> bool:
    return os.environ.get("AUGMAP_REQUIRE_BROWSER") == "1"


@pytest.fixture(scope="module")
def results(tmp_path_factory: pytest.TempPathFactory) -> dict[str, dict]:
    """Run every scenario once; what came of each by name."""
    missing = why_not()
    if missing:
        assert not required(), f"the page cannot be tested: {missing}"
        pytest.skip(f"the page is not tested: {missing}")
    folder = tmp_path_factory.mktemp("page")
    first, second = folder / "first.map", folder / "second.map"
    a_map(seed=0).save(first)
    a_map(seed=1).save(second)
    review = first / "review.csv"
    review.write_text(a_review(), encoding="utf-8")
    with Served(first) as url, Served(first, second) as pair:
        given = {
            "url": url,
            "pair": pair,
            "browser": browser(),
            "review": str(review),
            "static": str(EXPLORER / "static"),
            "out": os.environ.get("AUGMAP_SCREENSHOTS") or str(folder / "shots"),
        }
        run = subprocess.run(
            ["node", "tests/browser/run.mjs", json.dumps(given)],
            cwd=WEB,
            capture_output=True,
            text=True,
            timeout=900,
        )
    lines = [json.loads(line) for line in run.stdout.splitlines() if line.startswith("{")]
    assert lines, run.stderr
    return {line["name"]: line for line in lines}


@pytest.mark.parametrize("scenario", SCENARIOS)
def test_the_page(scenario: str, results: dict[str, dict]) -> None:
    result = results[scenario]
    assert result["ok"], result["error"]


def test_every_scenario_is_asked_for(results: dict[str, dict]) -> None:
    assert set(results) == set(SCENARIOS)


def test_the_parts_without_a_page() -> None:
    if shutil.which("node") is None or not (WEB / "node_modules" / "esbuild").is_dir():
        assert not required(), f"no node or no esbuild: npm ci in {WEB}"
        pytest.skip(
            "no node or no esbuild; apt-get install nodejs npm, then npm ci in src/augmap/explorer/web"
        )
    run = subprocess.run(["npm", "test", "--silent"], cwd=WEB, capture_output=True, text=True, timeout=300)
    assert run.returncode == 0, run.stdout[-4000:]


def test_the_bundle_is_what_its_source_says(tmp_path: Path) -> None:
    if shutil.which("node") is None or not (WEB / "node_modules" / "esbuild").is_dir():
        assert not required(), f"no node or no esbuild: npm ci in {WEB}"
        pytest.skip(
            "no node or no esbuild; apt-get install nodejs npm, then npm ci in src/augmap/explorer/web"
        )
    subprocess.run(
        ["node", "build.mjs", str(tmp_path)], cwd=WEB, check=True, capture_output=True, timeout=120
    )
    for name in ("app.js", "app.css", "index.html", "licences.txt"):
        built, committed = (tmp_path / name).read_bytes(), (EXPLORER / "static" / name).read_bytes()
        assert built == committed, f"static/{name} is not what its source says: npm run build"


def test_no_inline_script_or_style() -> None:
    page = (EXPLORER / "static" / "index.html").read_text(encoding="utf-8")
    assert "style=" not in page
    assert "<style" not in page
    assert page.count("<script") == page.count("<script src=") == 1


def test_the_licence_of_every_package_is_there() -> None:
    text = (EXPLORER / "static" / "licences.txt").read_text(encoding="utf-8")
    for package in ("regl-scatterplot 1.16.0", "regl 2.1.1", "pub-sub-es 3.0.0", "gl-matrix", "earcut"):
        assert package in text


class Served:
    """``augmap explore`` in a process of its own; its start address."""

    def __init__(self, *maps: Path) -> None:
        self.process = subprocess.Popen(
            [sys.executable, "-m", "augmap", "explore", *map(str, maps), "--no-open", "--port", "0"],
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )

    def __enter__(self) -> str:
        assert self.process.stdout is not None
        lines = []
        for line in self.process.stdout:
            lines.append(line)
            if "http://" in line:
                return line[line.index("http://") :].split()[0]
        raise AssertionError("".join(lines))

    def __exit__(self, *_: object) -> None:
        self.process.terminate()
        self.process.wait(timeout=20)


def a_map(seed: int) -> ImageMap:
    """Four kinds of small pictures in four clusters; one label is markup."""
    rng = np.random.default_rng(0)
    kinds = ["stripes", "dots", "plain", "<img src=x onerror=alert(1)>"]
    kind = rng.integers(0, 4, N)
    pixels = rng.integers(0, 60, (N, 16, 16, 3), dtype=np.uint8)
    pixels += (np.arange(4)[kind] * 45).astype(np.uint8)[:, None, None, None]
    pixels[kind == 0, ::3] = 230
    pixels[kind == 1, ::4, ::4] = 255
    place = np.random.default_rng(seed)
    centres = place.normal(size=(4, 2)) * 40
    positions = (centres[kind] + place.normal(size=(N, 2)) * 9).astype(np.float32)
    features = (np.eye(4)[kind] * 3 + rng.normal(size=(N, 4))).astype(np.float32)
    return ImageMap(
        positions=positions,
        items=Items(
            [f"photos/{i:04d}.png" for i in range(N)],
            ["train"] * N,
            {"label": np.array(kinds)[kind]},
            {"outlier": rng.gamma(2.0, size=N)},
        ),
        features=features,
        thumbs=make_thumbs(pixels, positions),
        info={"method": "made up"},
    )


def a_review() -> str:
    rows = ["queue,group,rank,row,name,split,label,score,tag,reason,decision"]
    for group in range(3):
        for rank in range(2):
            row = 10 * group + rank
            rows.append(
                f"duplicates,{group + 1},{rank + 1},{row},photos/{row:04d}.png,"
                "train,plain,0.99,,nearly the same,"
            )
    rows += [
        f"outliers,,{k + 1},{100 + k},photos/{100 + k:04d}.png,train,plain,{9 - k},,far from all others,"
        for k in range(5)
    ]
    return "\n".join(rows) + "\n"
