"""Gradient-boosted trees as plain arrays: what scikit-learn fitted, evaluated with numpy alone.

A tree has at most eight leaves, so at most seven comparisons. All of them are made at once, for all trees and rows; the
answers are a number, and a table says which leaf that is. That takes a few microseconds a row where the general
code takes hundreds, and nothing has to be unpickled.

Every leaf's value is also split among groups of features: walking down a tree, each comparison moves the expected value,
and the move is the doing of the feature that was compared (A. Saabas, Interpreting random forests, 2014). Thus a score is
its base plus what each group adds.
"""

from collections.abc import Sequence
from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from models.features.moments import Inputs, Matrix

LEAVES: Final = 8
COMPARISONS: Final = LEAVES
"""One more than needed: eight answers of one byte each are one 64-bit number."""
CHUNK: Final = 2048
EQUAL_TO: Final = 1e-9
"""By so much may log-odds of the same trees differ: sums in another order."""
_GATHER: Final = np.uint64(0x0102040810204080)
"""Times eight bytes that are 0 or 1, it puts them side by side into the highest byte; no two products meet."""
_GATHERED: Final = np.uint64(56)


class Forest(NamedTuple):
    """`trees` trees; a comparison is `x[feature] <= threshold`, or `missing_left` where the feature is NaN.

    `left` and `right` (trees, 8) are the next comparison of the tree, or `-1 - leaf`. `share` (trees, 8, groups) is what
    each leaf gives to each group of features, in log-odds; `base` the score before any comparison.
    """

    feature: NDArray[np.int32]
    threshold: NDArray[np.float32]
    missing_left: NDArray[np.bool_]
    left: NDArray[np.int8]
    right: NDArray[np.int8]
    share: Matrix
    base: float


class Evaluator:
    """A forest made ready: `shares` gives what each group adds to the score."""

    def __init__(self, forest: Forest) -> None:
        self.base = forest.base
        self._trees = len(forest.feature)
        self._feature = forest.feature.ravel().astype(np.intp)
        self._threshold = forest.threshold.ravel()
        self._missing_left = forest.missing_left.ravel()
        self._leaf = _leaf_table(forest).ravel()
        self._share = forest.share.reshape(-1, forest.share.shape[2])
        self._first_answer = np.arange(self._trees, dtype=np.intp) * (1 << LEAVES)

    def shares(self, x: Inputs | Matrix) -> Matrix:
        """Return what each group adds, (rows, groups), in log-odds; `x` is (rows, features), NaN for unknown."""
        if len(x) <= CHUNK:
            return self._shares(x)
        return np.concatenate([self._shares(x[at : at + CHUNK]) for at in range(0, len(x), CHUNK)])

    def scores(self, x: Inputs | Matrix) -> Matrix:
        """Return the log-odds, of shape (rows,)."""
        found: Matrix = self.base + self.shares(x).sum(1)
        return found

    def _shares(self, x: Inputs | Matrix) -> Matrix:
        # In single precision, as the thresholds are: what training saw.
        compared = x.astype(np.float32, copy=False).take(self._feature, axis=1)
        yes = compared <= self._threshold
        if np.isnan(x).any():
            yes |= np.isnan(compared) & self._missing_left
        answers = (yes.view("<u8") * _GATHER >> _GATHERED).astype(np.intp)
        leaves = self._leaf[answers + self._first_answer]
        found: Matrix = np.einsum("rtg->rg", self._share.take(leaves, axis=0))
        return found


def _leaf_table(forest: Forest) -> NDArray[np.intp]:
    """For each tree and each byte of answers (the first comparison in the lowest bit), the number of the leaf."""
    trees = len(forest.feature)
    answers = np.arange(1 << LEAVES)
    tree = np.arange(trees)[:, None]
    node = np.zeros((trees, len(answers)), dtype=np.intp)
    for _ in range(COMPARISONS):
        at = np.maximum(node, 0)
        yes = answers >> at & 1 == 1
        node = np.where(node < 0, node, np.where(yes, forest.left[tree, at], forest.right[tree, at]))
    if (node >= 0).any():
        raise ValueError("a tree with more comparisons than it may have")
    return tree * LEAVES - 1 - node


def floor_single(threshold: float) -> np.float32:
    """The largest single-precision number that is not above `threshold`: x <= both alike, for such an x."""
    single = np.float32(threshold)
    # As doubles: numpy would else round the threshold before it compares.
    return single if float(single) <= threshold else np.nextafter(single, np.float32(-np.inf))


class Node(NamedTuple):
    """A node of a fitted tree: a leaf has a value, another a feature, a threshold and two children; `rows` reached it."""

    leaf: bool
    value: float
    rows: float
    feature: int
    threshold: float
    missing_left: bool
    left: int
    right: int


def pack(trees: Sequence[Sequence[Node]], base: float, group: Sequence[int], groups: int) -> Forest:
    """Trees as one forest; the first node of each is its root; `group` says to which group each feature belongs."""
    count = len(trees)
    feature = np.zeros((count, COMPARISONS), dtype=np.int32)
    threshold = np.full((count, COMPARISONS), np.inf, dtype=np.float32)
    missing_left = np.zeros((count, COMPARISONS), dtype=np.bool_)
    left, right = (np.full((count, COMPARISONS), -1, dtype=np.int8) for _ in range(2))
    share = np.zeros((count, LEAVES, groups))
    for number, nodes in enumerate(trees):
        inner = [at for at, node in enumerate(nodes) if not node.leaf]
        leaves = [at for at, node in enumerate(nodes) if node.leaf]
        if len(leaves) > LEAVES:
            raise ValueError(f"a tree has at most {LEAVES} leaves, got {len(leaves)}")
        code = {at: place for place, at in enumerate(inner)} | {at: -1 - place for place, at in enumerate(leaves)}
        for place, at in enumerate(inner):
            node = nodes[at]
            feature[number, place], threshold[number, place] = node.feature, floor_single(node.threshold)
            missing_left[number, place] = node.missing_left
            left[number, place], right[number, place] = code[node.left], code[node.right]
        base += _split(nodes, 0, np.zeros(groups), group, share[number], code)
    return Forest(feature, threshold, missing_left, left, right, share, base)


def _expected(nodes: Sequence[Node], at: int) -> float:
    node = nodes[at]
    if node.leaf:
        return node.value
    sides = nodes[node.left], nodes[node.right]
    values = _expected(nodes, node.left), _expected(nodes, node.right)
    return (sides[0].rows * values[0] + sides[1].rows * values[1]) / (sides[0].rows + sides[1].rows)


def _split(
    nodes: Sequence[Node], at: int, so_far: Matrix, group: Sequence[int], share: Matrix, code: dict[int, int]
) -> float:
    """Fill `share` for the leaves below `at`, `so_far` being what came above; returns the expected value there."""
    node, expected = nodes[at], _expected(nodes, at)
    if node.leaf:
        share[-1 - code[at]] = so_far
        return expected
    for child in (node.left, node.right):
        below = so_far.copy()
        below[group[node.feature]] += _expected(nodes, child) - expected
        _split(nodes, child, below, group, share, code)
    return expected
