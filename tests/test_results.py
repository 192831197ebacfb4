"""The results folder: what it holds, file by file, and that it is whole or as it was before."""

import json
import os
import shutil

import numpy as onp
import pandas as pd
import pytest
import yaml
from mxnet import np
from PIL import Image
from scipy import stats
from tiny import combo, face, face_combo, python, solo

import d2lvae
from d2lvae import metrics, plots
from d2lvae.base import files, paths
from d2lvae.base.errors import CourseError
from d2lvae.data import MNIST, AvatarFaces, to_float
from d2lvae.frozen import decoder
from d2lvae.layers import num_parameters
from d2lvae.metrics import active_units, noise_control, psnr
from d2lvae.runs import results, scores
from d2lvae.runs.animation import ANIMATION
from d2lvae.runs.experiment import Experiment

KEPT = paths.RESULTS  # the committed results, before the tests look elsewhere

ROW = 'DenseVAE_DenseLogReg_on_MNIST/5_3_400_1_200_50'
FILES = {
    'parameters.yaml',
    'training_statistics.csv',
    'timing.csv',
    'summary.json',
    'reconstructions.png',
    'samples.png',
    'curves.png',
}
SUMMARY = {
    'run',
    'study_row',
    'scale',
    'framework',
    'scores',
    'seeds',
    'control',
    'data',
    'versions',
    'machine',
    'threads',
    'seconds_total',
    'parameters_vae',
    'parameters_disc',
    'metrics',
}
COLUMNS = (
    'seed,epoch,phase,kl,pbp,adversarial,dis_l,disc_real,disc_fake,disc_accuracy,'
    'grad_norm_pbp,grad_norm_adversarial,pbp_weight,disc_weight,lr'
)
COMBO_COLUMNS = [
    'adversarial',
    'disc_real',
    'disc_fake',
    'disc_accuracy',
    'grad_norm_pbp',
    'grad_norm_adversarial',
    'disc_weight',
]
FIDELITY = {'psnr', 'ssim', 'sharpness', 'sharpness_ratio', 'spectrum_distance'}
DISTANCES = {
    f'{distance}_{of}'
    for distance in ('swd', 'frechet')
    for of in ('reconstructions', 'samples', 'floor')
}
METRICS = (
    {'train_loss', 'held_out_loss', 'kl', 'pbp', 'log_likelihood', 'active_units'}
    | FIDELITY
    | {f'{name}_sampled' for name in FIDELITY}
    | DISTANCES
    | {'sharpness_real', 'sample_sharpness_ratio', 'digit_accuracy', 'template_share'}
)
CONTROL = {f'control_{name}' for name in ('psnr', 'ssim', 'swd', 'spectrum_distance')}
CONTROL |= {'control_digit_accuracy'}
EXPERIMENTS = {'solo': solo(), 'combo': combo()}
OF_DIGITS = {'log_likelihood', 'digit_accuracy', 'control_digit_accuracy'}
OF_DIGITS |= {name for name in METRICS if name.startswith('frechet')}
OF_FACES = {'checkerboard_ratio', 'checkerboard_ratio_sampled'}
FACE_SIZES = {'image_size': 64, 'num_held_out': 32, 'num_epochs': 2}  # 64: drawn by `make` already


def content(folder):
    return {p.name: p.read_bytes() for p in folder.iterdir()}


@pytest.fixture(scope='module')
def written(tmp_path_factory):
    """(runs folder, summaries) of a solo run, and of a combo run with that as its control."""
    runs = tmp_path_factory.mktemp('runs')
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(paths, 'RUNS', runs)
        patch.setattr(
            'd2lvae.base.machine.OTHERS', -1.0
        )  # whatever the machine does, it is not alone
        summaries = {
            'solo': results.run(solo(), seeds=(0, 1)),
            'combo': results.run(combo(), seeds=(0, 1), control=solo(), study_row=ROW),
        }
    return runs, summaries


@pytest.fixture
def runs(written, tmp_path, monkeypatch):
    """A copy of what was written, to change."""
    shutil.copytree(written[0], tmp_path / 'runs')
    monkeypatch.setattr(paths, 'RUNS', tmp_path / 'runs')
    monkeypatch.setattr(paths, 'RESULTS', tmp_path / 'results')
    return tmp_path / 'runs'


