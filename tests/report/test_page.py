"""augmap.report.page: one file that says everything, asks nothing, and takes no orders from names."""

from __future__ import annotations

import re
from html.parser import HTMLParser

import numpy as np
import pytest

import augmap
from augmap.evaluate.score import Measures
from augmap.report.compare import compare
from augmap.report.page import page
from compared import KINDS, a_map

EMPTY = {"meta", "image", "circle", "rect", "br"}
EVIL = '<script>alert("x")</script>'
HOSTILE = [
    EVIL,
    "' onload='x",
    "&amp;",
    "日本\n\tü",
    "\udcff\udcfe",
    "$x_1$",
    "a" * 300,
    "",
    "http://x.test/y.png",
]


class Reader(HTMLParser):
    """Collects what a browser would: elements, attributes, text; every element is closed."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.tags: list[str] = []
        self.attributes: list[tuple[str, str]] = []
        self.words: list[str] = []
        self.feed(html)
        assert self.open == []

    def handle_starttag(self, tag, attrs):
        self.tags.append(tag)
        self.attributes += [(k, v or "") for k, v in attrs]
        if tag not in EMPTY:
            self.open.append(tag)

    def handle_startendtag(self, tag, attrs):
        self.tags.append(tag)
        self.attributes += [(k, v or "") for k, v in attrs]

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        if self.open and self.open[-1] != "style":
            self.words.append(data)

    @property
    def text(self):
        return " ".join(" ".join(self.words).split())


def report(tmp_path, *maps, **options):
    paths = [m.save(tmp_path / f"{name}.map", overwrite=True) for name, m in maps]
    found = compare(paths, **{"metrics": ["knn", "silhouette", "neighbor_recall"], "k": 5, **options})
    return page(found, made="2026-01-02")


def two(tmp_path, **options):
    return report(
        tmp_path,
        ("quick", a_map()),
        ("tsne", a_map(turn=1.0, noise=3.0, features=False, preset=None, method="t-SNE of pixels")),
        **options,
    )


def test_everything_is_there(tmp_path):
    read = Reader(two(tmp_path))
    for words in (
        "2 maps of 90 images, 3 labels (insects).",
        "(a) quick",
        "(b) tsne",
        "t-SimCNE, quick",
        "Böhm, Berens & Kobak, ICLR 2023, arXiv:2210.09879",
        "Not parametric: new images cannot be placed.",
        "no features: the method has none beside the map",
        "kNN accuracy on the map for each label",
        "How the maps were made",
        "45 → 45 images, official split",
        "Made 2026-01-02 by augmap",
        f"Made with augmap {augmap.__version__}.",
    ):
        assert words in read.text, words
    assert read.tags.count("figure") == 4  # two maps, two confusion matrices
    assert "The maps are not alike" not in read.text


def test_the_best_is_bold_and_nothing_missing_is_a_number(tmp_path):
    html = two(tmp_path)
    row = re.search(r"<tr><th scope=\"row\"><span>quick.*?</tr>", html).group()
    assert "<strong>100.0</strong>" in row
    other = re.search(r"In the features.*?<span>tsne</span></th>(.*?)</tr>", html, re.S).group(1)
    assert other.startswith('<td class="none">–<sup>a</sup></td>')
    assert not re.search(r"[^.\d]0(\.0+)?<", other)


def test_it_asks_nothing_of_any_network(tmp_path):
    html = two(tmp_path)
    read = Reader(html)
    assert "://" not in html
    assert not {"script", "link", "iframe", "object", "embed", "img", "form"} & set(read.tags)
    places = [v for k, v in read.attributes if k in ("href", "src", "srcset", "action", "xlink:href")]
    assert places
    assert all(v.startswith("data:image/webp;base64,") for v in places)
    assert not re.search(r"@import|url\(", html)
    assert "default-src 'none'" in html


def test_only_the_day_changes(tmp_path):
    assert two(tmp_path) == two(tmp_path)
    paths = [tmp_path / "quick.map", tmp_path / "tsne.map"]
    found = compare(paths, metrics=["knn"])
    a, b = (page(found, made=day) for day in ("2026-01-02", "2027-03-04"))
    assert a.replace("2026-01-02", "2027-03-04") == b


def test_hostile_names(tmp_path):
    labels = {
        "label": np.array(HOSTILE)[np.arange(90) % len(HOSTILE)],
        EVIL: np.array(KINDS)[np.arange(90) % 3],
    }
    names = [f"{HOSTILE[i % len(HOSTILE)]}{i}" for i in range(90)]
    evil = a_map(
        labels=labels,
        names=names,
        method=EVIL,
        preset=None,
        source=EVIL,
        settings={EVIL: EVIL},
        versions={EVIL: EVIL},
        fingerprint=EVIL,
    )
    html = report(tmp_path, ("a", evil), ('b"><script>', a_map()))
    read = Reader(html)
    assert "script" not in read.tags
    assert not any(k.startswith("on") for k, _ in read.attributes)
    assert 'alert("x")' in read.text  # it is shown, as text
    html.encode("utf-8")  # bytes that were no UTF-8 are written as escapes


def test_differences_stand_at_the_top(tmp_path):
    html = report(tmp_path, ("a", a_map()), ("b", a_map(60)))
    head, _, _ = html.partition("<figure>")
    assert "different numbers of images (a 90, b 60)" in head


def test_many_maps_and_many_labels(tmp_path, monkeypatch):
    from augmap.report import compare as module

    drawn = module.picture(a_map(), "scatter", color_by=None, colours={}, names=False)
    monkeypatch.setattr(module, "picture", lambda *a, **k: drawn)
    kinds = np.array([f"kind {i}" for i in range(30)])[np.arange(300) % 30]
    maps = [(f"parametric-umap-{i}", a_map(300, turn=i, labels={"label": kinds})) for i in range(12)]
    html = report(tmp_path, *maps, metrics=["knn"])
    assert "--columns:4" in html
    assert html.count('class="heat"') == 0  # 30 labels are no matrix
    assert html.count("<span>parametric-umap-3</span>") >= 2
    assert "kind 28</th><td>" in html  # so many labels are rows, and maps columns
    assert "(l) parametric-umap-11" in Reader(html).text


def test_nothing_measured_is_no_table(tmp_path):
    paths = [a_map(labels={}, features=False, preset=None).save(tmp_path / f"{i}.map") for i in range(2)]
    found = compare(paths, metrics=["knn"])
    read = Reader(page(found, title="Nothing", made="today"))
    assert "Nothing" in read.text
    assert "Measured of no map: kNN (" in read.text


@pytest.mark.parametrize("column", ["majority", "ceiling"])
def test_references_stand_below_the_maps(tmp_path, column, monkeypatch):
    from augmap.report import compare as module

    scores = [Measures(scores=[_score(v, {column: 0.25})]) for v in (0.5, 0.6)]
    monkeypatch.setattr(module, "measured", lambda *a, **k: scores.pop(0))
    html = report(tmp_path, ("a", a_map()), ("b", a_map()))
    foot = re.search(r"<tfoot>(.*?)</tfoot>", html).group(1)
    assert Reader(foot).text == f"{'by chance' if column == 'majority' else 'at most'} 25.0"


def _score(value, beside):
    from compared import a_score

    return a_score(value, beside=beside)
