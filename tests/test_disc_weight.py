"""The discriminator's weight: ramp, warm-up, and the ratio of the gradients."""

import numpy as onp
import pytest
from mxnet import np
from test_resume import trained as outcome
from test_training import batch, bound, last_bias, trained
from tiny import combo, equal, weights

from d2lvae import training
from d2lvae.base.errors import CourseError
from d2lvae.runs.experiment import Experiment
from d2lvae.schedules import disc_weight_at

# Ramp


def test_without_a_ramp_the_weight_is_switched_on_with_the_first_combo_step():
    trainer = bound(solo_epochs=2, disc_weight=3.0)  # 4 epochs of 4 steps
    assert [disc_weight_at(trainer.p, step, trainer.num_steps) for step in range(16)] == [0] * 8 + [
        3
    ] * 8


def test_a_ramp_rises_in_equal_steps_and_ends_at_the_weight():
    trainer = bound(solo_epochs=1, disc_weight=3.0, disc_ramp_epochs=1.5)  # 6 steps
    expected = [0] * 4 + [0.5, 1, 1.5, 2, 2.5, 3] + [3] * 6
    assert [
        disc_weight_at(trainer.p, step, trainer.num_steps) for step in range(16)
    ] == pytest.approx(expected)


def test_a_combo_step_has_the_disc_weight_of_its_own_step():
    found = []
    for step in (4, 7):
        trainer = bound(solo_epochs=1, disc_weight=4.0, disc_ramp_epochs=1.0, pbp_weight=0.0)
        trainer.step = step
        trainer.combo_step(*batch(trainer))
        found.append(last_bias(trainer.model.decoder).grad().asnumpy())
    assert found[1] == pytest.approx(4 * found[0], rel=1e-5)


def test_statistics_give_the_mean_weight_of_each_epoch():
    rows = trained(bound(num_epochs=3, solo_epochs=1, disc_weight=4.0, disc_ramp_epochs=1.0))
    assert [row['disc_weight'] for row in rows] == [None, 2.5, 4.0]


# Warm-up


def test_the_last_solo_epochs_train_the_discriminator_and_the_vae_does_not_notice():
    with_it, without = (bound(solo_epochs=3, disc_warmup_epochs=n) for n in (2, 0))
    for epoch, warm in enumerate([False, True, True]):
        before = weights(with_it.disc)
        for trainer in (with_it, without):
            trainer.epoch = epoch
            terms = trainer.solo_step(*batch(trainer))
        assert equal(weights(with_it.disc), before) != warm
        assert equal(weights(with_it.model), weights(without.model))
    assert set(terms) == {'kl', 'pbp'}


def test_statistics_of_warm_solo_epochs_hold_the_discriminators_terms():
    rows = trained(bound(num_epochs=3, solo_epochs=2, disc_warmup_epochs=1))
    assert [row['phase'] for row in rows] == ['solo', 'solo', 'combo']
    assert ['disc_accuracy' in row for row in rows] == [False, True, True]
    assert 'adversarial' not in rows[1] and rows[1]['disc_weight'] is None


def test_without_a_discriminator_there_is_nothing_to_warm_up():
    [row] = trained(bound(with_disc=False, num_epochs=1, disc_warmup_epochs=1))
    assert 'disc_real' not in row


# The ratio of the gradients


def test_the_ratio_is_that_of_the_two_gradient_norms_by_hand():
    trainer = bound(disc_weighting='adaptive', disc_weight=0.5)
    terms = {name: term.item() for name, term in trainer.combo_step(*batch(trainer)).items()}
    by_hand = terms['grad_norm_pbp'] / terms['grad_norm_adversarial']
    assert terms['disc_weight'] == pytest.approx(0.5 * by_hand, rel=1e-3)


def test_an_adaptive_step_is_a_fixed_one_of_the_weight_that_it_reports():
    adaptive = bound(disc_weighting='adaptive', disc_weight=0.5)
    weight = adaptive.combo_step(*batch(adaptive))['disc_weight'].item()
    fixed = bound(disc_weight=weight)
    fixed.combo_step(*batch(fixed))
    for net in ('encoder', 'decoder'):
        found, expected = (
            last_bias(getattr(trainer.model, net)).grad().asnumpy() for trainer in (adaptive, fixed)
        )
        assert found == pytest.approx(expected, rel=1e-4, abs=1e-6)


def ratios(trainer, *norms):
    return [trainer.smoothed_ratio(*map(np.array, pair)).item() for pair in norms]


def test_the_ratio_is_averaged_over_the_steps_from_its_first_value_on():
    trainer = bound()
    found = ratios(trainer, (6.0, 2.0), (8.0, 1.0), (0.0, 1.0))
    second = 0.99 * 3 + 0.01 * 8
    assert found == pytest.approx([3, second, 0.99 * second], rel=1e-5)


@pytest.mark.parametrize('norms', [(1.0, 0.0), (1e9, 1.0)])
def test_the_ratio_has_an_upper_bound(norms):
    assert ratios(bound(), norms) == [training.MAX_RATIO]


def test_the_ramp_holds_for_the_adaptive_weight_too():
    trainer = bound(disc_weighting='adaptive', disc_ramp_epochs=2.0)  # 8 steps
    terms = trainer.combo_step(*batch(trainer))
    assert terms['disc_weight'].item() == pytest.approx(trainer.ratio.item() / 8)


def test_statistics_give_the_mean_adaptive_weight():
    options = {'disc_weighting': 'adaptive', 'disc_weight': 0.5}
    trainer, by_hand = bound(num_epochs=1, **options), bound(num_epochs=1, **options)
    steps = [by_hand.combo_step(*batch(by_hand, step)) for step in range(4)]
    [row] = trained(trainer)
    expected = onp.mean([terms['disc_weight'].item() for terms in steps])
    assert row['disc_weight'] == pytest.approx(expected)


OPTIONS = {'disc_weighting': 'adaptive', 'disc_warmup_epochs': 1, 'disc_ramp_epochs': 1.5}


@pytest.mark.parametrize('stops', [(1,), (2,), (3,)])
def test_a_stopped_training_with_these_options_ends_with_the_same_bytes(tmp_path, stops):
    undisturbed = outcome(combo(**OPTIONS), tmp_path / 'undisturbed')
    assert outcome(combo(**OPTIONS), tmp_path / 'stopped', stops) == undisturbed


# As parameters


def test_options_that_are_not_used_are_left_out_of_the_parameters():
    assert not {*OPTIONS, 'dis_l_weight'} & combo().parameters().keys()
    used = combo(**OPTIONS).parameters()
    assert {name: used[name] for name in OPTIONS} == OPTIONS and 'dis_l_weight' not in used


@pytest.mark.parametrize(
    'wrong', [{'disc_weighting': 'gated'}, {'disc_warmup_epochs': 0.5}, {'disc_ramp_epochs': -1.0}]
)
def test_wrong_options_end_with_a_sentence(wrong):
    [name] = wrong
    with pytest.raises(CourseError, match=f'Parameter {name} .* but was') as e:
        Experiment(**wrong)
    assert '\n' not in str(e.value)
