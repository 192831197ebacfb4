"""Every distance between sets on a case whose answer is known without it."""

import math

import numpy as onp
import pytest
from scipy import integrate, linalg, stats
from test_metrics import out_of_focus, random_pictures

from d2lvae import distances
from d2lvae.distances import (
    frechet_distance,
    kernel_distance,
    sliced_wasserstein,
    sliced_wassersteins,
)

# Sliced Wasserstein distance


def test_swd_of_a_set_from_itself_is_zero(digits):
    assert sliced_wasserstein(digits, digits) == 0


def test_swd_in_closed_form():
    """Flat pictures, so that a projection is u * sum(d): two values of u against a uniform u."""
    num, root3 = 4000, math.sqrt(3)
    shape = (num, 1, 14, 14)
    order = onp.random.default_rng(0).permutation(num)[:, None, None, None]
    two = onp.broadcast_to((order % 2).astype('float32'), shape)
    uniform = onp.broadcast_to(((order + 0.5) / num).astype('float32'), shape)
    # Sum of a random unit vector of 49 numbers: 7 times one of its coordinates.
    direction = 7 * math.gamma(24.5) / math.sqrt(math.pi) / math.gamma(25)
    between = integrate.quad(lambda t: abs(1 - root3 * t), 0, 1, points=[1 / root3])[0]
    assert sliced_wasserstein(two, uniform) == pytest.approx(between * direction, rel=0.1)


def test_swd_orders_sets_by_what_they_lost(digits, training_digits):
    floor = sliced_wasserstein(digits, training_digits)
    slightly, strongly = (sliced_wasserstein(digits, out_of_focus(digits, sd)) for sd in (0.7, 1.5))
    assert floor < slightly < strongly


def test_swd_of_several_sets_is_that_of_each(digits, training_digits):
    X = digits[:50]
    others = [training_digits[:50], out_of_focus(X, 1), X]
    expected = [sliced_wasserstein(X, A, seed=3) for A in others]
    assert sliced_wassersteins(X, others, seed=3) == expected


def test_swd_is_a_mean_over_seeded_projections(digits, training_digits):
    a, again, b = (sliced_wasserstein(digits, training_digits, seed) for seed in (0, 0, 1))
    assert a == again != b
    assert a == pytest.approx(b, rel=0.3)


def test_swd_is_blind_to_contrast(digits):
    assert sliced_wasserstein(digits, 0.5 * digits) == pytest.approx(0, abs=1e-5)


def test_swd_normalises_every_channel(digits):
    X = onp.concatenate([digits, digits[::-1], digits], axis=1)
    tinted = X * onp.array([1, 0.1, 0.5], 'float32')[:, None, None]
    assert sliced_wasserstein(X, tinted) == pytest.approx(0, abs=1e-5)
    assert sliced_wasserstein(X, X[:, [1, 0, 2]]) > 1e-3  # which channel it is does count


def test_swd_looks_at_every_level():
    X = random_pictures(300, 1, 28, 28, low=0.4, high=0.6)
    checkerboard = onp.where(onp.indices((28, 28)).sum(axis=0) % 2, 0.2, -0.2).astype('float32')
    brightness = random_pictures(300, 1, 1, 1, low=-0.4, high=0.4)
    fine, coarse = distances.laplacian_pyramid(X)
    for X_hat, same in ((X + checkerboard, coarse), (X + brightness, fine)):
        level = [*distances.laplacian_pyramid(X_hat)][0 if same is fine else 1]
        onp.testing.assert_allclose(level[..., 4:-4, 4:-4], same[..., 4:-4, 4:-4], atol=1e-5)
        assert sliced_wasserstein(X, X_hat) > 0.05


@pytest.mark.parametrize('side, sides', [(28, [28, 14]), (64, [64, 32, 16]), (27, [27])])
def test_pyramid_halves_down_to_fourteen_and_keeps_everything(side, sides):
    X = random_pictures(2, 3, side, side)
    levels = [*distances.laplacian_pyramid(X)]
    assert [level.shape[-1] for level in levels] == sides
    whole = levels.pop()
    for level in reversed(levels):
        whole = level + distances.enlarged(whole, level.shape)
    onp.testing.assert_allclose(whole, X, atol=1e-6)


# Frechet and kernel distance


def features_with(mean, cov, num=400):
    """Random rows with exactly this mean and covariance."""
    rows = onp.random.default_rng(0).standard_normal((num, len(mean)))
    rows -= rows.mean(axis=0)
    rows = rows @ linalg.inv(linalg.cholesky(onp.cov(rows, rowvar=False)))
    return mean + rows @ linalg.sqrtm(cov).real


