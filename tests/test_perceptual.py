"""The frozen net as a loss: its gradient, its combo epochs, its place in an experiment."""

import numpy as onp
import pandas as pd
import pytest
import yaml
from mxnet import autograd
from test_resume import trained as outcome
from test_seed import runs, trained  # noqa: F401 (a fixture)
from test_training import batch
from tiny import combo, equal, face, gradients, image_data, swallowed, weights

from d2lvae.base import paths
from d2lvae.base.choices import TrainingParameters
from d2lvae.base.errors import CourseError
from d2lvae.frozen.perceptual import PerceptualTrainer
from d2lvae.layers import initialize
from d2lvae.losses import PBP_LOSSES, feature_loss, sigmoid
from d2lvae.runs import ported, results
from d2lvae.runs.experiment import Experiment
from d2lvae.training import Trainer
from d2lvae.vae import make_vae

SHAPE = 3, 64, 64


def frozen(**changes):
    """Two solo epochs, then two with the frozen net's loss."""
    weights = {'solo_epochs': 2, 'disc_weight': 0.0, 'frozen_weight': 0.5, 'image_size': 64}
    return face(**weights | changes)


def bound(trainer=PerceptualTrainer, **parameters):
    """A trainer before its first combo step; always with the same first weights."""
    defaults = {'num_epochs': 4, 'batch_size': 8, 'disc_weight': 0.0, 'kl_weight': 0.3}
    trainer = trainer(TrainingParameters(**defaults | parameters))
    vae = initialize(make_vae('ConvVAE', SHAPE, latents=2, base_channels=2), 0)
    trainer.prepare(vae, image_data(shape=SHAPE))
    trainer.vae_optim.set_learning_rate(1e-3)
    return trainer


# A step


@pytest.mark.parametrize('pbp_weight', [0.0, 0.7])
def test_a_step_has_the_gradient_of_the_whole_loss(pbp_weight):
    """Recorded plainly: KL, pixels and features in one sum."""
    trainer, by_hand = (bound(frozen_weight=2.0, pbp_weight=pbp_weight) for _ in range(2))
    inputs = X, eps, X_in = batch(trainer)
    wanted = by_hand.features(X)
    with autograd.record():
        kl, logits = by_hand.model.kl_and_logits(X_in.copy(), eps.copy())
        features = feature_loss(by_hand.features(sigmoid(logits)), wanted)
        pbp = PBP_LOSSES['bce'](logits, X.copy())
        loss = (0.3 * kl + pbp_weight * pbp + 2.0 * features).sum()
    loss.backward()
    expected = gradients(by_hand.model)
    terms = trainer.solo_step(*inputs)
    for name in expected.keys() - swallowed(trainer.model):
        scale = abs(expected[name]).max()
        assert scale > 0
        found = gradients(trainer.model)[name]
        assert found == pytest.approx(expected[name], rel=1e-3, abs=1e-3 * scale)
    for name, value in {'kl': kl, 'pbp': pbp, 'frozen': features}.items():
        assert terms[name].item() == pytest.approx(value.mean().item(), rel=1e-4)


def test_without_weight_a_combo_step_is_that_of_the_matched_plain_run():
    plain, trainer = bound(Trainer), bound(frozen_weight=0.0)
    for each in (plain, trainer):
        each.solo_step(*batch(each))
    for name, gradient in gradients(plain.model).items():
        scale = abs(gradient).max()
        assert gradients(trainer.model)[name] == pytest.approx(gradient, rel=1e-3, abs=1e-4 * scale)


def test_the_frozen_net_does_not_learn():
    trainer = bound(frozen_weight=2.0)
    before = weights(trainer.features)
    trainer.solo_step(*batch(trainer))
    assert equal(weights(trainer.features), before)


