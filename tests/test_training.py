"""The trainer, step by step: which weights an update moves, by how much, and in which direction."""

import types

import numpy as onp
import pytest
from mxnet import autograd, np
from mxnet.gluon import nn
from tiny import (
    CONV_DISCS,
    FACE,
    equal,
    gradients,
    image_data,
    pictures,
    shape_of,
    swallowed,
    trainable,
    vae_and_disc,
    weights,
)

from d2lvae import layers, losses
from d2lvae.augment import Move, jittered, mirrored
from d2lvae.base import totals
from d2lvae.base.choices import TrainingParameters
from d2lvae.base.errors import CourseError
from d2lvae.data import to_float
from d2lvae.losses import PBP_LOSSES, non_saturating_vae
from d2lvae.schedules import lr_at, pbp_weight_at, phase
from d2lvae.training import Trainer, adam

COMBO = {'disc_weight': 3.0, 'pbp_weight': 0.7}

several_pairs = pytest.mark.parametrize('pair', ['dense', 'batch', 'spectral'])
every_pair = pytest.mark.parametrize('pair', ['dense', *CONV_DISCS])


def bound(with_disc=True, pbp_loss='bce', pair='dense', **parameters):
    """A trainer before the first step of its first epoch; always with the same first weights."""
    p = {'num_epochs': 4, 'batch_size': 8, 'lr': 1e-2} | parameters
    seed = p.pop('seed', 0)
    trainer = Trainer(TrainingParameters(**p), seed)
    vae, disc = vae_and_disc(pbp_loss=pbp_loss, pair=pair)
    trainer.prepare(vae, image_data(shape=shape_of(pair)), disc if with_disc else None)
    for optimiser in filter(None, (trainer.vae_optim, trainer.disc_optim)):
        optimiser.set_learning_rate(trainer.p.lr)
    return trainer


def batch(trainer, step=0):
    """The inputs of a step: pictures, noise, and what the encoder sees."""
    batches = list(trainer.data.shuffled_batches(trainer.p.batch_size, trainer.rng()))
    rng = trainer.rng(step)
    [eps] = trainer.latent_noise([rng])
    X, X_in = trainer.noisy(batches[step], rng)
    return X, eps, X_in


def reconstruction(trainer, X, eps, X_in):
    with autograd.train_mode():  # as the step makes it, where batch norm is that of the batch
        return losses.sigmoid(trainer.model(X_in, eps))


def after_its_disc_step(trainer, inputs):
    """The same trainer with only the discriminator's half of a combo step done."""
    trainer.disc_step(inputs[0], reconstruction(trainer, *inputs))
    return trainer


def last_bias(net):
    return list(net.collect_params('.*bias').values())[-1]


def sigmoid(x):
    return 1 / (1 + onp.exp(-x))


# Which weights a step moves


def changed(net, before):
    return {name for name, new in weights(net).items() if (new != before[name]).any()}


def statistics(net):
    """The names of what a pass through batch norm moves."""
    return {name for name in weights(net) if 'running_' in name}


def singular_vectors(net):
    return {name for name in weights(net) if name.endswith(('.u', '.v'))}


@every_pair
def test_solo_step_changes_every_parameter_of_the_vae_and_none_of_the_discriminator(pair):
    trainer = bound(pair=pair)
    vae, disc = weights(trainer.model), weights(trainer.disc)
    trainer.solo_step(*batch(trainer))
    assert equal(weights(trainer.disc), disc)
    assert changed(trainer.model, vae) >= vae.keys() - swallowed(trainer.model)


@every_pair
def test_combo_step_changes_every_parameter_of_both_networks(pair):
    trainer = bound(pair=pair, **COMBO)
    before = [weights(net) for net in (trainer.model, trainer.disc)]
    trainer.combo_step(*batch(trainer))
    for net, weight in zip((trainer.model, trainer.disc), before):
        assert changed(net, weight) >= weight.keys() - swallowed(net)


@several_pairs
def test_update_of_the_discriminator_leaves_every_parameter_of_the_vae(pair):
    trainer = bound(pair=pair)
    before = weights(trainer.model)
    after_its_disc_step(trainer, batch(trainer))
    assert equal(weights(trainer.model), before)


@several_pairs
def test_update_of_the_vae_leaves_every_parameter_of_the_discriminator(pair):
    trainer, half_done = bound(pair=pair, **COMBO), bound(pair=pair, **COMBO)
    inputs = batch(trainer)
    after_its_disc_step(half_done, inputs)
    trainer.combo_step(*inputs)
    assert not equal(weights(trainer.model), weights(half_done.model))
    assert changed(trainer.disc, weights(half_done.disc)) == statistics(trainer.disc)


