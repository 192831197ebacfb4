"""Dis_l: the trainer whose combo steps compare pictures by the discriminator's features."""

import numpy as onp
import pytest
from mxnet import autograd, np
from test_resume import trained as outcome
from test_training import batch, changed, reconstruction, several_pairs, statistics
from tiny import (
    combo,
    equal,
    gradients,
    image_data,
    shape_of,
    swallowed,
    trainable,
    vae_and_disc,
    weights,
)

from d2lvae import networks
from d2lvae.base.choices import TrainingParameters
from d2lvae.feature_matching import FeatureMatchingTrainer
from d2lvae.layers import initialize
from d2lvae.losses import PBP_LOSSES, feature_loss, kl_divergence, non_saturating_vae, sigmoid


def bound(pair='dense', dis_l_weight=2.0, seed=0, **parameters):
    """A trainer before its first combo step; always with the same first weights."""
    defaults = {'num_epochs': 4, 'batch_size': 8, 'lr': 1e-2, 'pbp_weight': 0.0}
    p = TrainingParameters(dis_l_weight=dis_l_weight, **defaults | parameters)
    trainer = FeatureMatchingTrainer(p, seed)
    vae, disc = vae_and_disc(pair=pair)
    trainer.prepare(vae, image_data(shape=shape_of(pair)), disc)
    for optimiser in (trainer.vae_optim, trainer.disc_optim):
        optimiser.set_learning_rate(trainer.p.lr)
    return trainer


def stepped(*arguments, **parameters):
    trainer = bound(*arguments, **parameters)
    trainer.combo_step(*batch(trainer))
    return trainer


def decoded(trainer, X, eps, X_in):
    """Posterior, and the logits of its sample and of the prior's, in one pass."""
    mu, log_var = trainer.model.encode(X_in)
    z = trainer.model.sample(mu, log_var, eps)
    latents = np.concatenate([z, trainer.prior_noise(eps.shape)])
    return kl_divergence(mu, log_var), trainer.model.decode(latents)


# The features and their loss


def test_feature_loss_is_half_the_squared_error_of_each_picture():
    a, b = onp.random.default_rng(0).standard_normal((2, 3, 4, 5, 6)).astype('float32')
    expected = ((a.astype('float64') - b) ** 2).sum(axis=(1, 2, 3)) / 2
    assert feature_loss(np.array(a), np.array(b)).asnumpy() == pytest.approx(expected, rel=1e-5)


@pytest.mark.parametrize(
    'disc',
    [
        networks.ConvDisc((3, 64, 64), 2),
        networks.ConvDisc((3, 64, 64), 2, 'spectral', deep=True),
        networks.ResNet((3, 64, 64), 4),
    ],
)
def test_features_of_faces_are_maps_of_a_quarter_of_their_side(disc):
    features = initialize(disc, 0).net[: disc.middle](np.zeros((2, 3, 64, 64)))
    assert features.shape == (2, 4, 16, 16)


def test_features_of_a_dense_discriminator_are_its_last_hidden_layer():
    _, disc = vae_and_disc()
    w, b = list(weights(disc).values())[:2]
    X = onp.random.default_rng(0).random((4, 1, 6, 5), dtype='float32')
    features = disc.net[: disc.middle](np.array(X)).asnumpy()
    assert features == pytest.approx(onp.maximum(X.reshape(4, -1) @ w.T + b, 0), abs=1e-5)


# The three isolations


@several_pairs
def test_the_adversarial_gradient_does_not_reach_the_encoder(pair):
    without, with_it = (stepped(pair, disc_weight=weight) for weight in (0.0, 30.0))
    assert equal(gradients(with_it.model.encoder), gradients(without.model.encoder))
    there, here = (gradients(trainer.model.decoder) for trainer in (without, with_it))
    names = here.keys() - swallowed(without.model.decoder)
    assert all(abs(here[n] - there[n]).max() > 1e-3 * abs(there[n]).max() for n in names)


@several_pairs
def test_dis_l_moves_encoder_and_decoder(pair):
    without, with_it = (stepped(pair, weight) for weight in (0.0, 2.0))
    for there, here in zip(*(gradients(t.model).values() for t in (without, with_it))):
        assert not onp.array_equal(there, here)


@several_pairs
def test_dis_l_does_not_update_the_discriminator(pair):
    without, with_it = (bound(pair, weight) for weight in (0.0, 2.0))
    for trainer in (without, with_it):
        disc_step = trainer.disc_step

        def watched(X, X_hat, trainer=trainer, disc_step=disc_step):
            terms = disc_step(X, X_hat)
            for parameter in trainable(trainer.disc).values():
                parameter.grad()[:] = 7
            return terms

        trainer.disc_step = watched
        trainer.combo_step(*batch(trainer))
        assert all((gradient == 7).all() for gradient in gradients(trainer.disc).values())
    assert changed(with_it.disc, weights(without.disc)) <= statistics(with_it.disc)


@several_pairs
def test_samples_of_the_prior_are_judged_beside_the_reconstructions(pair):
    trainer, seen = bound(pair), []
    inputs = batch(trainer)
    with autograd.train_mode():
        expected = sigmoid(decoded(trainer, *inputs)[1]).asnumpy()
    disc_step = trainer.disc_step
    trainer.disc_step = lambda X, X_hat: seen.append(X_hat.asnumpy()) or disc_step(X, X_hat)
    trainer.combo_step(*inputs)
    assert seen[0].shape == (16, *shape_of(pair))
    assert seen[0] == pytest.approx(expected, rel=1e-4)


