"""A training that was stopped, or killed, and started again ends with the same bytes."""

import os
import re
import shutil
import signal
from functools import partial
from pathlib import Path

import numpy as onp
import pytest
from test_files import full_disk
from tiny import (
    FACE,
    SHAPE,
    combo,
    face_combo,
    image_data,
    python,
    solo,
    waiting_python,
    without_seconds,
)

from d2lvae.base import paths
from d2lvae.base.errors import CourseError
from d2lvae.base.files import load_weights, save_weights
from d2lvae.data import ImageData, to_float
from d2lvae.metrics import reconstruct
from d2lvae.runs import results
from d2lvae.runs.checkpoint import Checkpoint
from d2lvae.runs.seed import Bar, go_on

KINDS = {'solo': partial(solo, animated=True), 'combo': combo}


@pytest.fixture
def runs(tmp_path, monkeypatch):
    monkeypatch.setattr(paths, 'RUNS', tmp_path / 'runs')
    return tmp_path / 'runs'


class Stopped(ImageData):
    """Pictures on which somebody presses Ctrl-C, in the third step of each of some epochs."""

    stops, trainer, epochs = (), None, ()

    def shuffled_batches(self, batch_size, rng):
        self.epochs += (self.trainer.epoch,)
        for step, X in enumerate(super().shuffled_batches(batch_size, rng)):
            if step == 2 and self.trainer.epoch in self.stops[:1]:
                self.stops = self.stops[1:]
                raise KeyboardInterrupt
            yield X


def pictures_with(*stops, num=160, shape=SHAPE):
    data = image_data(num, Stopped, shape)
    data.stops = stops
    return data


def train(experiment, data, folder):
    """Train, or go on, with new networks and optimisers."""
    vae, disc = experiment.networks(data.shape, seed=0)
    data.trainer = experiment.trainer(0)
    data.trainer.prepare(vae, data, disc)
    checkpoint = Checkpoint(folder)
    rows = checkpoint.restore(data.trainer)
    with Bar(data.trainer, rows) as progress:
        go_on(data.trainer, rows, checkpoint, progress)


def outcome(folder):
    """What a checkpoint holds: the weights, the frames if there are any, the statistics."""
    paths = *folder.glob('*.safetensors'), *folder.glob('frames.npy')
    content = {p.name: p.read_bytes() for p in paths}
    return content | {'epochs.csv': without_seconds(folder / 'epochs.csv')}


def trained(experiment, folder, stops=(), **options):
    """The outcome of a training that is stopped and started again."""
    data = pictures_with(*stops, **options)
    for _ in stops:
        with pytest.raises(KeyboardInterrupt):
            train(experiment, data, folder)
    train(experiment, data, folder)
    return outcome(folder)


@pytest.fixture(scope='module')
def never_stopped(tmp_path_factory):
    """What either kind of training leaves if nobody stops it."""
    folder = tmp_path_factory.mktemp('never_stopped')
    return {kind: trained(make(), folder / kind) for kind, make in KINDS.items()}


@pytest.mark.parametrize('stops', [(0,), (1,), (2,), (3,), (1, 3), (2, 2)])
@pytest.mark.parametrize('kind', KINDS)
def test_a_stopped_training_ends_with_the_same_bytes(tmp_path, never_stopped, kind, stops):
    assert trained(KINDS[kind](), tmp_path / 'stopped', stops) == never_stopped[kind]


@pytest.mark.parametrize('norm', ['batch', 'spectral'])
def test_a_stopped_training_of_convolutional_networks_ends_with_the_same_bytes(tmp_path, norm):
    """With batch norm's statistics and the singular vectors, in the middle of the combo epochs."""
    experiment, faces = face_combo(disc_norm=norm), {'num': 64, 'shape': FACE}
    undisturbed = trained(experiment, tmp_path / 'undisturbed', **faces)
    assert trained(experiment, tmp_path / 'stopped', (3,), **faces) == undisturbed


