"""What the port to PyTorch starts with, and what becomes of what it brings back."""

import json
import re
import shutil

import numpy as onp
import pandas as pd
import pytest
import yaml
from PIL import Image
from tiny import face, face_combo, weights

from d2lvae import metrics, schedules
from d2lvae.__main__ import main
from d2lvae.base import paths
from d2lvae.base.errors import CourseError
from d2lvae.data import to_float
from d2lvae.runs import identity, ported, results, scores
from d2lvae.runs.experiment import NOT_PARAMETERS, Experiment

HERE = {
    'versions': {'torch': '2'},
    'machine': 'a GPU',
    'threads': 1,
    'precision': 'tf32',
    'compiled': False,
}


@pytest.fixture(autouse=True)
def folders(tmp_path, monkeypatch):
    monkeypatch.setattr(paths, 'RUNS', tmp_path / 'runs')
    monkeypatch.setattr(paths, 'RESULTS', tmp_path / 'results')


# What it starts with


@pytest.fixture
def parameters(tmp_path):
    path = tmp_path / 'parameters.yaml'
    path.write_text(yaml.safe_dump(face_combo(solo_epochs=3, disc_warmup_epochs=1).parameters()))
    return path


def exported(*arguments, to):
    assert not main(['export', *map(str, arguments), '--to', str(to)])
    with onp.load(to) as stored:
        arrays = dict(stored)
    return json.loads(arrays.pop('facts').tobytes()), arrays


def test_the_port_starts_with_the_pictures_and_weights_of_each_seed(parameters, tmp_path):
    experiment = ported.read(parameters)
    facts, arrays = exported(parameters, '--seeds', 0, 4, to=tmp_path / 'start.npz')
    data = experiment.data()
    onp.testing.assert_array_equal(arrays['train'], data.train_images)
    onp.testing.assert_array_equal(arrays['held_out'], data.held_out_images)
    assert facts['data']['fingerprint'] == data.fingerprint
    for seed in (0, 4):
        for name, net in zip(('vae', 'disc'), experiment.networks(data.shape, seed)):
            prefix = f'seed_{seed}/{name}/'
            found = {n.removeprefix(prefix): a for n, a in arrays.items() if n.startswith(prefix)}
            expected = weights(net)
            assert list(found) == list(expected)
            assert all((found[n] == expected[n]).all() for n in expected)
    assert facts['parameters'].keys() == type(experiment).model_fields.keys() - set(NOT_PARAMETERS)


def test_the_port_starts_with_a_weight_for_every_step(parameters, tmp_path):
    experiment = ported.read(parameters)
    facts, arrays = exported(parameters, to=tmp_path / 'start.npz')
    assert facts['phases'] == ['solo', 'solo', 'solo', 'combo']
    assert facts['steps'] == ['solo', 'solo', 'warmup', 'combo']
    num_steps = experiment.num_train // experiment.batch_size
    for name in ('lr', 'pbp_weight', 'disc_weight'):
        value_at = getattr(schedules, f'{name}_at')
        expected = [value_at(experiment, step, num_steps) for step in range(4 * num_steps)]
        assert arrays[name].tolist() == expected
    assert len(set(arrays['lr'])) > 4


@pytest.mark.parametrize('changes', [{'discriminator': None}, {'disc_weight': 0.0}])
def test_a_plain_run_has_no_discriminator_to_start_with(tmp_path, changes):
    path = tmp_path / 'parameters.yaml'
    path.write_text(yaml.safe_dump(face_combo(**changes).parameters()))
    facts, arrays = exported(path, to=tmp_path / 'start.npz')
    assert facts['steps'] == ['solo'] * 4 and facts['parameters_disc'] is None
    assert not [name for name in arrays if '/disc/' in name]


def test_at_another_size_what_is_counted_in_epochs_keeps_its_share():
    experiment = face_combo(discriminator='ResNet', disc_warmup_epochs=1, disc_ramp_epochs=1.0)
    large = ported.resized(experiment, epochs=40, faces=128, held_out=32, resnet_base=8)
    assert (large.num_epochs, large.solo_epochs, large.disc_warmup_epochs) == (40, 20, 10)
    assert large.disc_ramp_epochs == 10.0
    assert large.pbp_decay_every == 10 * experiment.pbp_decay_every
    assert (large.num_train, large.num_held_out, large.disc_channels) == (128, 32, 8)
    assert ported.resized(experiment) == experiment


@pytest.mark.parametrize(
    'arguments, sentence',
    [
        (['--resnet-base', '8'], 'There is no ResNet in'),
        (['--epochs', '-1'], 'Parameter num_epochs should be greater than or equal to 1'),
        (['--faces', '8', '--held-out', '4'], r'batch_size \(16\) must not be more than'),
    ],
)
def test_a_size_that_is_none_is_refused(parameters, tmp_path, capsys, arguments, sentence):
    to = tmp_path / 'start.npz'
    assert main(['export', str(parameters), '--to', str(to), *arguments]) == 1
    assert re.match(sentence, capsys.readouterr().err)
    assert not to.exists()