@several_pairs
def test_update_of_the_vae_sends_no_gradient_into_the_discriminator(pair):
    trainer = bound(pair=pair, **COMBO)
    disc_step = trainer.disc_step

    def watched(X, X_hat):
        terms = disc_step(X, X_hat)
        for parameter in trainable(trainer.disc).values():
            parameter.grad()[:] = 7
        return terms

    trainer.disc_step = watched
    trainer.combo_step(*batch(trainer))
    assert all((gradient == 7).all() for gradient in gradients(trainer.disc).values())


@several_pairs
def test_discriminator_sees_the_reconstructions_of_the_step_and_sends_nothing_back_into_the_vae(
    pair,
):
    trainer, seen = bound(pair=pair, **COMBO), []
    inputs = batch(trainer)
    expected = reconstruction(trainer, *inputs).asnumpy()
    disc_step = trainer.disc_step

    def watched(X, X_hat):
        for parameter in trainable(trainer.model).values():
            parameter.grad()[:] = 7
        terms = disc_step(X, X_hat)
        seen.append((X.asnumpy(), X_hat.asnumpy(), gradients(trainer.model)))
        return terms

    trainer.disc_step = watched
    trainer.combo_step(*inputs)
    [(X, X_hat, sent_back)] = seen
    assert onp.array_equal(X, inputs[0].asnumpy())
    assert X_hat == pytest.approx(expected, rel=1e-5)
    assert all((gradient == 7).all() for gradient in sent_back.values())


@every_pair
def test_a_step_passes_through_the_vae_once(pair):
    trainer, passes = bound(pair=pair, **COMBO), []
    for net in (trainer.model.encoder, trainer.model.decoder):
        net.register_forward_hook(lambda net, inputs, outputs: passes.append(net))
    for step in (trainer.solo_step, trainer.combo_step):
        passes.clear()
        step(*batch(trainer))
        assert passes == [trainer.model.encoder, trainer.model.decoder]


def test_discriminator_alone_learns_to_tell_real_from_fake():
    trainer = bound(lr=0.03)
    inputs = batch(trainer)
    X, X_hat = inputs[0], reconstruction(trainer, *inputs)
    losses = [trainer.disc_step(X, X_hat) for _ in range(60)]
    assert losses[-1]['disc_real'].item() < 0.5 * losses[0]['disc_real'].item()
    assert losses[-1]['disc_fake'].item() < 0.5 * losses[0]['disc_fake'].item()


# The gradient of a combo step


@pytest.mark.parametrize(
    'pair, pbp_loss', [('dense', 'bce'), ('dense', 'l2'), ('batch', 'bce'), ('spectral', 'l2')]
)
def test_combo_step_has_the_gradients_of_the_whole_loss_recorded_in_one_go(pair, pbp_loss):
    options = {'pair': pair, 'pbp_loss': pbp_loss, 'binarise_input': True, 'kl_weight': 0.3}
    trainer, joint = bound(**options, **COMBO), bound(**options, **COMBO)
    inputs = X, eps, X_in = batch(trainer)
    after_its_disc_step(joint, inputs)
    with autograd.record():
        kl, pbp, logits = joint.model.elbo_terms(X, eps, X_in)
        adversarial = non_saturating_vae(joint.disc(losses.sigmoid(logits)))
        loss = 0.3 * kl + 0.7 * pbp + 3.0 * adversarial
    loss.backward()
    trainer.combo_step(*batch(trainer))
    expected = gradients(joint.model)
    share = 1e-5 if pair == 'dense' else 1e-4
    for name in expected.keys() - swallowed(joint.model):
        scale = abs(expected[name]).max()
        assert scale > 0
        gradient = gradients(trainer.model)[name]
        assert gradient == pytest.approx(expected[name], rel=share, abs=share * scale)


@pytest.mark.parametrize('pair', ['dense', 'none'])
def test_a_gradient_of_moved_pictures_is_moved_back(pair):
    """That of a combo step is that of the whole loss, whose graph holds the move."""
    trainer, joint = (bound(pair=pair, disc_shift=2, **COMBO) for _ in range(2))
    inputs = X, eps, X_in = batch(trainer)
    for either in (trainer, joint):
        either.move = Move(1, -2, True)
    after_its_disc_step(joint, inputs)
    with autograd.record():
        kl, pbp, logits = joint.model.elbo_terms(X, eps, X_in)
        moved = np.flip(np.roll(losses.sigmoid(logits), (1, -2), axis=(2, 3)), axis=3)
        loss = kl + 0.7 * pbp + 3.0 * non_saturating_vae(joint.disc(moved))
    loss.backward()
    trainer.combo_step(*inputs)
    found, expected = gradients(trainer.model), gradients(joint.model)
    for name in expected.keys() - swallowed(joint.model):
        scale = abs(expected[name]).max()
        assert found[name] == pytest.approx(expected[name], rel=1e-4, abs=1e-4 * scale)


