"""augmap.report.methods: every method has its own sentence, and nothing is claimed of a strange one."""

from __future__ import annotations

import pytest

from augmap.presets import PRESETS
from augmap.report.methods import method_of
from compared import a_map


def of(method, preset=None):
    return method_of(a_map(3, method=method, preset=preset))


@pytest.mark.parametrize("preset", [p for p in PRESETS if p != "mine"])
def test_presets_are_told_apart(preset):
    found = of("t-SimCNE", preset)
    assert found.name == f"t-SimCNE, {preset}"
    assert f"Preset {preset}" in found.sentence
    assert "Böhm" in found.source
    assert (found.parametric, found.labels) == (True, False)


def test_stages_of_ones_own_are_no_preset():
    found = of("t-SimCNE", "mine")
    assert "not those of a preset" in found.sentence


@pytest.mark.parametrize(
    ("method", "says", "source"),
    [
        ("PCA of pixels", "the pixels vary most", "Hotelling"),
        ("t-SNE of pixels", "graph of pixels", "Maaten & Hinton"),
        (
            "t-SNE of 50 principal components of pixels",
            "graph of 50 principal components of pixels",
            "openTSNE",
        ),
        ("UMAP of features", "graph of features", "McInnes"),
        ("SimCLR", "no map in the plane", "Chen"),
        ("SimCLR, then t-SNE of its features", "t-SNE lays out", "Hinton"),
        ("SimCLR, then UMAP of its features", "UMAP lays out", "McInnes"),
        ("simclr+umap", "UMAP lays out", "Chen"),
        ("parametric t-SNE", "weights of t-SNE", "AISTATS 2009"),
        ("parametric UMAP", "loss of UMAP", "Sainburg"),
    ],
)
def test_baselines(method, says, source):
    found = of(method)
    assert says in found.sentence
    assert source in found.source
    assert "http" not in found.source
    assert (found.name, found.parametric, found.labels) == (method, False, False)


def test_labels_are_admitted():
    found = of("supervised", "quick")
    assert found.labels is True
    assert "no fair rival" in found.sentence


@pytest.mark.parametrize("method", ["trimap", "t-SNEx", "<b>", "", "{what}"])
def test_a_strange_method_is_only_named(method):
    found = of(method)
    assert found.name == (method or "unknown method")
    assert found.labels is None
    assert found.source == ""
