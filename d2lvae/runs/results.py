"""The results folder: scoring finished seeds, and writing them down as one folder."""

import json
import os
import platform
import shutil
from importlib.metadata import version
from pathlib import Path

import mxnet as mx
import pandas as pd
import yaml
from safetensors.numpy import load_file

import d2lvae
from d2lvae import metrics, plots
from d2lvae.base import files
from d2lvae.data import to_float
from d2lvae.base.errors import CourseError
from d2lvae.frozen.faces import load_face_features
from d2lvae.frozen.digits import load_digit_classifier
from d2lvae.layers import num_parameters
from d2lvae.base.machine import circumstances
from d2lvae.runs.scores import finished_seeds, score

STATISTICS = [
    'seed',
    'epoch',
    'phase',
    'kl',
    'pbp',
    'adversarial',
    'dis_l',
    'disc_real',
    'disc_fake',
    'disc_accuracy',
    'grad_norm_pbp',
    'grad_norm_adversarial',
    'pbp_weight',
    'disc_weight',
    'lr',
]
TIMING = ['seed', 'epoch', 'phase', 'seconds']


def run(experiment, seeds=(0,), control=None, study_row=None):
    """Train, score and write down an experiment; what is finished is not done again.

    `control` is the experiment of the plain VAE whose reconstructions, with white noise added,
    are the noise control; it is trained first. Returns the summary.
    """
    data = experiment.data()
    for seed in seeds:
        if control:
            control.train(seed, data)
        experiment.train(seed, data)
        score(experiment, seed, data, control)
    return publish(experiment, data, control, study_row)














def publish(experiment, data, control=None, study_row=None):
    """Write all finished seeds as one results folder, whole; its summary.

    Seeds of the same parameters that an earlier result holds and this machine does not are kept.
    """
    seeds = finished_seeds(experiment)
    statistics = pd.concat([pd.DataFrame(experiment.trained(s)).assign(seed=s) for s in seeds])
    folder = experiment.published
    parameters = yaml.safe_dump(experiment.parameters(), sort_keys=False)
    here = min(seeds)
    vae, disc = experiment.load(here, data.shape)
    with files.locked(experiment.work, f'The result of {experiment.folder}'):
        seeds, statistics, earlier = with_earlier(folder, experiment, seeds, statistics)
        summary = {
            'run': experiment.folder,
            'study_row': study_row,
            'scale': experiment.scale,
            'seeds': list(seeds),
            'control': control and control.folder,
            'data': {
                'name': data.name,
                'fingerprint': data.fingerprint,
                'train': len(data.train_images),
                'held_out': len(data.held_out_images),
            },
            **circumstances(),
            'seconds_total': float(statistics['seconds'].sum()),
            **seconds_per_epoch(statistics, earlier),
            'parameters_vae': num_parameters(vae),
            'parameters_disc': num_parameters(disc) if disc else None,
            'metrics': {
                name: metrics.mean_ci95([values[name] for values in seeds.values()])
                for name in next(iter(seeds.values()))
                if all(name in values for values in seeds.values())
            },
        }
        with files.replaced_folder(folder) as new:
            files.write_whole(new / 'parameters.yaml', parameters.encode())
            files.write_whole(new / 'summary.json', json.dumps(summary, indent=1).encode())
            for name, columns in (('training_statistics', STATISTICS), ('timing', TIMING)):
                statistics.reindex(columns=columns).to_csv(new / f'{name}.csv', index=False)
            draw(new, vae, data, statistics)
            if min(seeds) < here:  # its networks are on another machine
                for name in ('reconstructions.png', 'samples.png'):
                    shutil.copy(folder / name, new / name)
    return summary


def with_earlier(folder, experiment, seeds, statistics):
    """Add the seeds that an earlier result of the same parameters holds and this machine lacks.

    Returns the seeds, the statistics and the earlier summary, {} if there is none.
    """
    files.recover(folder)
    stored = folder / 'parameters.yaml'
    if not stored.is_file() or not experiment.is_stored_in(stored):
        return seeds, statistics, {}
    summary = load_summary(folder)
    read = {
        name: pd.read_csv(folder / f'{name}.csv', float_precision='round_trip')
        for name in ('training_statistics', 'timing')
    }
    earlier = read['training_statistics'].merge(read['timing'])
    for i, seed in enumerate(summary['seeds']):
        if seed not in seeds:
            seeds = {
                **seeds,
                seed: {name: m['values'][i] for name, m in summary['metrics'].items()},
            }
            statistics = pd.concat([statistics, earlier[earlier['seed'] == seed]])
    return dict(sorted(seeds.items())), statistics.sort_values(['seed', 'epoch']), summary


def seconds_per_epoch(statistics, earlier):
    """Medians of the epochs in which this machine did nothing else, or those known before."""
    found = {}
    for phase in ('solo', 'combo'):
        name = f'seconds_per_{phase}_epoch'
        rows = statistics.reindex(columns=['phase', 'alone', 'seconds'])
        alone = rows[(rows['phase'] == phase) & rows['alone'].eq(True)]['seconds']
        if len(alone):
            found[name] = float(alone.median())
        elif name in earlier:
            found[name] = earlier[name]
    return found


def draw(folder, vae, data, statistics):
    """The three pictures of a results folder, from its first seed's networks."""
    X = to_float(data.held_out_images[:10])
    X_hat = metrics.reconstructions(vae, X)[3]
    plots.pictures([X, X_hat], path=folder / 'reconstructions.png')
    samples = metrics.prior_samples(vae, 30)
    plots.pictures(samples.reshape(3, 10, *samples.shape[1:]), path=folder / 'samples.png')
    plots.curves(statistics, path=folder / 'curves.png')






def verdict(greater, smaller, metric):
    """Whether a metric is greater in one summary than in another; either may be None.

    'holds', 'does not hold', or 'cannot be told yet', by the 95 % interval of the mean difference
    over the seeds that both have, of which there must be three.
    """
    if not (greater and smaller):
        return 'cannot be told yet'
    by_seed = [dict(zip(s['seeds'], s['metrics'][metric]['values'])) for s in (greater, smaller)]
    seeds = by_seed[0].keys() & by_seed[1].keys()
    if len(seeds) < 3:
        return 'cannot be told yet'
    difference = metrics.mean_ci95([by_seed[0][seed] - by_seed[1][seed] for seed in sorted(seeds)])
    if abs(difference['mean']) <= difference['ci95']:
        return 'cannot be told yet'
    return 'holds' if difference['mean'] > 0 else 'does not hold'


def load_summary(folder):
    """`summary.json` of a results folder; CourseError if there is none."""
    try:
        return json.loads((Path(folder) / 'summary.json').read_text())
    except (OSError, ValueError) as e:
        raise CourseError(f'{folder} holds no result: run the experiment first.') from e