@pytest.mark.parametrize('text', ['', '- a\n- b\n', 'a: [', None])
def test_a_file_that_is_no_parameters_yaml_is_refused(tmp_path, text):
    path = tmp_path / 'x.yaml'
    if text is not None:
        path.write_text(text)
    with pytest.raises(CourseError, match='x.yaml is no parameters.yaml of a run'):
        ported.read(path)


# What it brings back


def brought_back(folder, experiment, seeds=(0,), **switches):
    """Fill a folder as the port leaves it, with what untrained VAEs make; these by their seeds."""
    data = experiment.data()
    run = {
        'parameters': experiment.model_dump(exclude=set(NOT_PARAMETERS)),
        'data': identity.data_facts(data),
        'parameters_vae': 10,
        'parameters_disc': None,
    }
    folder.mkdir(parents=True, exist_ok=True)
    switches = dict.fromkeys(ported.SWITCHES, False) | switches
    (folder / 'run.json').write_text(json.dumps(run | switches))
    vaes = {seed: experiment.networks(data.shape, seed)[0] for seed in seeds}
    for seed, vae in vaes.items():
        leave(folder / f'seed_{seed}', vae, to_float(data.held_out_images))
    return vaes


def leave(folder, vae, X):
    folder.mkdir(exist_ok=True)
    (folder / 'circumstances.json').write_text(json.dumps(HERE))
    rows = [{'epoch': i, 'phase': 'solo', 'kl': 1.0, 'pbp': 2.0, 'seconds': 3.0} for i in (0, 1)]
    pd.DataFrame(rows).to_csv(folder / 'epochs.csv', index=False)
    found = metrics.reconstructions(vae, X)._asdict()
    terms = {name: onp.float32([found[name]]) for name in ('kl', 'pbp')}
    samples = metrics.prior_samples(vae, len(X))
    onp.savez(folder / 'pictures.npz', **found | terms, samples=samples)


def score(*arguments):
    assert not main(['score', *map(str, arguments)])


def test_pictures_of_the_port_score_as_the_networks_that_made_them(tmp_path, capsys):
    experiment, folder = face(image_size=64), tmp_path / 'port' / 'named'
    vaes = brought_back(folder, experiment, seeds=(0, 3))
    score(folder)
    published = paths.RESULTS / 'ConvVAE_on_avatars' / 'named'
    assert f'Written to {published}' in capsys.readouterr().out
    summary, data = results.load_summary(published), experiment.data()
    features = scores.frozen_features(experiment, data.shape)
    for i, vae in enumerate(vaes.values()):
        expected = scores.held_out_metrics(vae, data, features)
        found = {name: m['values'][i] for name, m in summary['metrics'].items()}
        assert found.pop('train_loss') == 3.0
        assert found == pytest.approx(expected, rel=1e-6)
    assert (summary['scale'], summary['framework'], summary['seeds']) == (
        'study',
        'pytorch',
        [0, 3],
    )
    assert summary['precision'] == ['tf32'] * 2 and summary['machine'] == ['a GPU'] * 2
    assert (summary['switches'], summary['control']) == ({}, None)
    assert summary['data']['held_out'] == len(data.held_out_images)
    assert experiment.is_stored_in(published / 'parameters.yaml')
    statistics = pd.read_csv(published / 'training_statistics.csv')
    assert list(statistics.columns) == results.STATISTICS and list(statistics['seed']) == [
        0,
        0,
        3,
        3,
    ]
    timing = pd.read_csv(published / 'timing.csv')
    assert list(timing.columns) == results.TIMING and summary['seconds_total'] == 12.0
    for name in ('reconstructions', 'samples', 'curves'):
        with Image.open(published / f'{name}.png') as picture:
            assert min(picture.size) > 50


def test_the_control_is_noise_on_the_ports_plain_run(tmp_path):
    folder, plain = tmp_path / 'port' / 'a', tmp_path / 'port' / 'plain'
    [vae] = brought_back(folder, face()).values()
    [plain_vae] = brought_back(plain, face(num_epochs=8), seeds=[0]).values()
    score(folder, '--control', plain)
    summary = results.load_summary(paths.RESULTS / 'ConvVAE_on_avatars' / 'a')
    assert summary['control'] == 'plain'
    data = face().data()
    expected = scores.held_out_metrics(vae, data, None, plain_vae)
    names = [name for name in expected if name.startswith('control_')]
    assert names
    for name in names:
        assert summary['metrics'][name]['mean'] == pytest.approx(expected[name], rel=1e-6)


def test_a_run_with_the_studys_mistakes_says_so(tmp_path):
    brought_back(tmp_path / 'b', face(), scrambled=True, nonnegative=True)
    score(tmp_path / 'b')
    summary = results.load_summary(paths.RESULTS / 'ConvVAE_on_avatars' / 'b')
    assert summary['switches'] == ported.SWITCHES