@every_pair
def test_adversarial_term_alone_raises_what_the_discriminator_gives_the_fakes(pair):
    trainer = bound(pair=pair, disc_weight=1.0, pbp_weight=0.0, lr=1e-3)
    X, eps, X_in = batch(trainer)
    with autograd.train_mode():
        z = trainer.model.sample(*trainer.model.encode(X_in), eps)
        before = trainer.model.generate(z)  # the KL has no gradient in the decoder
    trainer.combo_step(X, eps, X_in)
    with autograd.train_mode():
        after = trainer.model.generate(z)
        assert trainer.disc(after).mean() > trainer.disc(before).mean()


def test_pbp_term_alone_lowers_the_pixel_loss():
    trainer = bound(disc_weight=0.0, pbp_weight=1.0, lr=1e-3)
    X, eps, X_in = batch(trainer)
    z = trainer.model.sample(*trainer.model.encode(X_in), eps)
    before = PBP_LOSSES['bce'](trainer.model.decode(z), X).mean()
    trainer.combo_step(X, eps, X_in)
    assert PBP_LOSSES['bce'](trainer.model.decode(z), X).mean() < before


@several_pairs
def test_without_adversarial_weight_a_combo_step_is_a_solo_step_for_the_vae(pair):
    combo = bound(pair=pair, disc_weight=0.0, pbp_weight=1.0)
    alone = bound(pair=pair)
    inputs = batch(combo)
    combo.combo_step(*inputs)
    alone.solo_step(*inputs)
    expected = gradients(alone.model)
    for name in expected.keys() - swallowed(alone.model):
        scale = abs(expected[name]).max()
        gradient = gradients(combo.model)[name]
        assert gradient == pytest.approx(expected[name], rel=1e-4, abs=1e-4 * scale)


@several_pairs
@pytest.mark.parametrize('half', ['encoder', 'decoder'])
def test_adversarial_weight_makes_a_difference_to(half, pair):
    without, with_it = (bound(pair=pair, disc_weight=weight) for weight in (0.0, 30.0))
    for trainer in (without, with_it):
        trainer.combo_step(*batch(trainer))
    there, here = (gradients(getattr(t.model, half)) for t in (without, with_it))
    names = here.keys() - swallowed(getattr(without.model, half))
    assert all(abs(here[n] - there[n]).max() > 1e-3 * abs(there[n]).max() for n in names)
    moved = weights(getattr(with_it.model, half)), weights(getattr(without.model, half))
    assert not equal(*moved)


@pytest.mark.parametrize('pair', ['dense', 'batch', 'none'])  # spectral norm is not the same twice
def test_gradients_do_not_add_up_over_steps(pair):
    twice, once = (bound(pair=pair, **COMBO, lr=1e-30) for _ in range(2))
    for trainer, steps in ((twice, 2), (once, 1)):
        for _ in range(steps):
            trainer.combo_step(*batch(trainer))
    assert equal(gradients(twice.model), gradients(once.model))
    assert equal(gradients(twice.disc), gradients(once.disc))


# The weight of the KL


def kl_gradient_by_hand(trainer, inputs):
    """Of the batch's summed KL with respect to the biases of mu and log_var."""
    with autograd.train_mode():
        mu, log_var = (a.asnumpy() for a in trainer.model.encode(inputs[2]))
    return onp.concatenate([mu, (onp.exp(log_var) - 1) / 2], axis=1).sum(axis=0)


@pytest.mark.parametrize('step', ['solo_step', 'combo_step'])
@pytest.mark.parametrize('pair', ['dense', 'batch'])
def test_kl_weight_multiplies_the_gradient_of_the_kl_and_no_other(pair, step):
    without, with_it = (bound(pair=pair, kl_weight=weight, **COMBO) for weight in (0.0, 2.5))
    inputs = batch(without)
    by_hand = kl_gradient_by_hand(without, inputs)
    reported = [getattr(trainer, step)(*inputs)['kl'].item() for trainer in (without, with_it)]
    assert reported[0] == pytest.approx(reported[1]) and reported[0] > 0  # without its weight
    there, here = (last_bias(t.model.encoder).grad().asnumpy() for t in (without, with_it))
    scale = abs(by_hand).max()
    assert here - there == pytest.approx(2.5 * by_hand, rel=1e-3, abs=1e-3 * scale)
    decoders = [gradients(trainer.model.decoder) for trainer in (without, with_it)]
    for name in decoders[0].keys() - swallowed(without.model.decoder):
        scale = abs(decoders[0][name]).max()
        assert decoders[1][name] == pytest.approx(decoders[0][name], rel=1e-4, abs=1e-4 * scale)