@pytest.fixture
def no_training(monkeypatch):
    def trained(*_):
        pytest.fail('what was finished was trained again')

    monkeypatch.setattr('d2lvae.training.Trainer.fit_epoch', trained)


def folder_of(kind, written):
    return written[0] / 'results' / EXPERIMENTS[kind].folder


def statistics_of(kind, written):
    return pd.read_csv(folder_of(kind, written) / 'training_statistics.csv')


both = pytest.mark.parametrize('kind', EXPERIMENTS)


# What it holds


@both
def test_the_folder_holds_the_seven_files_and_nothing_else(written, kind):
    folder = folder_of(kind, written)
    assert {p.name for p in folder.iterdir()} == FILES
    assert {p.name for p in folder.parent.iterdir()} == {folder.name}


def test_an_animated_result_has_a_frame_for_each_epoch_and_keeps_it(runs):
    experiment, data = solo(run='animated', animated=True), solo().data()
    results.run(experiment)
    folder = experiment.published
    before = content(folder)
    (folder / ANIMATION).unlink()
    results.publish(experiment, data)
    after = content(folder)
    animation = after.pop(ANIMATION)
    assert after | {ANIMATION: animation} == before and after.keys() == FILES
    assert len(animation) <= 400_000
    with Image.open(folder / ANIMATION) as image:
        assert image.n_frames == 4
    times = {p: p.stat().st_mtime_ns for p in folder.iterdir()}
    results.publish(experiment, data)
    assert {p: p.stat().st_mtime_ns for p in folder.iterdir()} == times
    results.publish(solo(run='animated'), data, study_row='another')  # written anew
    assert content(folder)[ANIMATION] == animation


def test_without_frames_a_result_has_no_animation(runs, no_training):
    before = content(solo().published)
    results.publish(solo(animated=True), solo().data())
    assert content(solo().published) == before


@both
def test_parameters_repeat_the_run(written, kind):
    parameters = yaml.safe_load((folder_of(kind, written) / 'parameters.yaml').read_text())
    assert parameters == EXPERIMENTS[kind].parameters()
    assert Experiment(**parameters).folder == EXPERIMENTS[kind].folder


@both
def test_statistics_have_a_row_for_each_seed_and_epoch(written, kind):
    lines = (folder_of(kind, written) / 'training_statistics.csv').read_text().splitlines()
    assert lines[0] == COLUMNS
    rows = statistics_of(kind, written)
    assert rows[['seed', 'epoch']].values.tolist() == [[s, e] for s in (0, 1) for e in range(4)]
    phases = ['solo'] * 4 if kind == 'solo' else ['solo', 'solo', 'combo', 'combo']
    assert rows['phase'].tolist() == phases * 2


@both
def test_statistics_are_empty_where_they_do_not_apply(written, kind):
    rows = statistics_of(kind, written)
    is_combo = rows['phase'] == 'combo'
    for name in COMBO_COLUMNS:
        assert (rows[name].notna() == is_combo).all()
    assert rows['dis_l'].isna().all()
    assert rows[['kl', 'pbp', 'pbp_weight', 'lr']].notna().all(axis=None)


def test_statistics_are_those_of_the_training(written, monkeypatch):
    monkeypatch.setattr(paths, 'RUNS', written[0])
    rows = pd.read_csv(
        folder_of('combo', written) / 'training_statistics.csv', float_precision='round_trip'
    )
    for seed in (0, 1):
        for row, trained in zip(
            rows[rows['seed'] == seed].to_dict('records'), combo().statistics(seed)
        ):
            names = [name for name in trained if name in row and trained[name] is not None]
            assert len(names) > 5
            assert [row[name] for name in names] == [trained[name] for name in names]


@both
def test_timing_has_the_seconds_of_each_seed_and_epoch(written, kind):
    path = folder_of(kind, written) / 'timing.csv'
    assert path.read_text().splitlines()[0] == 'seed,epoch,phase,seconds'
    timing, rows = pd.read_csv(path), statistics_of(kind, written)
    assert timing[['seed', 'epoch', 'phase']].equals(rows[['seed', 'epoch', 'phase']])
    assert (timing['seconds'] > 0).all()
    assert written[1][kind]['seconds_total'] == pytest.approx(timing['seconds'].sum())


