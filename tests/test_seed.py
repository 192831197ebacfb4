"""One seed's training: what is around it, and the solo epochs that runs have in common."""

import io
import sys

import pytest
from tiny import combo, face_combo, solo, weights

from d2lvae.base import paths
from d2lvae.base.errors import CourseError


@pytest.fixture
def runs(tmp_path, monkeypatch):
    monkeypatch.setattr(paths, 'RUNS', tmp_path / 'runs')
    return tmp_path / 'runs'


def trained(experiment, seed=0):
    """Weights and frames of a seed, and its statistics without what the clock says."""
    nets = experiment.train(seed, experiment.data())
    rows = experiment.statistics(seed)
    bare = [{n: v for n, v in row.items() if n not in ('seconds', 'alone')} for row in rows]
    kept = [{n: w.tobytes() for n, w in weights(net).items()} for net in nets if net]
    frames = experiment.frames(seed)
    assert len(frames) == (len(rows) if experiment.animated else 0)
    return [*kept, [frame.tobytes() for frame in frames]], bare


def test_every_epoch_has_its_seconds(runs):
    solo().train(0, solo().data())
    assert all(row['seconds'] > 0 for row in solo().statistics(0))


def test_no_progress_is_shown_where_there_is_no_terminal(runs, capfd):
    combo().train(0, combo().data())
    assert capfd.readouterr() == ('', '')


def test_progress_on_a_terminal_shows_epoch_phase_and_terms(runs, monkeypatch):
    terminal = io.StringIO()
    terminal.isatty = lambda: True
    monkeypatch.setattr(sys, 'stderr', terminal)
    combo().train(0, combo().data())
    for words in ('epoch 1/4 solo', 'epoch 4/4 combo', '32/32', 'kl=', 'adversarial='):
        assert words in terminal.getvalue()


# Common solo epochs


@pytest.mark.parametrize('kind', [combo, face_combo])
@pytest.mark.parametrize(
    'changes',
    [
        {'disc_weight': 7.0},
        {'disc_weight': 0.0},
        {'solo_epochs': 3},
        {'adversarial_loss': 'hinge', 'pbp_weight': 0.5},
        {'disc_warmup_epochs': 1, 'solo_epochs': 3},
        {'disc_shift': 2},
    ],
)
def test_a_run_that_starts_from_common_solo_epochs_ends_with_the_same_bytes(
    tmp_path, monkeypatch, epochs, kind, changes
):
    monkeypatch.setattr(paths, 'RUNS', tmp_path / 'alone')
    alone = trained(kind(**changes))
    monkeypatch.setattr(paths, 'RUNS', tmp_path / 'shared')
    trained(kind())
    del epochs[:]
    assert trained(kind(**changes)) == alone
    assert epochs == [2, 3]


@pytest.mark.parametrize(
    'changes', [{'lr': 2e-3}, {'num_epochs': 5}, {'latents': 3}, {'num_train': 128}]
)
def test_runs_that_differ_in_their_solo_epochs_share_none(runs, epochs, changes):
    trained(combo())
    del epochs[:]
    trained(combo(**changes))
    assert epochs == list(range(combo(**changes).num_epochs))


def test_an_animated_run_shares_them_with_animated_ones_alone(runs, epochs):
    trained(combo())
    trained(combo(animated=True, disc_weight=5.0))
    assert epochs[4:] == [0, 1, 2, 3]
    del epochs[:]
    trained(combo(animated=True, disc_weight=7.0))
    assert epochs == [2, 3]


def test_another_seed_shares_none(runs, epochs):
    trained(combo())
    del epochs[:]
    trained(combo(), seed=1)
    assert epochs == [0, 1, 2, 3]


def test_fewer_solo_epochs_than_those_kept_are_trained(runs, epochs):
    trained(combo(solo_epochs=3))
    del epochs[:]
    trained(combo(solo_epochs=1))
    assert epochs == [0, 1, 2, 3]


# The matched plain run


def test_the_matched_plain_run_has_equal_weights_before_the_first_combo_step(tmp_path, monkeypatch):
    found = []
    for changes in ({}, {'disc_weight': 0.0}):
        experiment = combo(**changes)
        monkeypatch.setattr(paths, 'RUNS', tmp_path / str(changes))
        vae, disc = experiment.networks(experiment.data().shape, 0)
        trainer = experiment.trainer(0)
        trainer.prepare(vae, experiment.data(), disc)
        list(trainer.epochs(stop=2))
        found.append({n: w.tobytes() for n, w in weights(vae).items()})
    assert found[0] == found[1]


def test_the_matched_plain_run_keeps_the_weights_of_the_combo_epochs_and_trains_no_discriminator(
    runs,
):
    recipe = face_combo(pbp_weight=0.7)
    plain = recipe.matched_plain()
    vae, disc = plain.train(0, plain.data())
    assert disc is None and 'Disc' not in plain.folder
    rows, with_disc = plain.statistics(0), recipe
    with_disc.train(0, with_disc.data())
    for name in ('epoch', 'phase', 'pbp_weight', 'lr'):
        assert [r[name] for r in rows] == [r[name] for r in with_disc.statistics(0)]
    assert [r['phase'] for r in rows] == ['solo', 'solo', 'combo', 'combo']
    assert rows[-1]['pbp_weight'] < 0.7


def test_without_decay_and_weights_the_matched_plain_run_is_the_vae_alone(runs):
    plain, alone = combo().matched_plain(), combo(discriminator=None, disc_weight=1.0)
    assert trained(plain)[0] == trained(alone)[0]


@pytest.mark.parametrize('seed', [-1, 2**32])
def test_a_seed_out_of_range_ends_with_a_sentence(runs, seed):
    with pytest.raises(CourseError, match='A seed is a number from 0'):
        solo().train(seed, solo().data())