def test_frames_are_the_held_out_pictures_after_each_epoch_and_disturb_nothing(tmp_path):
    experiment = face_combo(lr=1e-2, disc_norm='batch', animated=True)
    data = pictures_with(num=64, shape=FACE)
    train(experiment, data, tmp_path / 'checkpoint')
    frames = Checkpoint(tmp_path / 'checkpoint').frames()
    nets = experiment.networks(data.shape, seed=0)
    data.trainer = bare = experiment.trainer(0)
    bare.prepare(nets[0], data, nets[1])
    X, seen = to_float(data.held_out_images[:10]), []
    for _ in bare.epochs():
        save_weights(nets[0], tmp_path / 'seen')
        copy = experiment.networks(data.shape, seed=1)[0]  # the trained one is not asked
        load_weights(copy, tmp_path / 'seen')
        seen.append(255 * reconstruct(copy, X))
    assert [f.shape for f in frames] == [(8, *FACE)] * 4 and frames[0].dtype == 'uint8'
    assert abs(onp.stack(seen) - frames).max() < 0.51
    assert abs(seen[0] - seen[3]).max() > 2
    kept = (tmp_path / 'checkpoint' / 'vae.safetensors').read_bytes()
    assert kept == (tmp_path / 'seen').read_bytes()


def test_a_checkpoint_without_frames_goes_on(tmp_path):
    data = pictures_with(2)
    with pytest.raises(KeyboardInterrupt):
        train(combo(), data, tmp_path / 'checkpoint')
    train(combo(animated=True), data, tmp_path / 'checkpoint')
    assert len(Checkpoint(tmp_path / 'checkpoint').frames()) == 2
    assert len(Checkpoint(tmp_path / 'checkpoint').rows()) == 4


def test_a_resumed_training_does_not_begin_anew(tmp_path):
    data = pictures_with(2)
    with pytest.raises(KeyboardInterrupt):
        train(combo(), data, tmp_path / 'checkpoint')
    train(combo(), data, tmp_path / 'checkpoint')
    assert data.epochs == (0, 1, 2, 2, 3)


def test_other_weights_are_noticed(tmp_path):
    """The comparison above can tell two trainings apart."""
    first = trained(combo(), tmp_path / 'first')
    second = trained(combo(lr=1.001e-3), tmp_path / 'second')
    assert all(first[name] != second[name] for name in first)


def test_a_full_disk_keeps_the_earlier_checkpoint_and_the_training_goes_on_from_it(
    tmp_path, never_stopped
):
    folder = tmp_path / 'checkpoint'
    with pytest.raises(KeyboardInterrupt):
        train(combo(), pictures_with(2), folder)
    before = {p.name: p.read_bytes() for p in folder.iterdir()}
    for limit in (1000, len(before['vae.safetensors']) + 100):  # weights fit, Adam's means do not
        with full_disk(limit), pytest.raises(CourseError, match='The disk is full') as e:
            train(combo(), pictures_with(), folder)
        assert '\n' not in str(e.value)
        assert {p.name: p.read_bytes() for p in folder.iterdir()} == before
        assert {p.name for p in tmp_path.iterdir()} == {'checkpoint'}
    assert trained(combo(), folder) == never_stopped['combo']


# Killed processes. The program runs an experiment of real digits from training to results, and dies
# or waits at a given place; what is left is finished by another process, this one or a third.