@both
def test_the_summary_says_what_was_run_on_what(written, kind):
    summary = json.loads((folder_of(kind, written) / 'summary.json').read_text())
    assert summary == written[1][kind]
    assert set(summary) == SUMMARY
    data = MNIST(256, 64)
    expected = {
        'run': EXPERIMENTS[kind].folder,
        'study_row': ROW if kind == 'combo' else None,
        'scale': 'smoke',
        'seeds': [0, 1],
        'control': solo().folder if kind == 'combo' else None,
        'data': {'name': 'mnist', 'fingerprint': data.fingerprint, 'train': 256, 'held_out': 64},
        'threads': [int(os.environ['OMP_NUM_THREADS'])] * 2,
        'framework': 'mxnet',
        'scores': scores.SCORES,
    }
    assert {name: summary[name] for name in expected} == expected


@both
def test_the_summary_says_on_which_machine_with_which_versions(written, kind):
    summary = written[1][kind]
    for versions, machine in zip(summary['versions'], summary['machine'], strict=True):
        assert set(versions) == {'python', 'd2lvae', 'mxnet', 'd2l', 'numpy'}
        assert versions['mxnet'] == '1.9.1' and versions['d2lvae'] == d2lvae.__version__
        assert f'{os.cpu_count()} cores' in machine


def epochs(*rows):
    return pd.DataFrame(rows, columns=['phase', 'alone', 'seconds'])


def test_seconds_of_an_epoch_are_the_median_of_those_measured_alone():
    rows = [('solo', True, 2.0), ('solo', True, 3.0), ('solo', True, 9.0), ('solo', False, 90.0)]
    found = results.seconds_per_epoch(epochs(*rows, ('combo', False, 5.0)), {})
    assert found == {'seconds_per_solo_epoch': 3.0}


def test_seconds_of_an_epoch_that_were_known_stay_until_they_are_measured_again():
    earlier = {'seconds_per_solo_epoch': 4.0, 'seconds_per_combo_epoch': 8.0, 'seeds': [0]}
    found = results.seconds_per_epoch(epochs(('solo', True, 2.0), ('combo', None, 5.0)), earlier)
    assert found == {'seconds_per_solo_epoch': 2.0, 'seconds_per_combo_epoch': 8.0}


def test_seconds_measured_alone_are_in_the_summary(runs, written, no_training):
    path = combo().work / 'seed_1' / 'checkpoint' / 'epochs.csv'
    rows = pd.read_csv(path, float_precision='round_trip')
    rows.assign(alone=rows['phase'] == 'combo', seconds=[1.0, 2.0, 5.0, 8.0]).to_csv(path, index=0)
    summary = results.run(combo(), seeds=(0, 1), control=solo(), study_row=ROW)
    assert summary['seconds_per_combo_epoch'] == 6.5
    assert 'seconds_per_solo_epoch' not in summary


@both
def test_the_summary_counts_the_parameters(written, kind):
    vae, disc = EXPERIMENTS[kind].networks(MNIST.SHAPE, seed=0)
    assert written[1][kind]['parameters_vae'] == num_parameters(vae)
    assert written[1][kind]['parameters_disc'] == (num_parameters(disc) if disc else None)


def test_the_summary_holds_every_metric_and_the_control_only_beside_a_discriminator(written):
    assert set(written[1]['solo']['metrics']) == METRICS
    assert set(written[1]['combo']['metrics']) == METRICS | CONTROL


@both
def test_every_metric_has_one_value_per_seed_their_mean_and_its_interval(written, kind):
    for metric in written[1][kind]['metrics'].values():
        assert set(metric) == {'mean', 'ci95', 'values'}
        a, b = metric['values']
        assert metric['mean'] == pytest.approx((a + b) / 2)
        half_width = stats.t.ppf(0.975, df=1) * abs(a - b) / 2
        assert metric['ci95'] == pytest.approx(half_width, abs=1e-12)
    assert onp.isfinite([m['mean'] for m in written[1][kind]['metrics'].values()]).all()


@both
def test_the_train_loss_is_that_of_the_last_epoch(written, kind):
    rows = statistics_of(kind, written)
    last = rows[rows['epoch'] == 3]
    losses = written[1][kind]['metrics']['train_loss']['values']
    assert losses == pytest.approx((last['kl'] + last['pbp']).tolist())


