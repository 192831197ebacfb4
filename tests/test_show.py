"""Tables that more than one chapter shows, from the folders of results."""

import json

import numpy as onp
import pandas as pd
import pytest
import yaml

from d2lvae import losses, metrics, plots, show
from d2lvae.base import paths
from d2lvae.base.errors import CourseError
from d2lvae.frozen.decoder import load_mnist_decoder
from d2lvae.metrics import mean_ci95
from d2lvae.runs import claims, results


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
    assert show.last_push(stored) == pytest.approx(3)


def test_a_table_of_the_last_epoch_shows_both_of_two_seeds(stored):
    path = paths.RESULTS / stored / 'training_statistics.csv'
    rows = pd.read_csv(path).query('epoch < 2')
    rows.loc[rows['seed'] == 1, 'disc_accuracy'] = 0.5
    rows.to_csv(path, index=False)
    row = show.last_epoch({'name': stored}).loc['name']
    assert row['accuracy of D'] == '0.50 to 0.90' and row['adversarial loss'] == '2.00 to 2.00'


def test_a_training_without_a_discriminator_has_no_push():
    rows = show.with_push(pd.DataFrame({'epoch': [0, 1], 'pbp': [5.0, 4.0]}))
    assert len(rows) == 0 and {'epoch', 'push'} <= set(rows)


def test_the_last_epoch_has_a_row_for_each_seed(stored):
    path = paths.RESULTS / stored / 'training_statistics.csv'
    pd.read_csv(path).query('epoch < 2').to_csv(path, index=False)
    rows = show.last_epoch_by_seed(stored)
    assert rows[['seed', 'epoch']].values.tolist() == [[0, 1], [1, 1]]
    assert rows['push'].tolist() == [10 * 1 / (0.5 * 20)] * 2


def test_runs_that_are_still_to_come_are_named(stored, monkeypatch, capsys):
    there = {stored: {'seeds': [0]}}
    monkeypatch.setattr('d2lvae.runs.catalogue.summary', there.get)
    folders = {'a': stored, 'b': 'model/none', 'c': 'model/neither'}
    assert show.finished(folders) == {'a': stored}
    assert show.finished({'a': stored}) == {'a': stored}
    assert capsys.readouterr().out == 'still to be run: b; c\n'


def test_a_folder_outside_the_results_is_read_as_well(stored, monkeypatch):
    folder = paths.RESULTS / stored
    monkeypatch.setattr(paths, 'RESULTS', paths.RESULTS / 'elsewhere')
    assert show.seconds(folder)['seconds'] == 12.0


def test_a_run_that_is_not_stored_is_named_with_the_command_that_makes_it(tmp_path, monkeypatch):
    monkeypatch.setattr(paths, 'RESULTS', tmp_path)
    run = '5_3_400_bce_50'
    with pytest.raises(CourseError, match=f'no run {run}: `python -m d2lvae run {run}'):
        show.stored({'plain': f'DenseVAE_on_MNIST/{run}'})
    with pytest.raises(CourseError, match='There is no run nowhere'):
        show.stored({'plain': 'nowhere'})


def test_source_is_read_without_its_formula_and_set_in_a_type_of_its_own(monkeypatch):
    shown = []
    monkeypatch.setattr(show, 'display', lambda data, raw: shown.append(data))
    show.source(losses.bce_from_logits)
    show.source(metrics.mean_ci95)  # has none
    assert shown[0]['text/plain'].startswith(
        'def bce_from_logits(logits, X, F=mx):\n    r"""Binary'
    )
    assert '$$' not in shown[0]['text/plain'] and 'return summed(' in shown[0]['text/plain']
    assert shown[0]['text/html'].startswith('<pre style="font-family: monospace;')
    assert '<style' not in shown[0]['text/html'] and 'class=' not in shown[0]['text/html']
    assert 'stats.t.ppf' in shown[1]['text/plain']


def run(**values):
    """A summary with metrics of one value for each seed."""
    return {'metrics': {name: mean_ci95(value) for name, value in values.items()}}


def test_a_table_has_words_the_direction_and_an_interval_from_three_seeds_on():
    runs = {
        'one': run(psnr=[17.126], control_ssim=[0.5]),
        'two': run(psnr=[17, 18]),
        'three': run(psnr=[17, 18, 19], active_units=[5, 5, 5]),
    }
    table = show.metrics_table(runs, ['psnr', 'control_ssim', 'active_units'])
    assert list(table) == ['PSNR ↑', 'SSIM ↑, noise', 'latents in use']
    assert table['PSNR ↑'].tolist() == ['17.13', '17.00 to 18.00', '18.00 ± 2.48']
    assert table['SSIM ↑, noise'].tolist() == ['0.500', '–', '–']
    assert table['latents in use'].tolist() == ['–', '–', '5 ± 0']


def test_faces_are_compared_with_what_other_real_ones_score():
    face = run(psnr=[20], swd_reconstructions=[0.06], swd_floor=[0.014], kernel_floor=[-0.0001])
    table = show.compared({'plain': face})[['PSNR ↑', 'SWD ↓', 'kernel ↓']]
    assert table.T.to_dict('list') == {
        'plain': ['20.00', '0.0600', '–'],
        'other real faces': ['–', '0.0140', '0.000'],
    }