# What the discriminator sees at once, and its norms


def faces(num=8, seed=0):
    return np.array(to_float(pictures(num, FACE, seed)))


def batches_of(net):
    """The sizes of the batches that a network will be given."""
    sizes = []
    net.register_forward_hook(lambda net, inputs, outputs: sizes.append(len(inputs[0])))
    return sizes


SEPARATE = {'dense': False, 'batch': True, 'spectral': False, 'none': False, 'ResNet': True}


@pytest.mark.parametrize('pair, separate', SEPARATE.items())
def test_only_with_batch_norm_real_and_fake_pictures_are_judged_apart(pair, separate):
    trainer = bound(pair=pair, **COMBO)
    trainer.disc_graph, trainer.adversarial_graph = (
        trainer.disc_terms,
        trainer.adversarial_term,
    )  # no graph
    sizes = batches_of(trainer.disc)
    trainer.combo_step(*batch(trainer))
    assert sizes == ([8, 8, 8] if separate else [16, 8])  # the last for the adversarial term


@pytest.mark.parametrize('pair', ['batch', 'ResNet'])
def test_with_batch_norm_what_is_said_of_the_real_does_not_depend_on_the_fakes(pair):
    trainer = bound(pair=pair)
    X = faces()
    with autograd.train_mode():
        logits = [trainer.disc_logits(X, faces(seed=seed)) for seed in (1, 2)]
        alone = trainer.disc(X).asnumpy()
        mixed = trainer.disc(np.concatenate([X, faces(seed=1)]))[:8].asnumpy()
    assert onp.array_equal(logits[0][0].asnumpy(), logits[1][0].asnumpy())
    assert not onp.allclose(logits[0][1].asnumpy(), logits[1][1].asnumpy(), rtol=1e-2)
    assert logits[0][0].asnumpy() == pytest.approx(alone)
    assert not onp.allclose(mixed, alone, rtol=1e-2)


@pytest.mark.parametrize('pair', ['spectral', 'none'])
def test_without_batch_norm_one_pass_says_what_two_would(pair):
    trainer = bound(pair=pair)
    X, X_hat = faces(), faces(seed=1)
    layers.power_iteration(trainer.disc)
    with autograd.train_mode():
        at_once = [a.asnumpy() for a in trainer.disc_logits(X, X_hat)]
        one_by_one = [trainer.disc(a).asnumpy() for a in (X, X_hat)]
    for a, b in zip(at_once, one_by_one):
        assert a.shape == (8,) and a == pytest.approx(b, rel=1e-5, abs=1e-6)


@pytest.mark.parametrize('pair', ['batch', 'spectral'])
def test_update_of_the_discriminator_follows_both_losses(pair):
    """Its gradient is that of two plain passes, one of the real and one of the fake pictures."""
    trainer, by_hand = bound(pair=pair), bound(pair=pair)
    X, X_hat = faces(), faces(seed=1)
    trainer.disc_step(X, X_hat)
    by_hand.disc.hybridize(False)
    layers.power_iteration(by_hand.disc)
    with autograd.record():
        loss = np.log(1 + np.exp(-by_hand.disc(X))) + np.log(1 + np.exp(by_hand.disc(X_hat)))
        loss = loss.mean()
    loss.backward()
    found, expected = gradients(trainer.disc), gradients(by_hand.disc)
    for name in expected.keys() - swallowed(by_hand.disc):
        scale = abs(expected[name]).max()
        assert found[name] == pytest.approx(expected[name], rel=1e-3, abs=1e-3 * scale)


def test_power_iteration_comes_once_before_each_update_of_the_discriminator():
    trainer, by_hand = bound(pair='spectral', **COMBO), bound(pair='spectral')
    inputs = batch(trainer)
    trainer.solo_step(*inputs)
    assert equal(weights(trainer.disc), weights(by_hand.disc))
    layers.power_iteration(by_hand.disc)
    trainer.combo_step(*inputs)
    found, expected = weights(trainer.disc), weights(by_hand.disc)
    vectors = singular_vectors(trainer.disc)
    assert len(vectors) == 8
    assert all(onp.array_equal(found[name], expected[name]) for name in vectors)


# What a step reports


def test_solo_step_reports_the_batchs_mean_terms():
    trainer = bound()
    X, eps, X_in = batch(trainer)
    kl, pbp, _ = trainer.model.elbo_terms(X, eps, X_in)
    terms = trainer.solo_step(X, eps, X_in)
    assert list(terms) == ['kl', 'pbp']
    assert terms['kl'].item() == pytest.approx(kl.mean().item())
    assert terms['pbp'].item() == pytest.approx(pbp.mean().item())