@both
def test_metrics_are_those_of_the_trained_networks_on_the_held_out_digits(
    written, kind, monkeypatch
):
    monkeypatch.setattr(paths, 'RUNS', written[0])
    X = to_float(MNIST(256, 64).held_out_images)
    for seed in (0, 1):
        vae, _ = EXPERIMENTS[kind].load(seed, MNIST.SHAPE)
        X_hat = vae.reconstruct(d2lvae.np.array(X)).asnumpy()
        psnr = -10 * onp.log10(((X - X_hat) ** 2).mean(axis=(1, 2, 3))).mean()
        assert written[1][kind]['metrics']['psnr']['values'][seed] == pytest.approx(psnr, rel=1e-5)


def test_the_control_is_the_plain_vae_of_the_same_seed_with_noise(written, monkeypatch):
    monkeypatch.setattr(paths, 'RUNS', written[0])
    X = to_float(MNIST(256, 64).held_out_images)
    metrics = written[1]['combo']['metrics']
    for seed in (0, 1):
        plain = solo().load(seed, MNIST.SHAPE)[0].reconstruct(d2lvae.np.array(X)).asnumpy()
        noisy = noise_control(plain, metrics['sharpness']['values'][seed])
        psnr = -10 * onp.log10(((X - noisy) ** 2).mean(axis=(1, 2, 3))).mean()
        assert metrics['control_psnr']['values'][seed] == pytest.approx(psnr, rel=1e-5)


@both
@pytest.mark.parametrize('name, wide', [('reconstructions', 5), ('samples', 10 / 3)])
def test_pictures_show_digits(written, kind, name, wide):
    with Image.open(folder_of(kind, written) / f'{name}.png') as picture:
        assert picture.format == 'PNG'
        assert picture.width / picture.height == pytest.approx(wide, rel=0.1)
        assert onp.unique(onp.asarray(picture.convert('L'))).size > 20


def test_the_first_row_of_the_reconstructions_is_the_first_ten_held_out_digits(written):
    with Image.open(folder_of('solo', written) / 'reconstructions.png') as picture:
        shown = onp.asarray(picture.convert('L')) / 255.0
    digits, height = MNIST(256, 64).held_out_images[:10, 0] / 255.0, shown.shape[0] // 2
    brightness = [tile.mean() for tile in onp.array_split(shown[:height], 10, axis=1)]
    assert stats.pearsonr(brightness, digits.mean(axis=(1, 2))).statistic > 0.9


@both
def test_curves_show_every_loss_term_and_carry_no_date(written, kind, tmp_path):
    path = folder_of(kind, written) / 'curves.png'
    with Image.open(path) as picture:
        panels = 2 if kind == 'solo' else 5
        assert picture.width == pytest.approx(720 * min(panels, 3), abs=2)
        assert 'Software' not in picture.info and 'date' not in str(picture.info).lower()


def test_samples_come_from_the_same_latents_every_time(written, tmp_path, monkeypatch):
    monkeypatch.setattr(paths, 'RUNS', written[0])
    vae, _ = solo().load(0, MNIST.SHAPE)
    rows = statistics_of('solo', written)
    X = to_float(MNIST(256, 64).held_out_images[:10])
    samples = metrics.prior_samples(vae, 30)
    results.draw(tmp_path, X, metrics.reconstruct(vae, X), samples, rows)
    for name in ('reconstructions.png', 'samples.png', 'curves.png'):
        assert (tmp_path / name).read_bytes() == (folder_of('solo', written) / name).read_bytes()


# What is finished is not done again, and nothing is lost


def test_a_second_run_finds_everything_finished(runs, written, no_training):
    summary = results.run(combo(), seeds=(0, 1), control=solo(), study_row=ROW)
    assert summary == written[1]['combo']


def test_one_seed_has_no_interval(runs, no_training):
    shutil.rmtree(solo().work / 'seed_1')
    shutil.rmtree(solo().published)
    summary = results.run(solo())
    assert summary['seeds'] == [0]
    assert all(m['ci95'] is None and len(m['values']) == 1 for m in summary['metrics'].values())


@pytest.mark.parametrize('seed', [0, 1])
def test_a_seed_that_only_the_earlier_result_holds_is_kept(runs, written, no_training, seed):
    """With its pictures: they are the first seed's, whoever has its networks."""
    before = content(combo().published)
    shutil.rmtree(combo().work / f'seed_{seed}')
    summary = results.run(combo(), (1 - seed,), control=solo(), study_row=ROW)
    assert summary == written[1]['combo']
    assert content(combo().published) == before


