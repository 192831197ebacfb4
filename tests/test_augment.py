"""The move that the discriminator's pictures share, and the way back."""

import numpy as onp
import pytest
from mxnet import np
from tiny import pictures

from d2lvae.augment import Move
from d2lvae.data import to_float

MOVES = [Move(2, 0, False), Move(0, -1, False), Move(-2, 2, True), Move(0, 0, True)]


def some_pictures(seed=0):
    return to_float(pictures(3, (2, 6, 5), seed))


@pytest.mark.parametrize('move', MOVES)
def test_there_and_back_are_inverse(move):
    X = some_pictures()
    for Y in (move.back(move.there(np.array(X))), move.there(move.back(np.array(X)))):
        assert onp.array_equal(Y.asnumpy(), X)


@pytest.mark.parametrize('move', MOVES)
def test_back_is_the_adjoint_of_there(move):
    """So a gradient that is moved back belongs to the pictures before the move."""
    X, G = some_pictures(), some_pictures(seed=1)
    there, back = move.there(np.array(X)).asnumpy(), move.back(np.array(G)).asnumpy()
    assert (there * G).sum() == pytest.approx((X * back).sum(), rel=1e-5)
    assert (there * G).sum() != pytest.approx((X * G).sum(), rel=1e-5)


def test_a_shift_wraps_around_the_edges():
    X = some_pictures()
    Y = Move(2, -1, False).there(np.array(X)).asnumpy()
    assert onp.array_equal(Y[:, :, 2:, :-1], X[:, :, :-2, 1:])
    assert onp.array_equal(Y[:, :, :2, -1], X[:, :, -2:, 0])


def test_all_pictures_are_mirrored_left_to_right_after_the_shift():
    X = some_pictures()
    Y = Move(1, 0, True).there(np.array(X)).asnumpy()
    assert onp.array_equal(Y[:, :, 1:], X[:, :, :-1, ::-1])
    Y = Move(0, 1, True).there(np.array(X)).asnumpy()
    assert onp.array_equal(Y[..., 0], X[..., -2])


def test_drawn_moves_reach_both_ways_and_no_further_and_mirror_half_of_the_time():
    rng = onp.random.default_rng(0)
    moves = [Move.drawn(2, rng) for _ in range(400)]
    for shifts in ([move.down for move in moves], [move.right for move in moves]):
        assert set(shifts) == {-2, -1, 0, 1, 2}
    assert 150 < sum(move.mirror for move in moves) < 250


def test_without_reach_nothing_moves_and_nothing_is_drawn():
    rng = onp.random.default_rng(0)
    before = rng.bit_generator.state
    X = np.array(some_pictures())
    move = Move.drawn(0, rng)
    assert rng.bit_generator.state == before
    assert move.there(X) is X and move.back(X) is X