def test_combo_step_reports_the_batchs_mean_terms():
    trainer, half_done = bound(**COMBO), bound(**COMBO)
    inputs = X, eps, X_in = batch(trainer)
    kl, pbp, _ = trainer.model.elbo_terms(X, eps, X_in)
    X_hat = reconstruction(trainer, *inputs)
    real, fake = trainer.disc(X).asnumpy(), trainer.disc(X_hat).asnumpy()
    deceived = after_its_disc_step(half_done, inputs).disc(X_hat).asnumpy()
    terms = {name: term.item() for name, term in trainer.combo_step(*inputs).items()}
    expected = {
        'kl': kl.mean().item(),
        'pbp': pbp.mean().item(),
        'adversarial': -onp.log(sigmoid(deceived)).mean(),
        'disc_real': -onp.log(sigmoid(real)).mean(),
        'disc_fake': -onp.log(1 - sigmoid(fake)).mean(),
        'disc_accuracy': onp.concatenate([real > 0, fake <= 0]).mean(),
    }
    assert {name: terms[name] for name in expected} == pytest.approx(expected, rel=1e-5)
    assert set(terms) - set(expected) == {'grad_norm_pbp', 'grad_norm_adversarial'}


def test_an_undecided_discriminator_is_right_about_fakes_only():
    trainer = bound()
    for parameter in trainer.disc.collect_params().values():
        parameter.set_data(np.zeros(parameter.shape))
    assert trainer.combo_step(*batch(trainer))['disc_accuracy'].item() == 0.5


def test_gradient_norms_are_those_at_the_logits_by_hand():
    trainer, half_done = bound(**COMBO), bound(**COMBO)
    inputs = X, eps, X_in = batch(trainer)
    X_hat = reconstruction(trainer, *inputs).asnumpy().reshape(8, -1).astype('float64')
    w0, b0, w1, b1 = weights(after_its_disc_step(half_done, inputs).disc).values()
    hidden = X_hat @ w0.T + b0
    d = onp.maximum(hidden, 0) @ w1.T + b1
    to_pixels = ((hidden > 0) * w1) @ w0
    adversarial = -sigmoid(-d) * to_pixels * X_hat * (1 - X_hat)
    pbp = X_hat - X.asnumpy().reshape(8, -1)
    terms = trainer.combo_step(*inputs)
    by_hand = [onp.linalg.norm(g, axis=1).mean() for g in (pbp, adversarial)]
    names = 'grad_norm_pbp', 'grad_norm_adversarial'
    assert [terms[name].item() for name in names] == pytest.approx(by_hand, rel=1e-4)


# Schedules


def test_constant_schedule_keeps_the_learning_rate():
    trainer = bound(lr=0.25)
    assert {lr_at(trainer.p, step, trainer.num_steps) for step in range(20)} == {0.25}


def test_cosine_schedule_falls_from_the_learning_rate_through_its_half_to_zero():
    trainer = bound(lr=0.5, lr_schedule='cosine')  # 4 epochs of 4 steps
    assert lr_at(trainer.p, 0, trainer.num_steps) == 0.5
    assert lr_at(trainer.p, 4, trainer.num_steps) == pytest.approx(0.5 * (1 + 2**-0.5) / 2)
    assert lr_at(trainer.p, 8, trainer.num_steps) == pytest.approx(0.25)
    assert lr_at(trainer.p, 16, trainer.num_steps) == pytest.approx(0)


def test_every_step_of_both_optimisers_follows_the_schedule():
    trainer = bound(lr=0.01, lr_schedule='cosine', num_epochs=2, solo_epochs=1)
    used, disc_step = [], trainer.disc_step

    def noted(self, X, X_hat):
        used.append((self.vae_optim.learning_rate, self.disc_optim.learning_rate))
        return disc_step(X, X_hat)

    trainer.disc_step = types.MethodType(noted, trainer)
    rows = trainer.fit(*vae_and_disc()[:1], trainer.data, trainer.disc)
    expected = [lr_at(trainer.p, step, trainer.num_steps) for step in (4, 5, 6, 7)]
    assert used == [(lr, lr) for lr in expected]
    assert [row['lr'] for row in rows] == [
        lr_at(trainer.p, 3, trainer.num_steps),
        lr_at(trainer.p, 7, trainer.num_steps),
    ]


def weights_by_epoch(trainer):
    """The PBP weights of all epochs, each of which has one."""
    epochs = range(trainer.p.num_epochs)
    found = [
        {pbp_weight_at(trainer.p, 4 * e + step, trainer.num_steps) for step in range(4)}
        for e in epochs
    ]
    assert all(len(weights) == 1 for weights in found)
    return [weight for (weight,) in found]