def test_a_result_of_other_parameters_is_not_overwritten(runs):
    shutil.copytree(solo().published, solo(run='mine').published)
    before = content(solo(run='mine').published)
    with pytest.raises(CourseError, match='holds the result of other parameters: move') as e:
        results.run(solo(run='mine', lr=1e-4, num_epochs=1), seeds=(1,))
    assert '\n' not in str(e.value)
    assert content(solo(run='mine').published) == before


def test_a_result_about_other_pictures_is_not_overwritten(runs, no_training):
    shutil.rmtree(solo().work)
    before, data = content(solo().published), MNIST(256, 64)
    data.fingerprint = 'of others'
    with pytest.raises(CourseError, match='is about other pictures than those that mnist has'):
        results.publish(solo(), data)
    assert content(solo().published) == before


def test_the_scores_of_other_pictures_are_never_published(runs, no_training):
    data = MNIST(256, 64)
    data.fingerprint = 'of others'
    before = content(solo().published)
    with pytest.raises(CourseError, match='put the earlier ones back'):
        results.publish(solo(), data)
    assert content(solo().published) == before


def test_what_is_unchanged_is_not_written_again(runs, no_training):
    before = {path: path.stat().st_mtime_ns for path in solo().published.iterdir()}
    results.run(solo(), seeds=(0, 1))
    assert {path: path.stat().st_mtime_ns for path in solo().published.iterdir()} == before


def edited_summary(experiment, **changes):
    path = experiment.published / 'summary.json'
    summary = json.loads(path.read_text()) | changes
    path.write_text(json.dumps(summary))
    return summary


def test_a_result_that_gains_a_seed_keeps_what_was_recorded_of_the_others(runs):
    for seed in (0, 1):
        shutil.rmtree(solo().work / f'seed_{seed}')
    earlier = edited_summary(solo(), threads=[7, None], machine=['another one', None])
    summary = results.run(solo(), seeds=(2,))
    assert summary['threads'] == [7, None, int(os.environ['OMP_NUM_THREADS'])]
    assert summary['machine'][:2] == ['another one', None]
    assert summary['versions'][:2] == earlier['versions']


def test_circumstances_are_those_of_the_training_and_not_of_the_publishing(runs, no_training):
    path = solo().work / 'seed_1' / 'circumstances.json'
    path.write_text(json.dumps(json.loads(path.read_text()) | {'threads': 5}))
    assert results.run(solo(), seeds=(0, 1))['threads'][1] == 5


def test_scores_of_earlier_code_are_made_again(runs, no_training):
    path = solo().work / 'seed_0' / 'metrics.json'
    stored = json.loads(path.read_text())
    path.write_text(json.dumps(stored | {'scores': 1, 'metrics': {'psnr': -1.0}}))
    results.run(solo(), seeds=(0, 1))
    assert json.loads(path.read_text()) == stored


@pytest.mark.parametrize('changes', [{'scores': 1}, {'control': 'another'}])
def test_scores_of_earlier_code_or_another_control_are_not_mixed_with_those_of_today(runs, changes):
    shutil.rmtree(solo().work / 'seed_1')
    edited_summary(solo(), **changes)
    before = content(solo().published)
    with pytest.raises(CourseError, match='run them here too, with --seeds 0 1') as e:
        results.run(solo())
    assert '\n' not in str(e.value) and content(solo().published) == before
    assert results.run(solo(), seeds=(0, 1))['scores'] == scores.SCORES


def test_seeds_scored_beside_another_control_are_left_out(runs):
    for seed, control in ((0, solo()), (1, None)):
        scores.score(combo(), seed, combo().data(), control)
    shutil.rmtree(combo().published)
    assert results.publish(combo(), combo().data())['seeds'] == [1]


def test_numbers_that_are_not_finite_end_with_a_sentence_and_are_not_kept(runs, monkeypatch):
    (solo().work / 'seed_0' / 'metrics.json').unlink()
    monkeypatch.setattr(scores, 'held_out_metrics', lambda *_: {'psnr': float('nan')})
    with pytest.raises(CourseError, match='seed 0, broke down: psnr of its held-out pictures'):
        scores.score(solo(), 0, MNIST(256, 64))
    assert not (solo().work / 'seed_0' / 'metrics.json').exists()