def test_a_run_with_a_control_beats_it_by_a_measure_or_does_not():
    better = {'ssim': [0.6], 'swd_reconstructions': [0.1], 'spectrum_distance': [2]}
    noise = {'control_ssim': [0.5], 'control_swd': [0.2], 'control_spectrum_distance': [1]}
    table = show.beats_noise({'plain': run(**better), 'with D': run(**better, **noise)})
    assert table.T.to_dict() == {'with D': {'SSIM': 'better', 'SWD': 'better', 'spectrum': 'worse'}}


def test_decided_claims_are_shown_and_the_others_counted(monkeypatch, capsys):
    shown = []
    monkeypatch.setattr(show, 'display', shown.append)
    verdicts = ['holds', 'open', 'does not hold', 'one run']
    table = pd.DataFrame({name: list('abcd') for name in claims.COLUMNS}).assign(verdict=verdicts)
    monkeypatch.setattr(claims, 'table', {'digits': table, 'faces': table[1:2]}.get)
    show.verdicts('digits')
    show.verdicts('faces')
    show.verdicts('digits', all_of_them=True)
    assert [list(found.index) for found in shown] == [['a', 'c'], list('abcd')]
    assert shown[0]['verdict'].tolist() == ['holds', 'does not hold']
    said = 'Of 4 claims 2 are not decided yet.\nOf 1 claims 1 are not decided yet.\n'
    assert capsys.readouterr().out == said


def test_a_chapters_runs_of_a_group_are_by_label_and_the_others_named(monkeypatch, capsys):
    there = 'ConvVAE_ResNet32_on_anime/512_32_20_adaptive_1'
    monkeypatch.setattr(show.catalogue, 'summary', {there: {'seeds': [0]}}.get)
    assert show.group('04', 'disc_weight') == {'ResNet, adaptive weight': there}
    absent = capsys.readouterr().out.removeprefix('still to be run: ')
    assert 'plain, 3,200 faces' in absent and 'adaptive' not in absent
    assert show.group('01', 'disc_weight') == {}


@pytest.fixture
def weighed(stored, monkeypatch):
    """Runs with a summary and a picture, by weight; 0 has no discriminator."""
    monkeypatch.setattr(
        show.catalogue, 'summary', lambda folder: results.load_summary(paths.RESULTS / folder)
    )
    folders = {}
    for weight in (5.0, 0.0):
        folder = paths.RESULTS / 'model' / f'w{weight:g}'
        folder.mkdir()
        kept = {'image_size': 32} | ({'disc_weight': weight} if weight else {})
        (folder / 'parameters.yaml').write_text(yaml.safe_dump(kept))
        summary = run(psnr=[20 - weight], sharpness_ratio=[0.1 + weight])
        (folder / 'summary.json').write_text(json.dumps(summary))
        X = onp.full((2, 10, 3, 32, 32), weight / 5, 'float32')
        plots.pictures(list(X), path=folder / 'reconstructions.png')
        folders[f'{weight:g}'] = f'model/{folder.name}'
    return folders


def test_stored_pictures_are_those_of_the_run(weighed):
    real, reconstructed = show.reconstructions(weighed['5'])
    assert real.shape == (10, 3, 32, 32) and (reconstructed == 1).all()


def test_a_dose_is_the_disc_weight_and_rises(weighed):
    panels = show.dose({'fixed': weighed.values()}, ['psnr'])
    [(title, recipes)] = panels.items()
    assert title == 'PSNR ↑'
    assert [(x, y['mean']) for x, y in recipes['fixed']] == [(0.0, 20.0), (5.0, 15.0)]


def test_a_ladder_is_cut_from_stored_pictures(weighed, monkeypatch):
    drawn = []
    monkeypatch.setattr(plots, 'ladder', lambda rows, alt: drawn.append(rows))
    show.ladder(weighed, columns=(0, 3))
    [rows] = drawn
    assert list(rows) == ['real', '5', '0']
    assert rows['5'][0].shape == (2, 3, 32, 32) and (rows['5'][0] == 1).all()
    assert rows['0'][1:] == (20.0, 0.1)


@pytest.mark.parametrize('in_lab', [True, False])
def test_sliders_are_only_where_something_can_be_moved(in_lab, monkeypatch):
    calls = []
    monkeypatch.setattr(show.ipywidgets, 'interact', lambda draw, **z: calls.append(z))
    monkeypatch.setattr(plots, 'pictures', lambda rows, alt: calls.append(rows[0].shape))
    monkeypatch.delenv('JPY_SESSION_NAME', raising=False)
    if in_lab:
        monkeypatch.setenv('JPY_SESSION_NAME', 'chapter.ipynb')
    show.sliders(load_mnist_decoder()[0])
    [call] = calls
    assert list(call) == ['z1', 'z2', 'z3', 'z4', 'z5'] if in_lab else call == (1, 1, 28, 28)
