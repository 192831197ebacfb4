"""The port to PyTorch: what it is given to start with, and the scores of what it brings back.

Its runs lie in folders of their own: `run.json`, and for each seed `circumstances.json`,
`epochs.csv` and `pictures.npz`. The folder's name is the run's.
"""

import io
import json
from pathlib import Path

import numpy as onp
import pandas as pd
import yaml

from d2lvae import metrics
from d2lvae.base import files
from d2lvae.base.errors import CourseError
from d2lvae.data import to_float
from d2lvae.layers import num_parameters
from d2lvae.runs import catalogue, held_out, identity, results
from d2lvae.runs.experiment import NOT_PARAMETERS, Experiment
from d2lvae.runs.scores import SCORES, frozen_features
from d2lvae.schedules import disc_weight_at, lr_at, pbp_weight_at, phase

SWITCHES = {  # of the port: its name of each, and what it adds to a sentence
    'scrambled': "the networks saw the study's scrambled faces",
    'nonnegative': "the encoder ended in the study's batch norm and ReLU",
}
SIZES = ('epochs', 'faces', 'held_out', 'resnet_base')  # what `resized` can change


# What it is given


def read(path):
    """The experiment of a `parameters.yaml`; CourseError if it is none."""
    try:
        return Experiment(**yaml.safe_load(Path(path).read_text()))
    except (OSError, TypeError, UnicodeDecodeError, yaml.YAMLError) as e:
        raise CourseError(f'{path} is no parameters.yaml of a run ({e}).') from e


def resized(experiment, epochs=None, faces=None, held_out=None, resnet_base=None):
    """The experiment at another size; what is counted in epochs keeps its share of them."""
    changes = {'num_train': faces, 'num_held_out': held_out, 'disc_channels': resnet_base}
    if resnet_base and experiment.discriminator != 'ResNet':
        raise CourseError(f'There is no ResNet in {experiment.folder}: leave --resnet-base out.')
    if epochs:
        share = epochs / experiment.num_epochs
        changes |= {
            'num_epochs': epochs,
            'solo_epochs': round(share * experiment.solo_epochs),
            'disc_warmup_epochs': round(share * experiment.disc_warmup_epochs),
            'disc_ramp_epochs': share * experiment.disc_ramp_epochs,
            'pbp_decay_every': share * experiment.pbp_decay_every,
        }
    return experiment.changed(**{name: v for name, v in changes.items() if v is not None})


def export(experiment, seeds, path):
    """Write all that a run of the port starts with into one file of arrays (NumPy's npz).

    The pictures; the first weights of each seed, in the networks' order; weights of losses and
    learning rate for every step; and `facts`, JSON as bytes. CourseError if the port lacks a loss.
    """
    if experiment.frozen_weight:
        raise CourseError('The port has no frozen_weight: train this run with the course itself.')
    data = experiment.data()
    arrays = {'train': data.train_images, 'held_out': data.held_out_images}
    for seed in seeds:
        nets = experiment.networks(data.shape, seed)
        for name, net in zip(('vae', 'disc'), nets):
            parameters = {} if net is None else net._collect_params_with_prefix()
            for key, parameter in parameters.items():
                arrays[f'seed_{seed}/{name}/{key}'] = parameter.data().asnumpy()
    trainer = experiment.trainer(seeds[0])
    trainer.prepare(nets[0], data, nets[1])
    p, num_steps = trainer.p, trainer.num_steps
    schedules = {'lr': lr_at, 'pbp_weight': pbp_weight_at, 'disc_weight': disc_weight_at}
    for name, value_at in schedules.items():
        steps = range(p.num_epochs * num_steps)
        arrays[name] = onp.array([value_at(p, step, num_steps) for step in steps])
    facts = {
        'parameters': experiment.model_dump(exclude=set(NOT_PARAMETERS)),
        'data': identity.data_facts(data),
        'phases': [phase(p, epoch) for epoch in range(p.num_epochs)],
        'steps': [steps_of(p, epoch, nets[1]) for epoch in range(p.num_epochs)],
        'parameters_vae': num_parameters(nets[0]),
        'parameters_disc': None if nets[1] is None else num_parameters(nets[1]),
    }
    arrays['facts'] = onp.frombuffer(json.dumps(facts).encode(), 'uint8')
    onp.savez(content := io.BytesIO(), **arrays)
    files.write_whole(path, content.getbuffer())


def steps_of(p, epoch, disc):
    """What an epoch's steps train: the VAE alone, a discriminator beside it, or both."""
    if disc is None:
        return 'solo'
    if phase(p, epoch) == 'combo':
        return 'combo'
    return 'warmup' if epoch >= p.common_epochs else 'solo'


# What it brings back