def test_pbp_weight_is_one_while_solo_and_decays_by_combo_epochs():
    trainer = bound(num_epochs=9, solo_epochs=3, pbp_weight=2.0, pbp_decay=0.5, pbp_decay_every=2)
    assert weights_by_epoch(trainer) == [1, 1, 1, 2, 2, 1, 1, 0.5, 0.5]


def test_pbp_weight_can_decay_in_the_middle_of_an_epoch():
    """2.5 combo epochs of 4 steps are 10 steps."""
    options = {'num_epochs': 7, 'solo_epochs': 1, 'pbp_weight': 2.0, 'pbp_decay': 0.5}
    trainer = bound(**options, pbp_decay_every=2.5)
    expected = [1] * 4 + [2] * 10 + [1] * 10 + [0.5] * 4
    assert [pbp_weight_at(trainer.p, step, trainer.num_steps) for step in range(28)] == expected


def test_pbp_weight_decays_at_most_once_a_step():
    trainer = bound(pbp_decay=0.5, pbp_decay_every=0.001)
    assert [pbp_weight_at(trainer.p, step, trainer.num_steps) for step in range(4)] == [
        1,
        0.5,
        0.25,
        0.125,
    ]


def test_a_combo_step_has_the_pbp_weight_of_its_own_step():
    found = []
    for step in (9, 10):
        trainer = bound(disc_weight=0.0, pbp_decay=0.25, pbp_decay_every=2.5)
        trainer.step = step
        trainer.combo_step(*batch(trainer))
        found.append(last_bias(trainer.model.decoder).grad().asnumpy())
    assert found[1] == pytest.approx(0.25 * found[0])


def test_the_steps_of_a_run_are_counted_through():
    trainer, seen = bound(num_epochs=3, solo_epochs=1), []
    disc_step = trainer.disc_step

    def noted(X, X_hat):
        seen.append(trainer.step)
        return disc_step(X, X_hat)

    trainer.disc_step = noted
    trained(trainer)
    assert seen == list(range(4, 12))


def test_without_a_discriminator_every_epoch_is_solo():
    trainer = bound(with_disc=False, solo_epochs=1, pbp_weight=5.0)
    assert [phase(trainer.p, e) for e in range(4)] == ['solo'] * 4
    assert weights_by_epoch(trainer) == [1] * 4


# An epoch's statistics


def trained(trainer):
    return trainer.fit(trainer.model, trainer.data, trainer.disc)


def test_statistics_are_the_means_over_the_epochs_steps():
    trainer, by_hand = bound(num_epochs=1), bound(num_epochs=1)
    steps = [by_hand.combo_step(*batch(by_hand, step)) for step in range(4)]
    [row] = trained(trainer)
    for name in steps[0]:
        assert row[name] == pytest.approx(onp.mean([terms[name].item() for terms in steps]))


def test_statistics_say_epoch_phase_and_weights():
    rows = trained(bound(num_epochs=2, solo_epochs=1, **COMBO))
    assert [(r['epoch'], r['phase'], r['pbp_weight'], r['disc_weight']) for r in rows] == [
        (0, 'solo', 1.0, None),
        (1, 'combo', 0.7, 3.0),
    ]
    assert 'adversarial' not in rows[0] and rows[1]['adversarial'] > 0


def test_statistics_give_the_mean_of_a_pbp_weight_that_decays_within_an_epoch():
    options = {'num_epochs': 4, 'solo_epochs': 1, 'pbp_weight': 0.7, 'pbp_decay': 0.5}
    rows = trained(bound(**options, pbp_decay_every=1.5))
    expected = [1, 0.7, (0.7 + 0.35) / 2, 0.35]
    assert [row['pbp_weight'] for row in rows] == pytest.approx(expected)


def test_pictures_that_do_not_fill_a_batch_are_left_out():
    trainer = bound(batch_size=20)  # of 32 pictures
    assert trainer.num_steps == 1
    [row] = trained(bound(batch_size=20, num_epochs=1))
    assert row['pbp'] == pytest.approx(trainer.solo_step(*batch(trainer))['pbp'].item())


def test_too_few_pictures_for_a_batch_end_with_a_sentence():
    with pytest.raises(CourseError, match=r'\(32\) than batch_size \(33\): lower it') as e:
        bound(batch_size=33)
    assert '\n' not in str(e.value)


POISONED = {  # the term that is named first: what is spoilt
    'kl': lambda trainer: last_bias(trainer.model.encoder),
    'pbp': lambda trainer: last_bias(trainer.model.decoder),
    'adversarial': lambda trainer: last_bias(trainer.disc),
}