def test_the_discriminator_weighs_real_and_fake_alike_however_many_there_are():
    """Its gradient for each fake picture twice is that for each once."""
    once, twice = bound(), bound()
    X, X_hat = (a for a in batch(once)[:1] * 2)
    X_hat = 1 - X_hat
    once.disc_step(X, X_hat)
    twice.disc_step(X, np.concatenate([X_hat, X_hat]))
    for a, b in zip(gradients(once.disc).values(), gradients(twice.disc).values()):
        assert b == pytest.approx(a, rel=1e-4, abs=1e-6)


# The gradients of a step


@several_pairs
@pytest.mark.parametrize('pbp_weight', [0.0, 0.7])
def test_a_step_has_the_gradients_of_its_two_losses(pair, pbp_weight):
    """Of the encoder's loss in the encoder, of the decoder's in the decoder, recorded plainly."""
    options = {'disc_weight': 3.0, 'pbp_weight': pbp_weight, 'kl_weight': 0.3}
    trainer = bound(pair, **options)
    inputs = batch(trainer)
    found = {'encoder': 0.0, 'decoder': 3.0}
    expected = {}
    for half, disc_weight in found.items():
        by_hand = bound(pair, **options)
        X, n = inputs[0].copy(), len(inputs[0])
        with autograd.train_mode():
            X_hat = sigmoid(decoded(by_hand, *inputs)[1])
        by_hand.disc_step(X, X_hat)
        with autograd.train_mode():
            wanted = by_hand.features(X)
        with autograd.record():
            kl, logits = decoded(by_hand, X.copy(), inputs[1].copy(), inputs[2].copy())
            likeness = feature_loss(by_hand.features(sigmoid(logits[:n])), wanted)
            pbp = PBP_LOSSES['bce'](logits[:n], X.copy())
            adversarial = non_saturating_vae(by_hand.disc(sigmoid(logits)))
            loss = (0.3 * kl + 2.0 * likeness + pbp_weight * pbp).sum()
            loss = loss + disc_weight * adversarial.sum()
        loss.backward()
        expected[half] = gradients(getattr(by_hand.model, half))
    trainer.combo_step(*inputs)
    for half, gradient in expected.items():
        net = getattr(trainer.model, half)
        for name in gradient.keys() - swallowed(net):
            scale = abs(gradient[name]).max()
            assert scale > 0
            assert gradients(net)[name] == pytest.approx(gradient[name], rel=1e-3, abs=1e-3 * scale)


def test_a_step_reports_dis_l_and_the_pixel_loss_that_it_does_not_follow():
    trainer = bound()
    inputs = X, eps, X_in = batch(trainer)
    X_hat = reconstruction(trainer, *inputs)
    pbp = PBP_LOSSES['bce'](trainer.model(X_in, eps), X).mean().item()
    trainer.disc_optim.set_learning_rate(1e-30)
    terms = trainer.combo_step(X, eps, X_in)
    dis_l = feature_loss(trainer.features(X_hat), trainer.features(X)).mean().item()
    assert terms['dis_l'].item() == pytest.approx(dis_l, rel=1e-4)
    assert terms['pbp'].item() == pytest.approx(pbp, rel=1e-5)


def test_an_adaptive_weight_is_measured_against_what_stands_for_the_pixels():
    """Twice the weight of Dis_l gives twice the ratio, where the pixels have no weight."""
    found = []
    for weight in (1.0, 2.0):
        trainer = stepped(dis_l_weight=weight, disc_weighting='adaptive')
        found.append(trainer.ratio.item())
    assert found[1] == pytest.approx(2 * found[0], rel=1e-4)


# Noise, and the way through an experiment


def test_the_priors_noise_follows_from_seed_epoch_and_step_and_is_not_the_posteriors():
    trainer = bound()
    eps = batch(trainer)[1].asnumpy()
    noise = trainer.prior_noise(eps.shape).asnumpy()
    assert onp.array_equal(trainer.prior_noise(eps.shape).asnumpy(), noise)
    assert not onp.isclose(noise, eps).any()
    others = [bound(seed=1), bound(), bound()]
    others[1].step, others[2].epoch = 1, 1
    for other in others:
        assert not onp.isclose(other.prior_noise(eps.shape).asnumpy(), noise).any()


DIS_L = {'dis_l_weight': 0.5, 'pbp_weight': 0.0}


def test_an_experiment_with_dis_l_has_this_trainer_and_others_do_not():
    assert combo(**DIS_L).trainer(3).p.dis_l_weight == 0.5
    assert combo(**DIS_L).trainer(3).seed == 3
    assert not isinstance(combo().trainer(3), FeatureMatchingTrainer)


@pytest.mark.parametrize('stops', [(1,), (3,)])
def test_a_stopped_training_ends_with_the_same_bytes(tmp_path, stops):
    undisturbed = outcome(combo(**DIS_L), tmp_path / 'undisturbed')
    assert outcome(combo(**DIS_L), tmp_path / 'stopped', stops) == undisturbed