def test_a_score_is_made_again_when_the_control_changes(runs, no_training):
    path = combo().work / 'seed_0' / 'metrics.json'
    assert set(json.loads(path.read_text())['metrics']) == METRICS | CONTROL
    assert set(scores.score(combo(), 0, combo().data())) == METRICS
    assert set(json.loads(path.read_text())['metrics']) == METRICS


@pytest.mark.parametrize('error', [KeyboardInterrupt, ValueError])
def test_an_interrupted_publication_leaves_the_earlier_result(runs, monkeypatch, error):
    before = content(solo().published)
    shutil.rmtree(solo().work / 'seed_1')

    def interrupted(*_, **__):
        raise error

    monkeypatch.setattr(plots, 'curves', interrupted)
    with pytest.raises(error):
        results.publish(solo(), solo().data(), study_row='another')
    assert content(solo().published) == before
    assert [p.name for p in solo().published.parent.iterdir()] == [solo().published.name]
    monkeypatch.undo()


def test_a_killed_publication_leaves_the_earlier_result_and_is_cleared_away(runs):
    before = content(solo().published)
    program = (
        'import os, signal, tiny\n'
        'from d2lvae import plots\n'
        'from d2lvae.runs import results\n'
        'plots.curves = lambda *_, **__: os.kill(os.getpid(), signal.SIGKILL)\n'
        "results.publish(tiny.solo(), tiny.solo().data(), study_row='another')\n"
    )
    process = python('-c', program, runs=runs)
    _, stderr = process.communicate(timeout=600)
    assert process.returncode == -9, stderr
    assert content(solo().published) == before
    assert len(list(solo().published.parent.iterdir())) == 2
    summary = results.publish(solo(), solo().data(), study_row='another')
    assert summary['study_row'] == 'another'
    assert [p.name for p in solo().published.parent.iterdir()] == [solo().published.name]


@pytest.mark.parametrize('level', ['published', 'parent'])
def test_a_file_in_the_place_of_the_result_ends_with_a_sentence(runs, no_training, level):
    path = solo().published if level == 'published' else solo().published.parent
    shutil.rmtree(path)
    path.write_text('in the way')
    with pytest.raises(CourseError, match='move what is in the way') as e:
        results.run(solo())
    assert str(path) in str(e.value) and '\n' not in str(e.value)
    assert path.read_text() == 'in the way'


def test_two_processes_do_not_publish_the_same_run_at_once(runs):
    with files.locked(solo().work, 'x'):
        with pytest.raises(CourseError, match=f'The result of {solo().folder} is being run'):
            results.publish(solo(), solo().data())


def test_a_folder_without_a_result_ends_with_a_sentence(tmp_path):
    with pytest.raises(CourseError, match=f'{tmp_path} holds no result: run the experiment first'):
        results.load_summary(tmp_path)


# Other pictures


def test_the_held_out_digits_as_other_pictures_score_as_they_did(runs, written):
    data = MNIST(256, 64)
    found = scores.evaluate(solo(), 1, data.held_out_images, data.held_out_labels)
    metrics = written[1]['solo']['metrics']
    assert set(found) == METRICS - {'train_loss', 'swd_floor', 'frechet_floor'}
    assert found == {name: metrics[name]['values'][1] for name in found}


def test_pictures_without_labels_score_without_the_digits(runs):
    found = scores.evaluate(solo(), 0, MNIST(256, 64).held_out_images)
    assert 'digit_accuracy' not in found and 'psnr' in found


def test_only_a_finished_seed_can_be_evaluated(runs):
    with pytest.raises(CourseError, match='no finished seed 7 on this machine'):
        scores.evaluate(solo(), 7, MNIST(256, 64).held_out_images)


# The decoder that chapter 01 explores


def test_the_kept_decoder_draws_what_the_trained_one_does(runs, tmp_path, monkeypatch):
    monkeypatch.setattr(decoder, 'MNIST_DECODER', tmp_path / 'decoder.safetensors')
    experiment = Experiment(num_train=64, num_held_out=20, num_epochs=1)
    data = experiment.data()
    trained, _ = experiment.train(0, data)
    decoder.keep_mnist_decoder(experiment, 0, data)
    kept, means = decoder.load_mnist_decoder()
    X = d2lvae.np.array(to_float(data.held_out_images))
    assert means.shape == (20, 5)
    assert means == pytest.approx(trained.encode(X)[0].asnumpy(), rel=1e-2, abs=1e-3)
    drawn = kept.generate(d2lvae.np.array(means)).asnumpy()
    assert drawn == pytest.approx(trained.reconstruct(X).asnumpy(), abs=2e-3)
    assert (tmp_path / 'decoder.safetensors').stat().st_size < 2_000_000


