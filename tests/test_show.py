"""Tables that more than one chapter shows, from the folders of results."""

import pandas as pd
import pytest

from d2lvae import show
from d2lvae.base import paths
from d2lvae.base.errors import CourseError


@pytest.fixture
def stored(tmp_path, monkeypatch):
    """A run's folder with two seeds: one solo epoch each, then one or two combo epochs."""
    monkeypatch.setattr(paths, 'RESULTS', tmp_path)
    phases = ['solo', 'combo', 'solo', 'combo', 'combo']
    rows = pd.DataFrame({'seed': [0, 0, 1, 1, 1], 'epoch': [0, 1, 0, 1, 2], 'phase': phases})
    timing = rows.assign(seconds=[1.0, 5.0, 3.0, 7.0, 8.0])
    terms = {'disc_accuracy': 0.9, 'adversarial': 2.0, 'disc_weight': 10.0, 'pbp_weight': 0.5}
    statistics = rows.assign(**terms, grad_norm_pbp=20.0, grad_norm_adversarial=[0, 1, 0, 1, 3])
    (tmp_path / 'model' / 'run').mkdir(parents=True)
    for name, table in (('timing', timing), ('training_statistics', statistics)):
        table.to_csv(tmp_path / 'model' / 'run' / f'{name}.csv', index=False)
    return 'model/run'


def test_seconds_are_those_of_one_seed_and_the_medians_of_an_epoch(stored):
    assert show.seconds(stored).to_dict() == {'seconds': 12.0, 'solo': 2.0, 'combo': 7.0}
    assert show.seconds(stored, seed=0).to_dict() == {'seconds': 6.0, 'solo': 1.0, 'combo': 5.0}
    assert show.seconds(stored, seed=1).to_dict() == {'seconds': 18.0, 'solo': 3.0, 'combo': 7.5}


def test_a_run_without_combo_epochs_has_no_seconds_of_one(stored):
    path = paths.RESULTS / stored / 'timing.csv'
    timing = pd.read_csv(path)
    timing[timing['phase'] == 'solo'].to_csv(path, index=False)
    assert pd.isna(show.seconds(stored)['combo']) and show.seconds(stored)['solo'] == 2.0


def test_the_push_compares_the_weighted_gradients_of_the_last_epoch(stored):
    row = show.last_epoch({'name': stored}).loc['name']
    assert row.to_dict() == {'disc_accuracy': 0.9, 'adversarial': 2.0, 'push': 10 * 3 / (0.5 * 20)}


def test_the_last_epoch_has_a_row_for_each_seed(stored):
    path = paths.RESULTS / stored / 'training_statistics.csv'
    pd.read_csv(path).query('epoch < 2').to_csv(path, index=False)
    rows = show.last_epoch_by_seed(stored)
    assert rows[['seed', 'epoch']].values.tolist() == [[0, 1], [1, 1]]
    assert rows['push'].tolist() == [10 * 1 / (0.5 * 20)] * 2


def test_terms_against_the_disc_weight_are_metrics_of_the_last_epoch(stored):
    panels = show.against_weight({'name': stored}, {'disc_accuracy': 'right', 'push': 'push'})
    assert panels == {
        'right': {'name': (10.0, {'mean': 0.9, 'ci95': None, 'values': [0.9]})},
        'push': {'name': (10.0, {'mean': 3.0, 'ci95': None, 'values': [3.0]})},
    }


def test_runs_that_are_still_to_come_are_named(stored, monkeypatch, capsys):
    there = {stored: {'seeds': [0]}}
    monkeypatch.setattr('d2lvae.runs.catalogue.summary', there.get)
    folders = {'a': stored, 'b': 'model/none', 'c': 'model/neither'}
    assert show.finished(folders) == {'a': stored}
    assert show.finished({'a': stored}) == {'a': stored}
    assert capsys.readouterr().out == 'to run: b, c\nto run: nothing\n'


def test_a_folder_outside_the_results_is_read_as_well(stored, monkeypatch):
    folder = paths.RESULTS / stored
    monkeypatch.setattr(paths, 'RESULTS', paths.RESULTS / 'elsewhere')
    assert show.seconds(folder)['seconds'] == 12.0


def summary(*values):
    return {'seeds': list(range(len(values))), 'metrics': {'psnr': {'values': list(values)}}}


def test_claims_are_told_with_the_seeds_of_either_run():
    found = {'a': summary(3.0, 3.1, 3.2), 'b': summary(1.0, 1.1, 1.2, 1.3), 'none': None}
    texts = {
        'a over b': ('a', 'b', 'psnr'),
        'b over a': ('b', 'a', 'psnr'),
        'a over none': ('a', 'none', 'psnr'),
    }
    table = show.claims(texts, found)
    assert table['told'].tolist() == ['holds', 'does not hold', 'cannot be told yet']
    assert table['seeds'].tolist() == ['3 and 4', '4 and 3', '3 and 0']


def test_a_run_that_is_not_stored_is_named_with_the_command_that_makes_it(tmp_path, monkeypatch):
    monkeypatch.setattr(paths, 'RESULTS', tmp_path)
    run = '5_3_400_bce_50'
    with pytest.raises(CourseError, match=f'no run {run}: `python -m d2lvae run {run}'):
        show.stored({'plain': f'DenseVAE_on_MNIST/{run}'})
    with pytest.raises(CourseError, match='There is no run nowhere'):
        show.stored({'plain': 'nowhere'})
