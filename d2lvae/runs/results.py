"""The results folder: training and scoring seeds, and writing them down as one folder."""

import json
import shutil
from pathlib import Path

import pandas as pd
import yaml

from d2lvae import metrics, plots
from d2lvae.base import files
from d2lvae.base.errors import CourseError
from d2lvae.data import to_float
from d2lvae.layers import num_parameters
from d2lvae.runs import identity
from d2lvae.runs.animation import ANIMATION, animate
from d2lvae.runs.scores import SCORES, finished_seeds, name_of, score

STATISTICS = (
    'seed epoch phase kl pbp adversarial dis_l disc_real disc_fake disc_accuracy grad_norm_pbp '
    'grad_norm_adversarial pbp_weight disc_weight lr'
).split()
FROZEN = ['frozen', 'grad_norm_frozen']  # the last columns of runs with a frozen net, and no others
TIMING = ['seed', 'epoch', 'phase', 'seconds']
CIRCUMSTANCES = ('versions', 'machine', 'threads')


def run(experiment, seeds=(0,), control=None, study_row=None):
    """Train, score and write down an experiment; what is finished is not done again.

    `control` is the experiment of the plain VAE whose reconstructions, with white noise added,
    are the noise control; it is trained first. Returns the summary.
    """
    data = experiment.data()
    for seed in seeds:
        if control is not None:
            control.train(seed, data)
        experiment.train(seed, data)
        score(experiment, seed, data, control)
    return publish(experiment, data, control, study_row)


def publish(experiment, data, control=None, study_row=None):
    """Write all finished seeds as one results folder, whole; its summary.

    Seeds of the same run that an earlier result holds and this machine does not are kept. What is
    unchanged is left alone, to the last byte.
    """
    identity.keep(experiment, data)
    folder = experiment.published
    with files.locked(experiment.work, f'The result of {experiment.folder}'):
        files.recover(folder)
        earlier = earlier_result(folder, experiment, data)
        seeds = {
            s: local_seed(experiment, s, m) for s, m in finished_seeds(experiment, control).items()
        }
        local = min(seeds)
        if earlier:
            check_mixture(folder, earlier, seeds, control)
            seeds = earlier_seeds(folder, earlier, without=seeds) | seeds
        seeds = dict(sorted(seeds.items()))
        statistics = pd.concat([seed['statistics'] for seed in seeds.values()])
        vae, disc = experiment.load(local, data.shape)
        summary = {
            'run': experiment.folder,
            'study_row': study_row,
            'scale': experiment.scale,
            'framework': 'mxnet',
            'seeds': list(seeds),
            'control': name_of(control),
            'data': identity.data_facts(data),
            **{name: [seed[name] for seed in seeds.values()] for name in CIRCUMSTANCES},
            'scores': SCORES,
            'seconds_total': float(statistics['seconds'].sum()),
            **seconds_per_epoch(statistics, earlier),
            'parameters_vae': num_parameters(vae),
            'parameters_disc': None if disc is None else num_parameters(disc),
            'metrics': by_metric([seed['metrics'] for seed in seeds.values()]),
        }
        frames = experiment.frames(min(seeds)) if experiment.animated else []
        if summary != earlier or frames and not (folder / ANIMATION).exists():
            write(experiment, folder, summary, statistics, vae, data, local, frames)
    return summary


def local_seed(experiment, seed, values):
    """What is written down of a seed that was trained here."""
    try:
        found = json.loads((experiment.seed_folder(seed) / 'circumstances.json').read_text())
    except (OSError, ValueError):  # what an accident has damaged is unknown
        found = dict.fromkeys(CIRCUMSTANCES)
    rows = pd.DataFrame(experiment.statistics(seed)).assign(seed=seed)
    return {'statistics': rows, 'metrics': values, **found}


def earlier_result(folder, experiment, data):
    """The summary in a results folder, {} if there is none; CourseError if it is of another run."""
    if folder.is_dir() and not is_whole(folder):
        files.set_aside(folder)
    if not folder.is_dir():
        return {}
    remedy = 'move that folder away, or give the run another name.'
    if not experiment.is_stored_in(folder / 'parameters.yaml'):
        raise CourseError(f'{folder} holds the result of other parameters: {remedy}')
    summary = load_summary(folder)
    identity.check_pictures(folder, summary['data'], data, remedy)
    if identity.own_files(folder) != experiment.own():
        raise CourseError(f'{folder} holds the result of other code of yours: {remedy}')
    return summary