PROGRAM = """
import os, re, signal, sys, time
from d2lvae.runs import results
from mxnet.gluon import nn
from d2lvae.data import ImageData
import tiny

kind, place, *where = sys.argv[1:]
shuffled_batches = ImageData.shuffled_batches
counts = {'epochs': 0, 'place': 0}

def waits(self, batch_size, rng):
    counts['epochs'] += 1
    for step, X in enumerate(shuffled_batches(self, batch_size, rng)):
        if (counts['epochs'] - 1, step) == (int(where[0]), 3):
            print('here', flush=True)
            time.sleep(600)
        yield X

def dies(event, arguments):
    name, pattern, count = where
    if event == name and any(re.search(pattern, str(a)) for a in arguments):
        counts['place'] += 1
        if counts['place'] == int(count):
            os.kill(os.getpid(), signal.SIGKILL)

if place == 'wait':
    ImageData.shuffled_batches = waits
if place == 'die':
    sys.addaudithook(dies)
    for _ in range(8):  # so that Gluon's names of its layers, 8 to 13, sort in another order
        nn.Dense(1)
results.run(getattr(tiny, kind)())
"""


def everything(experiment):
    """What a run leaves, as bytes or text: nothing in it may depend on a kill."""
    checkpoint = experiment.work / 'seed_0' / 'checkpoint'
    found = {p.name: p.read_bytes() for p in checkpoint.glob('*.safetensors')}
    found['metrics.json'] = (experiment.work / 'seed_0' / 'metrics.json').read_text()
    statistics = experiment.published / 'training_statistics.csv'
    found['training_statistics.csv'] = statistics.read_bytes()
    return found