def test_frechet_distance_of_independent_gaussians():
    a = features_with([0, 1, 2], onp.diag([1.0, 4.0, 9.0]))
    b = features_with([3, 1, -2], onp.diag([4.0, 1.0, 9.0]))
    assert frechet_distance(a, b) == pytest.approx(9 + 16 + (1 - 2) ** 2 + (2 - 1) ** 2)


def test_frechet_distance_of_correlated_gaussians():
    cov_a, cov_b = onp.array([[2, 1], [1, 1]]), onp.array([[1, -0.9], [-0.9, 3]])
    expected = onp.trace(cov_a + cov_b - 2 * linalg.sqrtm(cov_a @ cov_b)).real
    found = frechet_distance(features_with([0, 0], cov_a), features_with([0, 0], cov_b))
    assert found == pytest.approx(expected)
    assert frechet_distance(features_with([0, 0], cov_a), features_with([0, 0], cov_a)) < 1e-6


def test_frechet_distance_stands_dead_features():
    a = features_with([0, 1], onp.eye(2)).astype('float32')
    b = features_with([1, 1], 4 * onp.eye(2)).astype('float32')
    dead = onp.zeros((len(a), 3), 'float32')
    found = frechet_distance(onp.hstack([a, dead]), onp.hstack([b, dead]))
    assert found == pytest.approx(frechet_distance(a, b)) == pytest.approx(1 + 2, rel=1e-3)


def test_frechet_distance_refuses_what_is_not_finite():
    a = onp.ones((4, 2))
    with pytest.raises(ValueError):
        frechet_distance(a, a * onp.nan)


def kernel_distance_by_hand(F_a, F_b):
    def kernel(x, y):
        return (sum(p * q for p, q in zip(x, y, strict=True)) / len(x) + 1) ** 3

    def within(F):
        pairs = [kernel(F[i], F[j]) for i in range(len(F)) for j in range(len(F)) if i != j]
        return sum(pairs) / len(pairs)

    between = [kernel(x, y) for x in F_a for y in F_b]
    return within(F_a) + within(F_b) - 2 * sum(between) / len(between)


def test_kernel_distance_agrees_with_loops_over_pairs():
    rng = onp.random.default_rng(0)
    F_a, F_b = rng.standard_normal((7, 3)), 2 * rng.standard_normal((5, 3)) + 0.5
    expected = kernel_distance_by_hand(F_a.tolist(), F_b.tolist())
    assert kernel_distance(F_a, F_b) == pytest.approx(expected)
    assert kernel_distance(F_b, F_a) == pytest.approx(expected)


def test_kernel_distance_in_closed_form():
    """One feature that is 1, or that is 0: kernels 8 and 1 within, 1 between."""
    ones, zeros = onp.ones((4, 1), 'float32'), onp.zeros((6, 1), 'float32')
    assert kernel_distance(ones, zeros) == pytest.approx(8 + 1 - 2)
    assert kernel_distance(ones, ones) == 0


def test_kernel_distance_is_unbiased():
    """However few rows, its mean over samples of one distribution is 0, so some are negative."""
    rng = onp.random.default_rng(0)
    found = onp.array([kernel_distance(*rng.standard_normal((2, 5, 4))) for _ in range(1500)])
    assert abs(found.mean()) < 3 * stats.sem(found) < 0.3
    assert (found < 0).mean() > 0.3
    of_a_shift = [kernel_distance(*rng.standard_normal((2, 5, 4)) + [[[1]], [[0]]]) for _ in found]
    many = kernel_distance(*rng.standard_normal((2, 4000, 4)) + [[[1]], [[0]]])
    assert onp.mean(of_a_shift) == pytest.approx(many, rel=0.15)


def skewed(F):
    """Exponential numbers of mean 0 and variance 1 for normal ones."""
    return stats.expon.ppf(stats.norm.cdf(F)) - 1


@pytest.mark.parametrize('change', [lambda F: F + 0.3, lambda F: 1.3 * F, skewed])
def test_kernel_distance_sees_mean_variance_and_skewness(change):
    F = onp.random.default_rng(0).standard_normal((3, 1000, 4))
    floor = kernel_distance(F[0], F[1])
    assert kernel_distance(F[0], change(F[2])) > 10 * abs(floor)


def test_kernel_distance_does_not_lose_small_differences_to_float32():
    rng = onp.random.default_rng(0)
    F_a, F_b = 30 + rng.standard_normal((2, 200, 8)).astype('float32')
    precise = kernel_distance(F_a.astype('float64'), F_b.astype('float64'))
    assert kernel_distance(F_a, F_b) == precise


@pytest.mark.parametrize('wrong', [onp.full((4, 2), onp.nan), onp.ones((1, 2))])
def test_kernel_distance_refuses_what_has_no_distance(wrong):
    for pair in ((wrong, onp.ones((4, 2))), (onp.ones((4, 2)), wrong)):
        with pytest.raises(ValueError, match='finite'):
            kernel_distance(*pair)