def test_the_kept_decoder_draws_the_held_out_digits_as_well_as_its_run():
    vae, means = decoder.load_mnist_decoder()
    X = to_float(MNIST().held_out_images)
    X_hat = vae.generate(np.array(means)).asnumpy()
    stored = results.load_summary(KEPT / decoder.EXPLORED)['metrics']
    assert psnr(X, X_hat) == pytest.approx(stored['psnr']['mean'], abs=0.02)
    assert active_units(means) == stored['active_units']['mean']


# Faces


@pytest.fixture(scope='module')
def faces(tmp_path_factory):
    """(runs folder, experiment, summary) of a combo run on a few avatars."""
    runs = tmp_path_factory.mktemp('faces')
    experiment = face_combo(**FACE_SIZES, solo_epochs=1)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(paths, 'RUNS', runs)
        summary = results.run(experiment, control=face(**FACE_SIZES))
    return runs, experiment, summary


def test_the_folder_of_a_run_on_faces_holds_the_same_files(faces):
    runs, experiment, summary = faces
    folder = runs / 'results' / experiment.folder
    assert {p.name for p in folder.iterdir()} == FILES
    parameters = yaml.safe_load((folder / 'parameters.yaml').read_text())
    assert parameters == experiment.parameters()
    assert Experiment(**parameters).folder == experiment.folder
    assert json.loads((folder / 'summary.json').read_text()) == summary
    lines = (folder / 'training_statistics.csv').read_text().splitlines()
    assert lines[0] == COLUMNS and len(lines) == 3


def test_the_summary_of_a_run_on_faces_names_its_data_and_its_control(faces):
    _, experiment, summary = faces
    data = AvatarFaces(64, 32)
    assert summary['data'] == {
        'name': 'avatars',
        'fingerprint': data.fingerprint,
        'train': 64,
        'held_out': 32,
    }
    assert summary['control'] == face(**FACE_SIZES).folder
    assert summary['run'].startswith('ConvVAE_ConvDisc_LeakyReLU_on_avatars/2_2_2_2-')


def test_the_metrics_of_faces_are_those_of_digits_but_for_what_only_one_of_them_has(faces):
    metrics = faces[2]['metrics']
    of_features = {name for name in metrics if 'kernel' in name}
    assert set(metrics) - of_features == (METRICS | CONTROL) - OF_DIGITS | OF_FACES
    assert onp.isfinite([m['mean'] for m in metrics.values()]).all()


def test_the_first_row_of_the_reconstructions_is_the_first_ten_held_out_faces_in_colour(faces):
    runs, experiment, _ = faces
    path = runs / 'results' / experiment.folder / 'reconstructions.png'
    with Image.open(path) as picture:
        shown = onp.asarray(picture.convert('RGB')) / 255.0
    images, height = AvatarFaces(64, 32).held_out_images[:10] / 255.0, shown.shape[0] // 2
    tiles = onp.array([t.mean(axis=(0, 1)) for t in onp.array_split(shown[:height], 10, axis=1)])
    colours = images.mean(axis=(2, 3))
    assert stats.pearsonr(tiles.ravel(), colours.ravel()).statistic > 0.9
    assert onp.ptp(shown[:height], axis=2).max() > 0.3


def test_the_pbp_weight_in_the_statistics_is_the_mean_of_an_epoch(faces):
    """It is halved after 0.75 epochs of 4 steps: the weights are 1, 1, 1 and 0.5."""
    runs, experiment, _ = faces
    rows = pd.read_csv(runs / 'results' / experiment.folder / 'training_statistics.csv')
    assert rows['pbp_weight'].tolist() == [1, 0.875]


def test_held_out_faces_as_other_pictures_score_as_they_did(faces, monkeypatch):
    runs, experiment, summary = faces
    monkeypatch.setattr(paths, 'RUNS', runs)
    found = scores.evaluate(experiment, 0, AvatarFaces(64, 32).held_out_images)
    assert 'psnr' in found and 'checkerboard_ratio' in found
    assert found == {name: summary['metrics'][name]['values'][0] for name in found}
