"""Every loss term against its formula, computed another way."""

import numpy as onp
import pytest
from mxnet import autograd, np
from scipy import integrate, stats

from d2lvae import losses


def random_batch(shape=(4, 2, 3, 5)):
    rng = onp.random.default_rng(0)
    logits = 3 * rng.standard_normal(shape)
    return logits, rng.random(shape)


def mx(a):
    return np.array(a, dtype='float32')


def sigmoid(x):
    return 1 / (1 + onp.exp(-x))


def divergence_by_quadrature(mu, log_var):
    q, p = stats.norm(mu, onp.exp(log_var / 2)), stats.norm()
    reach = 12 * q.std()
    return integrate.quad(lambda z: q.pdf(z) * (q.logpdf(z) - p.logpdf(z)), mu - reach, mu + reach)[
        0
    ]


def test_kl_divergence_is_the_integral_over_each_latent_summed():
    mu = onp.array([[0.0, 1.5, -2.0], [0.3, 0.0, 4.0]])
    log_var = onp.array([[0.0, -3.0, 1.0], [0.5, -1.0, -6.0]])
    by_quadrature = onp.vectorize(divergence_by_quadrature)(mu, log_var).sum(axis=1)
    kl = losses.kl_divergence(mx(mu), mx(log_var)).asnumpy()
    assert kl.shape == (2,)
    assert kl == pytest.approx(by_quadrature, rel=1e-5)


def test_kl_divergence_of_the_prior_is_zero():
    assert losses.kl_divergence(np.zeros((3, 5)), np.zeros((3, 5))).asnumpy().tolist() == [0] * 3


def test_bce_is_the_cross_entropy_summed_over_all_but_the_batch():
    logits, X = random_batch()
    X_hat = sigmoid(logits)
    by_numpy = -(X * onp.log(X_hat) + (1 - X) * onp.log(1 - X_hat)).sum(axis=(1, 2, 3))
    assert losses.bce_from_logits(mx(logits), mx(X)).asnumpy() == pytest.approx(by_numpy, rel=1e-5)


def test_bce_of_extreme_logits_is_their_size_where_they_are_wrong_and_zero_where_right():
    logits, X = (
        mx([[[[1000.0]]], [[[-1000.0]]]] * 2),
        mx([[[[1.0]]], [[[0.0]]], [[[0.0]]], [[[1]]]]),
    )
    assert losses.bce_from_logits(logits, X).asnumpy().tolist() == [0, 0, 1000, 1000]


def test_l2_is_the_squared_error_summed_over_all_but_the_batch():
    logits, X = random_batch()
    by_numpy = ((X - sigmoid(logits)) ** 2).sum(axis=(1, 2, 3))
    assert losses.l2_from_logits(mx(logits), mx(X)).asnumpy() == pytest.approx(by_numpy, rel=1e-5)


def test_l2_of_extreme_logits_is_zero_or_one():
    logits, X = mx([[[[1000.0]]], [[[-1000.0]]], [[[-1000.0]]]]), mx([[[[1]]], [[[0]]], [[[1]]]])
    assert losses.l2_from_logits(logits, X).asnumpy().tolist() == [0, 0, 1]


def test_pbp_losses_go_by_their_names():
    logits, X = map(mx, random_batch())
    for name, loss in (('bce', losses.bce_from_logits), ('l2', losses.l2_from_logits)):
        assert losses.PBP_LOSSES[name](logits, X).asnumpy().tolist() == loss(logits, X).tolist()


def test_discriminator_loss_is_minus_the_log_of_what_it_gives_the_right_answer():
    real, fake = onp.array([-3.0, 0.0, 2.0]), onp.array([-1.0, 0.5, 4.0])
    on_real, on_fake = losses.non_saturating_disc(mx(real), mx(fake))
    assert on_real.asnumpy() == pytest.approx(-onp.log(sigmoid(real)), rel=1e-5)
    assert on_fake.asnumpy() == pytest.approx(-onp.log(1 - sigmoid(fake)), rel=1e-5)


def test_discriminator_that_is_right_pays_little_and_one_that_is_wrong_much():
    right = [part.item() for part in losses.non_saturating_disc(mx([20.0]), mx([-20.0]))]
    wrong = [part.item() for part in losses.non_saturating_disc(mx([-20.0]), mx([20.0]))]
    assert right == pytest.approx([0, 0], abs=1e-5)
    assert wrong == pytest.approx([20, 20])


def test_adversarial_loss_is_minus_the_log_of_being_taken_for_genuine():
    fake = onp.array([-30.0, -1.0, 0.0, 2.0])
    by_numpy = -onp.log(sigmoid(fake))
    assert losses.non_saturating_vae(mx(fake)).asnumpy() == pytest.approx(by_numpy, rel=1e-5)


def test_adversarial_loss_falls_with_the_logit_and_does_not_saturate():
    fake = mx([-50.0, 0.0, 50.0])
    fake.attach_grad()
    with autograd.record():
        loss = losses.non_saturating_vae(fake)
    loss.backward()
    assert fake.grad.asnumpy() == pytest.approx([-1, -0.5, 0], abs=1e-6)


CLOSED_FORMS = {  # the gradients of the discriminator's loss of real, of fake, and of the VAE's
    'non_saturating': (lambda d: sigmoid(d) - 1, sigmoid, lambda d: sigmoid(d) - 1),
    'hinge': (
        lambda d: onp.where(d < 1, -1.0, 0.0),
        lambda d: onp.where(d > -1, 1.0, 0.0),
        lambda d: -onp.ones_like(d),
    ),
    'least_squares': (lambda d: d - 1, lambda d: d + 1, lambda d: d - 1),
}


def test_every_registered_loss_has_its_closed_form_here():
    assert CLOSED_FORMS.keys() == losses.ADVERSARIAL.keys()


@pytest.mark.parametrize('name', CLOSED_FORMS)
def test_gradients_of_a_learned_loss_are_those_of_its_closed_form(name):
    disc_loss, vae_loss = losses.ADVERSARIAL[name]
    on_real, on_fake, of_the_vae = CLOSED_FORMS[name]
    logits = onp.array([-4.0, -1.5, -0.5, 0.25, 0.75, 3.0])
    real, fake, judged = (mx(logits) for _ in range(3))
    for d in (real, fake, judged):
        d.attach_grad()
    with autograd.record():
        parts = [*disc_loss(real, fake), vae_loss(judged)]
    assert [part.shape for part in parts] == [(6,)] * 3
    autograd.backward(parts)
    assert real.grad.asnumpy() == pytest.approx(on_real(logits), rel=1e-5)
    assert fake.grad.asnumpy() == pytest.approx(on_fake(logits), rel=1e-5)
    assert judged.grad.asnumpy() == pytest.approx(of_the_vae(logits), rel=1e-5)


@pytest.mark.parametrize(
    'name, by_hand',
    [
        ('hinge', ([4.0, 0.0], [0.0, 3.0], [3.0, -2.0])),
        ('least_squares', ([8.0, 0.5], [2.0, 4.5], [8.0, 0.5])),
    ],
)
def test_values_of_a_learned_loss_by_hand(name, by_hand):
    disc_loss, vae_loss = losses.ADVERSARIAL[name]
    d = mx([-3.0, 2.0])
    found = [part.asnumpy().tolist() for part in (*disc_loss(d, d), vae_loss(d))]
    assert found == list(by_hand)