@pytest.mark.parametrize('sync_every', [1, 3, 50])
@pytest.mark.parametrize('term', POISONED)
def test_nan_stops_the_training_and_names_step_and_term(monkeypatch, sync_every, term):
    monkeypatch.setattr(totals, 'SYNC_EVERY', sync_every)
    trainer = bound(num_epochs=3)
    noisy, steps = trainer.noisy, []

    def poisoned(X, rng):
        steps.append(X)
        if len(steps) == 4 + 3:  # the third step of the second epoch
            bias = POISONED[term](trainer)
            bias.set_data(np.full(bias.shape, onp.nan))
        return noisy(X, rng)

    trainer.noisy = poisoned
    with pytest.raises(CourseError, match=f'{term} is nan at step 2 of epoch 1 ') as e:
        trained(trainer)
    assert '\n' not in str(e.value)


def test_numbers_that_grow_beyond_all_bounds_stop_the_training():
    with pytest.raises(CourseError, match=r'(kl|pbp) is (inf|nan) at step \d of epoch 0'):
        trainer = bound(num_epochs=1, solo_epochs=1)
        trainer.disc = None
        trainer.p = trainer.p.model_copy(update={'lr': 1e4})  # more than one may ask for
        list(trainer.epochs())


# Noise


def test_the_noise_of_a_step_follows_from_seed_epoch_and_step():
    first = batch(bound())[1].asnumpy()
    assert onp.array_equal(batch(bound())[1].asnumpy(), first)
    other_epoch = bound()
    other_epoch.epoch = 1
    for other in (batch(bound(seed=1)), batch(other_epoch), batch(bound(), step=1)):
        assert not onp.isclose(other[1].asnumpy(), first).any()


def test_the_noise_is_standard_normal():
    trainer = bound(batch_size=32)
    rngs = [trainer.rng(step) for step in range(128)]
    eps = onp.concatenate(trainer.latent_noise(rngs).asnumpy())
    assert eps.shape == (4096, 2)
    assert eps.mean(axis=0) == pytest.approx([0, 0], abs=0.06)
    assert eps.std(axis=0) == pytest.approx([1, 1], abs=0.05)


def test_another_seed_or_epoch_has_another_order():
    trainer, other_seed = bound(), bound(seed=1)
    orders = [trainer.rng().permutation(32), other_seed.rng().permutation(32)]
    trainer.epoch = 1
    orders.append(trainer.rng().permutation(32))
    assert len({tuple(order) for order in orders}) == 3


def test_by_default_the_encoder_sees_the_picture_itself():
    trainer = bound()
    X, _, X_in = batch(trainer)
    assert onp.array_equal(X.asnumpy(), X_in.asnumpy())


def test_binarised_input_is_drawn_from_the_pixels_and_the_target_stays_grey():
    trainer = bound(binarise_input=True)
    grey = np.full((2000, 1, 2, 2), 0.3)
    X, X_in = trainer.noisy(grey, trainer.rng(0))
    assert onp.array_equal(X.asnumpy(), grey.asnumpy())
    assert set(onp.unique(X_in.asnumpy())) == {0, 1}
    assert X_in.asnumpy().mean(axis=(0, 1)).ravel() == pytest.approx([0.3] * 4, abs=0.05)


def test_binarised_input_keeps_black_and_white_pixels():
    trainer = bound(binarise_input=True)
    X, X_in = trainer.noisy(np.array([[[[0.0, 1.0]]]] * 50), trainer.rng(0))
    assert onp.array_equal(X_in.asnumpy(), X.asnumpy())


@pytest.mark.parametrize('noise', [{'binarise_input': True}, {'augment': 1.0}])
def test_noisy_pictures_follow_from_seed_epoch_and_step(noise):
    first = batch(bound(**noise))[2].asnumpy()
    assert onp.array_equal(batch(bound(**noise))[2].asnumpy(), first)
    trainer = bound(**noise)
    X = next(iter(trainer.data.shuffled_batches(8, trainer.rng())))
    assert not onp.array_equal(trainer.noisy(X, trainer.rng(1))[1].asnumpy(), first)


def test_augmented_pictures_are_both_input_and_target():
    trainer = bound(augment=1.0)
    plain = batch(bound())[0]
    X, _, X_in = batch(trainer)
    assert not onp.allclose(X.asnumpy(), plain.asnumpy())
    assert onp.array_equal(X.asnumpy(), X_in.asnumpy())
    rng = trainer.rng(0)
    rng.standard_normal((8, 2), dtype='float32')  # the latents' noise is drawn first
    assert onp.array_equal(X.asnumpy(), jittered(plain, 1.0, rng).asnumpy())