def test_the_loss_is_nought_where_the_pictures_are_equal():
    trainer = bound()
    X = batch(trainer)[0]
    logits = onp.log(X / (1 - X + 1e-7) + 1e-7)
    assert trainer.frozen_term(logits, trainer.features(sigmoid(logits))).max() == 0
    assert trainer.frozen_term(logits, trainer.features(X[::-1])).min() > 1


# A run


@pytest.mark.parametrize('stops', [(1,), (3,)])
def test_a_stopped_training_ends_with_the_same_bytes(tmp_path, stops):
    options = {'num': 64, 'shape': SHAPE}
    undisturbed = outcome(frozen(), tmp_path / 'undisturbed', **options)
    assert outcome(frozen(), tmp_path / 'stopped', stops, **options) == undisturbed


def test_its_solo_epochs_are_those_of_the_matched_plain_run(tmp_path, monkeypatch, epochs):
    monkeypatch.setattr(paths, 'RUNS', tmp_path / 'alone')
    alone = trained(frozen())
    monkeypatch.setattr(paths, 'RUNS', tmp_path / 'shared')
    plain = trained(frozen().matched_plain())
    del epochs[:]
    assert trained(frozen()) == alone
    assert epochs == [2, 3]
    for row, of_plain in zip(alone[1][:2], plain[1]):
        assert row == of_plain | dict.fromkeys(['grad_norm_pbp', *results.FROZEN])
    assert alone[0] != plain[0]


def test_the_result_has_two_columns_more_and_that_of_others_has_not(runs):  # noqa: F811
    sizes = {'num_held_out': 16}
    results.run(frozen(**sizes), control=frozen(**sizes).matched_plain())
    results.run(frozen(**sizes).matched_plain())
    read = [
        pd.read_csv(e.published / 'training_statistics.csv')
        for e in (frozen(**sizes), frozen(**sizes).matched_plain())
    ]
    assert list(read[0].columns) == results.STATISTICS + results.FROZEN
    assert list(read[1].columns) == results.STATISTICS
    of_combo = read[0]['phase'] == 'combo'
    for name in (*results.FROZEN, 'grad_norm_pbp'):
        assert (read[0][name].notna() == of_combo).all()
    assert (read[0][results.FROZEN][of_combo] > 0).all(axis=None)
    assert results.publish(frozen(**sizes), frozen(**sizes).data(), frozen(**sizes).matched_plain())


# As a parameter


def test_it_names_runs_only_where_it_is_used():
    assert 'frozen_weight' not in face().parameters() | combo().parameters()
    assert frozen().parameters()['frozen_weight'] == 0.5
    assert frozen().folder != frozen(frozen_weight=1.0).folder
    assert 'frozen_weight' not in frozen().matched_plain().parameters()


def test_parameters_of_before_still_name_their_runs(tmp_path):
    stored = sorted(paths.RESULTS.glob('*/*/parameters.yaml'))
    assert stored
    for path in stored:
        parameters = yaml.safe_load(path.read_text())
        assert Experiment(**parameters).parameters() == parameters


@pytest.mark.parametrize(
    'wrong, words',
    [
        ({'image_size': 32}, '64x64 pixels'),
        ({'disc_weight': 1.0}, 'in place of|takes the place'),
        ({'dis_l_weight': 1.0}, 'takes the place'),
        ({'frozen_weight': -1.0}, 'frozen_weight'),
    ],
)
def test_what_it_cannot_do_ends_with_a_sentence(wrong, words):
    with pytest.raises(CourseError, match=words) as e:
        frozen(**wrong)
    assert '\n' not in str(e.value)


def test_digits_are_refused():
    with pytest.raises(CourseError, match='frozen_weight is for faces'):
        combo(disc_weight=0.0, frozen_weight=1.0)


def test_the_port_refuses_it(tmp_path):
    with pytest.raises(CourseError, match='frozen_weight'):
        ported.export(frozen(), [0], tmp_path / 'start.npz')
    assert not list(tmp_path.iterdir())