def is_whole(folder):
    """Whether no accident has damaged an earlier result."""
    try:
        summary = load_summary(folder)
        earlier = earlier_seeds(folder, summary, without=())
        num_epochs = yaml.safe_load((folder / 'parameters.yaml').read_text())['num_epochs']
    except (CourseError, OSError, ValueError, KeyError, IndexError, TypeError, yaml.YAMLError):
        return False
    return all(len(seed['statistics']) == num_epochs for seed in earlier.values())


def check_mixture(folder, earlier, seeds, control):
    """CourseError if an earlier result has seeds that are not here and were scored otherwise."""
    absent = sorted(set(earlier['seeds']) - set(seeds))
    if absent and (earlier['scores'], earlier['control']) != (SCORES, name_of(control)):
        raise CourseError(
            f'{folder} holds seeds that were scored by other code or beside another control, and '
            'are not on this machine: run them here too, with --seeds '
            f'{" ".join(map(str, sorted({*absent, *seeds})))}.'
        )


def earlier_seeds(folder, summary, without):
    """What an earlier result has written down of its seeds, by seed, but for those in `without`."""
    read = [
        pd.read_csv(folder / f'{name}.csv', float_precision='round_trip')
        for name in ('training_statistics', 'timing')
    ]
    statistics = read[0].merge(read[1])
    return {
        seed: {
            'statistics': statistics[statistics['seed'] == seed],
            'metrics': {name: m['values'][i] for name, m in summary['metrics'].items()},
            **{name: summary[name][i] for name in CIRCUMSTANCES},
        }
        for i, seed in enumerate(summary['seeds'])
        if seed not in without
    }


def by_metric(seeds):
    """Mean, interval and values of the metrics that all seeds have."""
    names = [name for name in seeds[0] if all(name in values for values in seeds)]
    return {name: metrics.mean_ci95([values[name] for values in seeds]) for name in names}


def write(experiment, folder, summary, statistics, vae, data, local, frames):
    """Replace a results folder as a whole; the pictures are those of its first seed."""
    X = to_float(data.held_out_images[:10])
    with files.replaced_folder(folder) as new:
        write_text(new, experiment, summary, statistics)
        for name, source in experiment.own().items():
            files.write_whole(new / name, source.encode())
        draw(new, X, metrics.reconstruct(vae, X), metrics.prior_samples(vae, 30), statistics)
        if summary['seeds'][0] < local:  # its networks are on another machine
            for name in ('reconstructions.png', 'samples.png'):
                shutil.copy(folder / name, new / name)
        if frames:
            phases = enumerate(statistics['phase'][: len(frames)], 1)
            labels = [f'epoch {epoch}\n{phase}' for epoch, phase in phases]
            animate(data.held_out_images, frames, labels, new / ANIMATION)
        elif (folder / ANIMATION).exists():
            shutil.copy(folder / ANIMATION, new / ANIMATION)


def write_text(folder, experiment, summary, statistics):
    """The parameters, the summary and the two tables of a results folder."""
    parameters = yaml.safe_dump(experiment.parameters(), sort_keys=False)
    files.write_whole(folder / 'parameters.yaml', parameters.encode())
    content = json.dumps(summary, indent=1, allow_nan=False)
    files.write_whole(folder / 'summary.json', content.encode())
    own = [name for name in FROZEN if name in statistics]
    for name, columns in (('training_statistics', STATISTICS + own), ('timing', TIMING)):
        statistics.reindex(columns=columns).to_csv(folder / f'{name}.csv', index=False)


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


def draw(folder, X, X_hat, samples, statistics):
    """The three pictures of a results folder."""
    plots.pictures([X, X_hat], path=folder / 'reconstructions.png')
    tens = [samples[i : i + 10] for i in range(0, min(len(samples), 30), 10)]
    plots.pictures(tens, path=folder / 'samples.png')
    plots.curves(statistics, path=folder / 'curves.png')


def load_summary(folder):
    """`summary.json` of a results folder; CourseError if there is none."""
    try:
        return json.loads((Path(folder) / 'summary.json').read_text())
    except (OSError, ValueError) as e:
        raise CourseError(f'{folder} holds no result: run the experiment first.') from e