def test_the_last_fifth_of_the_epochs_sees_the_pictures_as_they_are():
    trainer, augmented = bound(augment=1.0, num_epochs=10), []
    X = next(iter(trainer.data.shuffled_batches(8, trainer.rng())))
    for trainer.epoch in range(10):
        augmented.append(trainer.noisy(X, trainer.rng(0))[0] is not X)
    assert augmented == [True] * 8 + [False] * 2


def test_mirrored_pictures_are_mirrored_left_to_right_or_as_they_were():
    X = to_float(pictures(64, (3, 6, 5)))
    Y = mirrored(np.array(X), onp.random.default_rng(0)).asnumpy()
    as_it_was = onp.array([onp.array_equal(y, x) for y, x in zip(Y, X)])
    turned = onp.array([onp.array_equal(y, x[:, :, ::-1]) for y, x in zip(Y, X)])
    assert (as_it_was != turned).all()
    assert 20 < turned.sum() < 44


def test_which_pictures_are_mirrored_follows_from_the_generator():
    X = np.array(to_float(pictures(32)))
    a, b, c = (mirrored(X, onp.random.default_rng(seed)).asnumpy() for seed in (0, 0, 1))
    assert onp.array_equal(a, b) and not onp.array_equal(a, c)


def test_mirrored_pictures_are_both_input_and_target_and_change_with_the_step():
    trainer = bound(flip=True)
    X = np.array(to_float(pictures(32)))
    Y, X_in = trainer.noisy(X, trainer.rng(0))
    assert onp.array_equal(Y.asnumpy(), X_in.asnumpy())
    assert not onp.array_equal(Y.asnumpy(), X.asnumpy())
    other = trainer.noisy(X, trainer.rng(1))[0].asnumpy()
    assert not onp.array_equal(other, Y.asnumpy())


@pytest.mark.parametrize('flip', [False, True])
def test_noise_is_drawn_in_one_order_and_without_mirroring_nothing_is_drawn_for_it(flip):
    trainer = bound(augment=1.0, flip=flip, binarise_input=True)
    X = np.array(to_float(pictures(8)))
    used, rng = trainer.rng(0), trainer.rng(0)
    [eps] = trainer.latent_noise([used]).asnumpy()
    Y, X_in = (a.asnumpy() for a in trainer.noisy(X, used))
    expected_eps = rng.standard_normal((8, 2), dtype='float32')
    expected = jittered(X, 1.0, rng)
    if flip:
        expected = mirrored(expected, rng)
    expected = expected.asnumpy()
    drawn = rng.random(X.shape, dtype='float32')
    assert onp.array_equal(eps, expected_eps) and onp.array_equal(Y, expected)
    assert onp.array_equal(X_in, drawn < expected)
    assert used.bit_generator.state == rng.bit_generator.state


def test_pictures_are_mirrored_in_the_last_epochs_too():
    trainer = bound(flip=True, augment=1.0, num_epochs=10)
    trainer.epoch = 9
    X = np.array(to_float(pictures(32)))
    Y = trainer.noisy(X, trainer.rng(0))[0].asnumpy()
    assert all(
        onp.array_equal(y, x) or onp.array_equal(y, x[:, :, ::-1]) for y, x in zip(Y, X.asnumpy())
    )
    assert not onp.array_equal(Y, X.asnumpy())


# Around the training


def test_both_optimisers_are_adam_with_the_given_beta1():
    for beta1 in (0.9, 0.5):
        trainer = bound(beta1=beta1)
        trainer.combo_step(*batch(trainer))
        vae, disc = (trainer.model, trainer.vae_optim, 8), (trainer.disc, trainer.disc_optim, 1)
        for net, optimiser, num in (vae, disc):  # of a sum over the batch, and of a mean
            for i, gradient in enumerate(gradients(net).values()):
                mean, _ = optimiser._updaters[0].states[i]
                assert mean.asnumpy() == pytest.approx((1 - beta1) * gradient / num, rel=1e-4)


def test_saved_optimiser_does_not_depend_on_how_many_layers_were_made_before(tmp_path):
    saved = []
    for made_before in range(12):  # somewhere in between, a network's layers are 9 and 10
        nn.Dense(1)
        vae = vae_and_disc()[0]
        optimiser = adam(vae)
        with autograd.record():
            loss = sum((p.data() ** 2).sum() for p in vae.collect_params().values())
        loss.backward()
        optimiser.step(1)
        optimiser.save_states(str(tmp_path / f'{made_before}.states'))
        means = optimiser._updaters[0].states
        saved.append([means[i][0].shape for i in sorted(means)])
    shapes = [p.shape for p in vae.collect_params().values()]
    assert saved == [shapes] * 12