def score(folder, control=None, scale='study'):
    """Score all finished seeds of a run of the port, and publish them; the experiment, the summary.

    `control` is the folder of the port's plain run, on whose reconstructions the noise control is
    made. Only the scale 'study' goes to `results/`.

    Raises
    ------
    CourseError
        If the folder holds no finished seed, or is about other pictures than those that are there;
        if a result of another framework or of other parameters lies where this one belongs.
    """
    folder, run = Path(folder).resolve(), load(folder)
    at = {'run': folder.name, 'scale': 'reference' if scale == 'study' else scale}
    experiment = Experiment(**run['parameters'], **at)
    data = experiment.data()
    remedy = 'train it again.'
    identity.check_pictures(folder, run['data'], data, remedy)
    if control is not None:
        identity.check_pictures(control, load(control)['data'], data, remedy)
    seeds = {seed: score_seed(folder, seed, experiment, data, control) for seed in finished(folder)}
    if not seeds:
        raise CourseError(f'{folder} holds no finished seed: start its training again to go on.')
    statistics = pd.concat([seed['statistics'] for seed in seeds.values()])
    known = [name for name in next(iter(seeds.values())) if name not in ('statistics', 'metrics')]
    summary = {
        'run': experiment.folder,
        'study_row': study_row(experiment),
        'scale': scale,
        'framework': 'pytorch',
        'switches': {name: told for name, told in SWITCHES.items() if run[name]},
        'seeds': list(seeds),
        'control': None if control is None else Path(control).resolve().name,
        'data': run['data'],
        **{name: [seed[name] for seed in seeds.values()] for name in known},
        'scores': SCORES,
        'seconds_total': float(statistics['seconds'].sum()),
        'parameters_vae': run['parameters_vae'],
        'parameters_disc': run['parameters_disc'],
        'metrics': results.by_metric([seed['metrics'] for seed in seeds.values()]),
    }
    check_free(experiment, summary)
    write(experiment, summary, statistics, folder, data)
    return experiment, summary


def study_row(experiment):
    """The row of the study that was really run, at its size and with its name; None if none was."""
    return experiment.folder if experiment.folder in set(catalogue.study()['folder']) else None


def load(folder):
    """`run.json` of a folder; CourseError if the port did not make it."""
    try:
        return json.loads((Path(folder) / 'run.json').read_text())
    except (OSError, ValueError) as e:
        raise CourseError(
            f'{folder} holds no run of the port: give the folder that was its --out.'
        ) from e


def finished(folder):
    """Its seeds that have left pictures, in order."""
    return sorted(
        int(path.parent.name.removeprefix('seed_')) for path in folder.glob('seed_*/pictures.npz')
    )


def score_seed(folder, seed, experiment, data, control):
    """Statistics, metrics and circumstances of one seed."""
    path, X = folder / f'seed_{seed}', to_float(data.held_out_images)
    statistics = pd.read_csv(path / 'epochs.csv', float_precision='round_trip').assign(seed=seed)
    last = statistics.iloc[-1]
    found, samples = pictures(folder, seed)
    control_X_hat = None if control is None else pictures(Path(control), seed)[0].X_hat
    values = held_out.picture_metrics(
        X,
        found,
        samples,
        data.held_out_labels,
        control_X_hat,
        frozen_features(experiment, data.shape),
        reference=to_float(data.train_images[: len(X)]),
    )
    return {
        'statistics': statistics,
        'metrics': {'train_loss': float(last['kl'] + last['pbp']), **values},
        **json.loads((path / 'circumstances.json').read_text()),
    }


def pictures(folder, seed):
    """The `metrics.Reconstructions` and the samples that a seed has left."""
    try:
        with onp.load(folder / f'seed_{seed}' / 'pictures.npz') as stored:
            found = dict(stored)
    except OSError as e:
        raise CourseError(f'{folder} has no finished seed {seed}: train that one too.') from e
    broken = [name for name, array in found.items() if not onp.isfinite(array).all()]
    if broken:
        raise CourseError(
            f'{folder}, seed {seed}, broke down: {", ".join(broken)} are not finite. Lower lr or '
            'the weights.'
        )
    means = (float(found[name].mean(dtype='float64')) for name in ('kl', 'pbp'))
    sets = found['X_hat'], found['X_sampled']
    return metrics.Reconstructions(found['mu'], *means, *sets), found['samples']


def check_free(experiment, summary):
    """CourseError if another run lies where this one is to be published."""
    files.recover(experiment.published)
    if experiment.published.exists():
        there = results.load_summary(experiment.published)
        same = [there.get(name) == summary[name] for name in ('framework', 'switches', 'data')]
        same.append(experiment.is_stored_in(experiment.published / 'parameters.yaml'))
        if absent := set(there['seeds']) - set(summary['seeds']):
            raise CourseError(
                f'{experiment.published} holds seeds that are not in this folder '
                f'({", ".join(map(str, sorted(absent)))}): bring them here, or move that one away.'
            )
        if not all(same):
            raise CourseError(
                f'{experiment.published} holds the result of another run: give the folder of this '
                'one another name.'
            )


def write(experiment, summary, statistics, folder, data):
    """Replace the results folder as a whole; its pictures are those of the first seed."""
    found, samples = pictures(folder, summary['seeds'][0])
    X = to_float(data.held_out_images[:10])
    with files.replaced_folder(experiment.published) as new:
        results.write_text(new, experiment, summary, statistics)
        results.draw(new, X, found.X_hat[:10], samples, statistics)