@pytest.fixture(scope='module')
def undisturbed(tmp_path_factory):
    """What either kind of run leaves if nothing happens to it."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(paths, 'RUNS', tmp_path_factory.mktemp('undisturbed'))
        for make in KINDS.values():
            results.run(make())
        return {kind: everything(make()) for kind, make in KINDS.items()}


def test_an_undisturbed_run_leaves_weights_numbers_and_statistics(undisturbed):
    names = {'vae.safetensors', 'metrics.json', 'training_statistics.csv'}
    assert set(undisturbed['solo']) == names
    assert set(undisturbed['combo']) == names | {'disc.safetensors'}


@pytest.mark.parametrize('kind, epoch', [('solo', 1), ('combo', 1), ('combo', 3)])
def test_a_run_that_was_killed_in_an_epoch_ends_with_the_same_bytes(
    runs, undisturbed, epochs, kind, epoch
):
    experiment = KINDS[kind]()
    with waiting_python('-c', PROGRAM, kind, 'wait', str(epoch), runs=runs) as process:
        with pytest.raises(CourseError, match=f'{experiment.folder}, seed 0, is being run') as e:
            results.run(experiment)
        assert '\n' not in str(e.value)
    assert process.returncode == -signal.SIGKILL
    results.run(experiment)
    assert epochs == list(range(epoch, 4))
    assert everything(experiment) == undisturbed[kind]


@pytest.mark.parametrize(
    'where, epoch',
    [
        # The third checkpoint is half written; each file is opened once more to be synchronised.
        (('open', 'checkpoint.new.*vae.states', '5'), 2),
        (('open', 'checkpoint.new.*epochs.csv', '5'), 2),
        (('os.rename', 'checkpoint.earlier$', '2'), 2),  # written, before its two renames
        (('os.rename', '/checkpoint$', '5'), 2),  # between them
        (('shutil.rmtree', 'checkpoint.earlier$', '4'), 4),  # after those of the last epoch
        (('open', 'metrics.json', '1'), 4),
    ],
)
def test_a_run_that_was_killed_while_it_wrote_ends_with_the_same_bytes(
    runs, undisturbed, epochs, where, epoch
):
    process = python('-c', PROGRAM, 'combo', 'die', *where, runs=runs)
    _, stderr = process.communicate(timeout=600)
    assert process.returncode == -signal.SIGKILL, stderr
    results.run(combo())
    assert epochs == list(range(epoch, 4))
    assert everything(combo()) == undisturbed['combo']
    left = {p.name for p in (combo().work / 'seed_0').iterdir()}
    assert left == {'checkpoint', 'circumstances.json', 'metrics.json', '.lock'}


def test_a_third_process_finishes_what_the_first_left(runs, undisturbed):
    for arguments, code in ((('die', 'open', 'disc.states', '4'), -signal.SIGKILL), (('go',), 0)):
        process = python('-c', PROGRAM, 'combo', *arguments, runs=runs)
        _, stderr = process.communicate(timeout=600)
        assert process.returncode == code, stderr
    assert everything(combo()) == undisturbed['combo']


def test_looking_at_a_seed_does_not_disturb_the_process_that_writes_it(runs):
    experiment = solo()
    folder = experiment.work / 'seed_0' / 'checkpoint'
    experiment.train(0, image_data(160))
    trainer = experiment.trainer(0)
    vae, disc = experiment.networks((1, 6, 5), seed=0)
    trainer.prepare(vae, image_data(160), disc)
    rows = Checkpoint(folder).restore(trainer)
    save_states = trainer.vae_optim.save_states

    def looked_at_meanwhile(path):
        assert experiment.statistics(0) and Path(path).parent != folder
        save_states(path)

    trainer.vae_optim.save_states = looked_at_meanwhile
    Checkpoint(folder).save(trainer, rows)
    assert os.listdir(folder.parent).count('checkpoint') == 1
    kept = {'vae.safetensors', 'vae.states', 'epochs.csv'}
    assert {p.name for p in folder.iterdir()} == kept


# What a power failure leaves of files that were being written: nothing, or a half


def empty(path):
    path.write_bytes(b'')


def half(path):
    content = path.read_bytes()
    path.write_bytes(content[: len(content) // 2])


WORK, PUBLISHED = 'work/*_on_MNIST/*', 'results/*_on_MNIST/*'
DAMAGED = {
    f'{WORK}/seed_0/checkpoint/epochs.csv': 'made again',
    f'{WORK}/seed_0/checkpoint/vae.states': 'start the same command again',
    f'{WORK}/seed_0/checkpoint/disc.states': 'start the same command again',
    f'{WORK}/seed_0/checkpoint/vae.safetensors': 'start the same command again',
    f'{WORK}/seed_0/metrics.json': '',
    f'{WORK}/seed_0/circumstances.json': '',
    f'{PUBLISHED}/summary.json': 'made again',
    f'{PUBLISHED}/training_statistics.csv': 'made again',
    f'{PUBLISHED}/timing.csv': 'made again',
    f'{PUBLISHED}/parameters.yaml': 'made again',
}


@pytest.fixture(scope='module')
def finished(tmp_path_factory):
    """A folder of runs with one that is finished."""
    folder = tmp_path_factory.mktemp('finished')
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(paths, 'RUNS', folder)
        results.run(combo())
    return folder


@pytest.mark.parametrize('damage', [empty, half])
@pytest.mark.parametrize('name', DAMAGED)
def test_what_a_power_failure_has_damaged_is_made_again_with_the_same_bytes(
    tmp_path, monkeypatch, finished, undisturbed, name, damage, capsys
):
    monkeypatch.setattr(paths, 'RUNS', tmp_path / 'runs')
    shutil.copytree(finished, tmp_path / 'runs')
    [path] = (tmp_path / 'runs').glob(name)
    damage(path)
    told = ''
    try:
        results.run(combo())
    except CourseError as e:
        told = str(e)
        results.run(combo())
    assert everything(combo()) == undisturbed['combo'] and '\n' not in told
    assert DAMAGED[name] in told + capsys.readouterr().err


def test_a_run_that_broke_down_is_never_done_and_no_file_holds_nan(runs):
    hot = solo(lr=1.0, num_epochs=1)
    for _ in range(2):
        with pytest.raises(CourseError, match='broke down') as e:
            results.run(hot)
        assert '\n' not in str(e.value)
    assert not hot.published.exists()
    found = [p for p in runs.rglob('*') if p.suffix in ('.json', '.csv')]
    assert [p for p in found if re.search(r'\b(nan|inf)', p.read_text(), re.I)] == []
