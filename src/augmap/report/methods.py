"""A sentence on each method: what it is, whether it places new images, whether it saw labels, its source."""

from __future__ import annotations

import re
from dataclasses import dataclass

from augmap.imagemap import ImageMap
from augmap.presets import PRESETS


@dataclass(frozen=True, kw_only=True)
class Method:
    """What a reader has to know of a method."""

    name: str
    sentence: str
    """What it is, in one to three lines."""
    parametric: bool
    """The map has an encoder, which places new images."""
    labels: bool | None
    """Labels took part in making the map; None where nobody knows."""
    source: str
    """Citation without a link; empty where there is none."""


def method_of(m: ImageMap) -> Method:
    """Return what is known of the method that made a map.

    ``info["method"]`` names it, ``config.preset`` the list of stages; whether the map is parametric is
    read from the map, which has an encoder or not. A method that augmap does not know is named as it
    names itself, and nothing is claimed of it.
    """
    named = " ".join(str(m.info.get("method") or "unknown method").split())
    parametric = m.weights is not None
    preset = m.config.preset if m.config else None
    if _key(named) == "tsimcne":
        return Method(
            name=f"t-SimCNE, {preset}" if preset else "t-SimCNE",
            sentence=_tsimcne(preset),
            parametric=parametric,
            labels=False,
            source=f"{TSIMCNE}; {SIMCLR}" if preset in _COSINE else TSIMCNE,
        )
    for pattern, sentence, source in _OTHERS:
        if found := re.fullmatch(pattern, named, flags=re.IGNORECASE):
            what = found.groupdict().get("what") or "pixels"
            return Method(
                name=named,
                sentence=sentence.format(what=what),
                parametric=parametric,
                labels=_key(named) == "supervised",
                source=source,
            )
    return Method(name=named, sentence=_UNKNOWN, parametric=parametric, labels=None, source="")


def _key(name: str) -> str:
    """``t-SimCNE``, ``tsimcne`` and ``t_simcne`` are one method."""
    return re.sub(r"[^a-z0-9]", "", name.lower())


def _tsimcne(preset: str | None) -> str:
    views = (
        "An encoder learns from pairs of augmented views of one image, which must land close together, "
        "and all other images of the batch elsewhere."
    )
    if preset in _PRESETS:
        return f"{views} Preset {preset}{_PRESETS[preset]}."
    if preset in PRESETS:
        return f"{views} Preset {preset}: {PRESETS[preset].about}."
    return f"{views} The stages are not those of a preset; they are given below."


TSIMCNE = "Böhm, Berens & Kobak, ICLR 2023, arXiv:2210.09879"
SIMCLR = "Chen, Kornblith, Norouzi & Hinton, ICML 2020, arXiv:2002.05709"
TSNE = "van der Maaten & Hinton, JMLR 9, 2008; openTSNE: Poličar, Stražar & Zupan, J. Stat. Softw. 109, 2024"
UMAP = "McInnes, Healy & Melville, 2018, arXiv:1802.03426"

_PRESETS = {
    "quick": (
        ", for budgets of minutes: cosine similarity in 128 dimensions, as in SimCLR; then a new head learns "
        "a layout of the neighbour graph of the features in the plane"
    ),
    "paper": (
        ", the published method: Cauchy similarity in 128 dimensions, a new last layer, then Cauchy "
        "similarity in the plane"
    ),
    "cosine": (
        ", an ablation of the published method: cosine similarity in 128 dimensions, as in SimCLR; then a "
        "new last layer and Cauchy similarity in the plane"
    ),
    "direct": (
        ", an ablation of the published method: Cauchy similarity in the plane from the first step, with no "
        "pretraining in more dimensions"
    ),
}
_COSINE = ("quick", "cosine", "tiny-imagenet")
_UNKNOWN = "Not a method that augmap makes: the map names it so, and nothing more is known of it."
_VIEWS = "an encoder learns from pairs of augmented views of one image by the cosine of its outputs"
_KIN = "the trainer and encoder of t-SimCNE, with edges of a neighbour graph in place of augmented views"

_OTHERS: tuple[tuple[str, str, str], ...] = (
    (
        r"PCA(?: of (?P<what>.+))?",
        "The directions along which the {what} vary most. Linear; nothing is learned beyond them.",
        "Hotelling, J. Educ. Psychol. 24, 1933",
    ),
    (
        r"t-?SNE(?: of (?P<what>.+))?",
        "A layout of the neighbour graph of {what}: neighbours attract each other, and all images repel "
        "each other by the Cauchy kernel.",
        TSNE,
    ),
    (
        r"UMAP(?: of (?P<what>.+))?",
        "A layout of the neighbour graph of {what}: neighbours attract each other, and randomly drawn "
        "images repel each other.",
        UMAP,
    ),
    (
        r"SimCLR",
        f"Contrastive features and no map in the plane: {_VIEWS} in many dimensions.",
        SIMCLR,
    ),
    (
        r"SimCLR\W+(?:then )?t-?SNE(?: of its features)?",
        f"SimCLR, {_VIEWS}; then t-SNE lays out the neighbour graph of its features.",
        f"{SIMCLR}; {TSNE}",
    ),
    (
        r"SimCLR\W+(?:then )?UMAP(?: of its features)?",
        f"SimCLR, {_VIEWS}; then UMAP lays out the neighbour graph of its features.",
        f"{SIMCLR}; {UMAP}",
    ),
    (
        r"parametric t-?SNE",
        f"An encoder learns to place near what is near in pixels, with the weights of t-SNE: {_KIN}.",
        "van der Maaten, AISTATS 2009",
    ),
    (
        r"parametric UMAP",
        f"An encoder learns to place near what is near in pixels, with the graph and loss of UMAP: {_KIN}.",
        "Sainburg, McInnes & Gentner, Neural Computation 33, 2021, arXiv:2009.12981",
    ),
    (
        r"supervised",
        "An encoder learns to name the labels of training images by cross-entropy. It trains on the labels "
        "that the scores ask for, so it is no fair rival of maps that never saw them.",
        "",
    ),
)
