"""What a metric is called in a table, and what it is in one sentence."""

from __future__ import annotations

METRICS: dict[str, tuple[str, str]] = {
    "knn": ("kNN", "share of test images whose label wins the vote of their k nearest training images"),
    "linear": ("linear", "accuracy on test images of a logistic regression fitted to training images"),
    "gcn": ("GCN", "accuracy on test images of a graph convolution over the neighbours of training images"),
    "silhouette": (
        "silhouette",
        "how much nearer images are to their own label than to the next one, −1 to 1",
    ),
    "kmeans_ari": (
        "k-means ARI",
        "adjusted Rand index of labels and as many clusters of k-means, 0 by chance, at most 1",
    ),
    "kmeans_ami": (
        "k-means AMI",
        "adjusted mutual information of labels and as many clusters of k-means, 0 by chance",
    ),
    "hdbscan_ari": (
        "HDBSCAN ARI",
        "adjusted Rand index of labels and the clusters that HDBSCAN finds, 0 by chance, at most 1",
    ),
    "hdbscan_ami": (
        "HDBSCAN AMI",
        "adjusted mutual information of labels and the clusters that HDBSCAN finds, 0 by chance",
    ),
    "purity": ("purity", "share of the k nearest images that have the label of the image itself"),
    "superclass": (
        "in superclass",
        "share of the k nearest images that are of the superclass of the image itself",
    ),
    "rld": (
        "RLD",
        "relative local density of an image’s label around it at temperature τ; small τ: near images",
    ),
    "neighbor_recall": (
        "neighbour recall",
        "share of an image’s k nearest in the reference that are among its k nearest on the map",
    ),
    "trustworthiness": (
        "trustworthiness",
        "1 minus the penalty for neighbours on the map that are far in the reference, by rank",
    ),
    "continuity": (
        "continuity",
        "1 minus the penalty for neighbours in the reference that are far on the map, by rank",
    ),
    "distance_correlation": (
        "distance corr.",
        "rank correlation of the distances on the map with those in the reference, over random pairs",
    ),
    "agreement": (
        "agreement of views",
        "share of other images that lie farther from a view of an image than its second view",
    ),
}
"""Head and definition; a metric that is not listed goes by its own name."""

SPACES = {
    "map": "on the map",
    "features": "in the features h",
    "pixels": "in the raw pixels",
    "map against features": "map against features h",
    "map against pixels": "map against raw pixels",
}


def head(metric: str) -> str:
    """Return what stands over the column of a metric."""
    return METRICS[metric][0] if metric in METRICS else metric.replace("_", " ")


def definition(metric: str) -> str:
    """Return what a metric is; empty where that is not known here."""
    return METRICS[metric][1] if metric in METRICS else ""


def space(name: str) -> str:
    """Return a place in words."""
    return SPACES.get(name, name)
