"""Queues: ranks, captions and sentences say what was found, with its number."""

from __future__ import annotations

import numpy as np

from augmap.review.disagreement import Disagreement
from augmap.review.duplicates import Duplicates, Group
from augmap.review.islands import Island
from augmap.review.outliers import Outliers
from augmap.review.queues import (
    disagreement_queue,
    duplicates_queue,
    islands_queue,
    outliers_queue,
    uncertain_queue,
)
from looked_at import map_of

M = map_of(
    np.zeros((6, 2)),
    labels=np.array(["ant", "ant", "bee", "", "bee", "ant"]),
    splits=["train"] * 3 + ["test"] * 3,
)


def group(rows: list[int], kinds: list[str], **splits: int) -> Group:
    alike = np.array([np.nan if k == "features" else 0.876 for k in kinds], np.float32)
    return Group(rows=np.array(rows), alike=alike, kinds=kinds, score=1.0, splits=splits)


def test_duplicates_say_how_they_are_known_and_what_they_join():
    groups = [
        group([0, 4], ["copy", "mirrored"], train=1, test=1),
        group([1, 5], ["exact", "exact"], train=2),
        group([2, 3], ["features", "features"]),
    ]
    queue = duplicates_queue(M, Duplicates(groups, {"likeness": 0.7649}, 55))
    first, second = queue.entries[:2]
    assert (first.rank, first.group, first.row, first.tag, first.caption) == (1, 1, 0, "copy", "0.88")
    assert "most typical of its group" in first.reason
    assert "copy of x/0000.png; mirrored, likeness 0.88; 2 images, 1 train and 1 test: leaks" in second.reason
    assert "labels differ: ant, bee" in second.reason
    assert "leaks" not in queue.entries[2].reason
    assert queue.entries[4].caption == "features"
    assert queue.titles[1] == "group 1: 2 images; 1 train and 1 test; labels differ: ant, bee"
    assert queue.found == (
        "3 groups of copies, 6 images; across splits 1 group, with 1 image outside train; 1 group with equal "
        "pixels. 55 pairs were looked at; bounds found from the data: likeness from 0.76."
    )


def test_outliers_are_cut_and_counted():
    found = Outliers(np.array([1.0, 9, 3, 4, 2.99, 5]), None, np.arange(6.0))
    queue = outliers_queue(M, found, top=2)
    assert [(e.row, e.rank, e.caption) for e in queue.entries] == [(1, 1, "9.0"), (5, 2, "5.0")]
    assert queue.beyond == 2  # 3 and 4; 2.99 is usual
    assert queue.found.startswith("4 images of 6 with a score of 3 or more")


def test_disagreements_need_both_spaces():
    found = Disagreement(
        score=np.array([0.5, 0.9, -0.2, np.nan, 0.7, 0.1]),
        suggested=np.array(["bee", "bee", "", "", "ant", "bee"]),
        agreed=np.array([True, False, True, True, True, True]),
        wrong_on_map=np.zeros(6),
    )
    queue = disagreement_queue(M, found, top=9, spaces="15 on the map")
    assert [(e.row, e.tag) for e in queue.entries] == [(4, "ant"), (0, "bee"), (5, "bee")]
    assert queue.entries[0].caption == "bee → ant  70%"
    assert queue.found.startswith("3 images of 5 whose neighbours (15 on the map)")


def test_uncertain_images_are_above_the_median():
    queue = uncertain_queue(M, np.array([1.0, 1, 1, 8, 2, 1]), top=9, verdict="So it is.")
    assert [e.row for e in queue.entries] == [3, 4]
    assert queue.found.endswith("the median is 1.0 times the distance to neighbours. So it is.")


def test_islands_are_cut_by_number():
    islands = [Island(np.array([0, 1, 4]), 30.0, 2.0), Island(np.array([2, 3]), 12.0, 2.0)]
    queue = islands_queue(M, islands, top=1)
    assert [e.row for e in queue.entries] == [0, 1, 4]
    assert queue.beyond == 1
    assert queue.titles == {1: "island 1: 3 images, 67% ant; the gap is 15 times the spacing inside"}
    assert queue.found.startswith("2 islands with 5 images")