def test_what_was_tried_at_a_small_size_stays_out_of_the_results(tmp_path):
    brought_back(tmp_path / 'c', face())
    score(tmp_path / 'c', '--scale', 'smoke')
    summary = results.load_summary(paths.RUNS / 'results' / 'ConvVAE_on_avatars' / 'c')
    assert summary['scale'] == 'smoke' and not paths.RESULTS.exists()


def refused(capsys, *arguments):
    assert main(['score', *map(str, arguments)]) == 1
    said = capsys.readouterr().err
    assert said.count('\n') == 1
    return said


def test_a_folder_that_the_port_did_not_leave_is_refused(tmp_path, capsys):
    assert 'holds no run of the port' in refused(capsys, tmp_path)
    brought_back(tmp_path / 'd', face(), seeds=())
    assert 'holds no finished seed' in refused(capsys, tmp_path / 'd')
    assert not paths.RESULTS.exists()


def test_pictures_of_other_faces_are_refused(tmp_path, capsys):
    brought_back(tmp_path / 'e', face())
    run = json.loads((tmp_path / 'e' / 'run.json').read_text())
    run['data']['fingerprint'] = 'another'
    (tmp_path / 'e' / 'run.json').write_text(json.dumps(run))
    assert 'is about other pictures' in refused(capsys, tmp_path / 'e')
    assert not paths.RESULTS.exists()


def test_a_control_without_the_seed_is_refused(tmp_path, capsys):
    brought_back(tmp_path / 'f', face(), seeds=(0, 1))
    brought_back(tmp_path / 'plain', face())
    said = refused(capsys, tmp_path / 'f', '--control', tmp_path / 'plain')
    assert 'has no finished seed 1' in said


def test_a_result_of_another_run_is_left_alone(tmp_path, capsys):
    brought_back(tmp_path / 'g', face())
    score(tmp_path / 'g')
    published = paths.RESULTS / 'ConvVAE_on_avatars' / 'g'
    before = (published / 'summary.json').read_bytes()
    brought_back(tmp_path / 'g', face(), scrambled=True)
    assert 'holds the result of another run' in refused(capsys, tmp_path / 'g')
    assert (published / 'summary.json').read_bytes() == before
    brought_back(tmp_path / 'g', face(), seeds=(0, 1))
    score(tmp_path / 'g')
    assert results.load_summary(published)['seeds'] == [0, 1]
    shutil.rmtree(tmp_path / 'g' / 'seed_1')
    assert 'holds seeds that are not in this folder (1)' in refused(capsys, tmp_path / 'g')
    assert results.load_summary(published)['seeds'] == [0, 1]


def test_a_seed_that_broke_down_is_not_published(tmp_path, capsys):
    brought_back(tmp_path / 'h', face())
    path = tmp_path / 'h' / 'seed_0' / 'pictures.npz'
    with onp.load(path) as stored:
        arrays = dict(stored)
    arrays['X_hat'][0, 0, 0, 0] = onp.nan
    onp.savez(path, **arrays)
    assert 'broke down: X_hat are not finite' in refused(capsys, tmp_path / 'h')
    assert not paths.RESULTS.exists()


def test_a_row_of_the_study_at_its_size_is_named_as_that_row(tmp_path):
    row = {'dataset': 'anime', 'vae': 'ConvVAE', 'discriminator': 'ResNet', 'disc_channels': 64}
    assert ported.study_row(Experiment(**row, run='512_32_200_10_1')) == (
        'ConvVAE_ResNet_on_anime/512_32_200_10_1'
    )
    assert ported.study_row(Experiment(**row, run='512_32_200_10_1_scrambled')) is None


def test_the_imported_numbers_are_marked_and_whole():
    path = paths.ROOT / 'results' / 'study_size.csv'
    assert path.read_text().startswith('# imported, 800 held-out faces, one run each, scored apart')
    table = pd.read_csv(path, comment='#')
    studied = table[(table['faces'] == 12800) & (table['resnet_base'] == 64)]
    assert (studied['image_size'] == 64).all() and studied['run'].nunique() == 5
    assert (studied['step'] == studied['epoch'] * 200).all()
    last = table.groupby('run').tail(1)
    assert last['ssim'].notna().all() and table['ssim'].notna().sum() == len(last) == 18


def test_what_the_port_lacks_is_not_exported(tmp_path):
    faces = {'dataset': 'avatars', 'num_train': 4, 'num_held_out': 2, 'batch_size': 2}
    frozen = Experiment(**faces, vae='ConvVAE', disc_weight=0.0, frozen_weight=1.0)
    with pytest.raises(CourseError, match='^The port has no frozen_weight: train this run with'):
        ported.export(frozen, [0], tmp_path / 'start.npz')
    assert not list(tmp_path.iterdir())
