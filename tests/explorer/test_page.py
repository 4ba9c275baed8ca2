"""The page in a real browser: Debian's Chromium, driven by playwright-core, against the real server."""

from __future__ import annotations

import subprocess
from pathlib import Path

import numpy as np
import pytest

from augmap.imagemap import ImageMap
from augmap.items import Items
from augmap.plots.colours import PALETTE, label_colours, natural
from augmap.plots.names import shorten
from augmap.thumbs import make_thumbs
from browsing import STATIC, WEB, Running, drive, need_browser, need_esbuild, run_unit_tests

N = 3000
SCENARIOS = [
    "opens",
    "keyboard_reaches_everything",
    "zoom_turns_points_into_pictures",
    "hover_ring_then_card",
    "click_shows_image_and_neighbours",
    "regions_are_named_and_selected",
    "long_names_are_cut",
    "lasso_box_add_subtract",
    "legend_hides_isolates_and_counts",
    "colour_by_a_score",
    "search_by_keyboard",
    "names_come_late",
    "a_flight_ends_in_the_middle",
    "grid_sorts_tags_and_exports",
    "a_link_shows_the_same",
    "a_link_pasted_into_an_open_page",
    "dropped_image_lands",
    "dropped_folders",
    "refused_images_are_named",
    "without_an_encoder_says_so",
    "review_by_keyboard",
    "held_keys_decide_once",
    "the_review_is_written_anew",
    "the_review_changes_elsewhere",
    "decided_while_saving",
    "original_moved",
    "server_gone",
    "damaged_map_is_refused",
    "no_webgl",
    "context_lost_and_back",
    "narrow_window_has_drawers",
    "on_a_phone",
    "a_panel_opens_while_it_fits",
    "replay_follows_legend_and_keys",
    "training_is_watched",
    "tags_stay_when_training_ends",
    "tags_that_cannot_be_carried",
    "two_maps_are_linked",
    "one_file_without_a_network",
    "a_file_asks_before_decisions_are_lost",
]


@pytest.fixture(scope="module")
def results(tmp_path_factory: pytest.TempPathFactory) -> dict[str, dict]:
    """Run every scenario once; what came of each by name."""
    need_browser()
    folder = tmp_path_factory.mktemp("page")
    first, second = folder / "first.map", folder / "second.map"
    a_map(seed=0).save(first)
    a_map(seed=1).save(second)
    review = first / "review.csv"
    review.write_text(a_review(), encoding="utf-8")
    with (
        Running("explore", first, "--port", 0) as url,
        Running("explore", first, second, "--port", 0) as pair,
    ):
        return drive(folder / "shots", url=url, pair=pair, review=review, static=STATIC)


@pytest.mark.parametrize("scenario", SCENARIOS)
def test_the_page(scenario: str, results: dict[str, dict]) -> None:
    result = results[scenario]
    assert result["ok"], result["error"]


def test_every_scenario_is_asked_for(results: dict[str, dict]) -> None:
    assert set(results) == set(SCENARIOS)


def test_the_parts_without_a_page() -> None:
    need_esbuild()
    run = subprocess.run(["npm", "test", "--silent"], cwd=WEB, capture_output=True, text=True, timeout=300)
    assert run.returncode == 0, run.stdout[-4000:]


def test_names_are_those_of_the_plots(tmp_path: Path) -> None:
    need_esbuild()
    rng = np.random.default_rng(0)
    pieces = ["", "0", "7", "007", "10", "12345678901234567890", "a", "B", "b", "Ä", "é", "e\u0301", "z"]
    pieces += ["-", " ", "_", "\u0663", "\u00b2", "\uff5a", "\U0001f600", "a name of some length"]
    cases = []
    for count in [2, 5, 20] * 30 + [200]:
        names = sorted({"".join(rng.choice(pieces, rng.integers(1, 5))) for _ in range(count)} - {""})
        names = [names[i] for i in rng.permutation(len(names))]
        found = label_colours(np.array(names)) if len(names) <= len(PALETTE) else None
        cases.append(
            {
                "names": names,
                "sorted": sorted(names, key=natural),
                "colours": found and [found[name] for name in names],
                "short": [shorten(name) for name in names],
            }
        )
    assert f"# pass {len(cases)}" in run_unit_tests("names", cases, tmp_path)


def test_the_bundle_is_what_its_source_says(tmp_path: Path) -> None:
    need_esbuild()
    subprocess.run(
        ["node", "build.mjs", str(tmp_path)], cwd=WEB, check=True, capture_output=True, timeout=120
    )
    for name in ("app.js", "app.css", "index.html", "licences.txt"):
        built, committed = (tmp_path / name).read_bytes(), (STATIC / name).read_bytes()
        assert built == committed, f"static/{name} is not what its source says: npm run build"


def test_no_inline_script_or_style() -> None:
    page = (STATIC / "index.html").read_text(encoding="utf-8")
    assert "style=" not in page
    assert "<style" not in page
    assert page.count("<script") == page.count("<script src=") == 1


def test_the_licence_of_every_package_is_there() -> None:
    text = (STATIC / "licences.txt").read_text(encoding="utf-8")
    for package in ("regl-scatterplot 1.16.0", "regl 2.1.1", "pub-sub-es 3.0.0", "gl-matrix", "earcut"):
        assert package in text
    for copied in ("kdbush", "simplify-js"):  # by regl-scatterplot, into its own source
        assert f"\n{copied}, a copy inside regl-scatterplot" in text
    assert text.count("Vladimir Agafonkin") == 2


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
            [name_of(i) for i in range(N)],
            ["train"] * N,
            {"label": np.array(kinds)[kind]},
            {"outlier": rng.gamma(2.0, size=N)},
        ),
        features=features,
        thumbs=make_thumbs(pixels, positions),
        info={"method": "made up"},
    )


def a_review() -> str:
    """Three pairs of near-duplicates and five outliers, in the columns of review.csv."""
    lines = ["queue,group,rank,row,name,split,label,score,tag,reason,decision"]
    for k in range(6):
        row = 10 * (k // 2) + k % 2
        lines.append(
            f"duplicates,{k // 2 + 1},{k % 2 + 1},{row},{name_of(row)},train,plain,0.99,,nearly the same,"
        )
    for k in range(5):
        row, score = 100 + k, 9 - k if k < 4 else ""
        lines.append(f"outliers,,{k + 1},{row},{name_of(row)},train,plain,{score},,far from all others,")
    return "\n".join(lines) + "\n"


def name_of(row: int) -> str:
    return f"photos/{row:04d}.png"
