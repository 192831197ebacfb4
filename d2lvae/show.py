"""What chapters show beside figures: the helper's own source, and tables of results."""

import inspect
import io
import textwrap

import pandas as pd
import PIL.Image
import yaml
from IPython.display import Image, Markdown

from d2lvae.base import paths
from d2lvae.base.errors import CourseError
from d2lvae.metrics import mean_ci95
from d2lvae.runs import catalogue, results


def source(thing):
    """The source of a function, method or class of the helper, highlighted: what is read runs."""
    return Markdown(f'```python\n{textwrap.dedent(inspect.getsource(thing))}```')


def metrics_table(summaries, metrics):
    """A table of chosen metrics, a row for each named summary; the mean over its seeds."""
    return pd.DataFrame(
        {
            label: {name: s['metrics'][name]['mean'] for name in metrics if name in s['metrics']}
            for label, s in summaries.items()
        }
    ).T.reindex(columns=list(metrics))


def stored(folders):
    """Summaries of finished reference runs, whose folders are given by name; by the same names.

    Raises CourseError if one is absent.
    """
    found = {name: catalogue.summary(folder) for name, folder in folders.items()}
    for name, summary in found.items():
        if summary is None:
            run = folders[name].partition('/')[2]
            raise CourseError(
                f'results/ holds no run {run}: `python -m d2lvae run {run} --scale '
                'reference` makes it.'
            )
    return found


def finished(folders):
    """Those of some named folders that hold a finished reference run; says which do not."""
    there = {name: folder for name, folder in folders.items() if catalogue.summary(folder)}
    print('to run:', ', '.join(name for name in folders if name not in there) or 'nothing')
    return there


def statistics(folder):
    """Every loss term of a finished run by epoch, from 0; means over its seeds.

    `folder` is one of `results/`, or a path.
    """
    rows = pd.read_csv(paths.RESULTS / folder / 'training_statistics.csv')
    return rows.groupby('epoch').mean(numeric_only=True)


def training_loss(folder):
    """KL + PBP of a finished reference run by epoch, from 0; the mean over its seeds."""
    means = statistics(folder)
    return means['kl'] + means['pbp']


def picture(folder, name):
    """A stored picture of a finished reference run, as JPEG: a fourth of the bytes in a chapter."""
    jpeg = io.BytesIO()
    PIL.Image.open(paths.RESULTS / folder / name).convert('RGB').save(jpeg, 'JPEG', quality=95)
    return Image(jpeg.getvalue())


def parameters(folder):
    """The parameters of a finished reference run, by name."""
    return yaml.safe_load((paths.RESULTS / folder / 'parameters.yaml').read_text())


def compared(runs):
    """A table of named summaries of faces: what is held against what in the plane, and minutes."""
    shown = 'psnr ssim sharpness_ratio spectrum_distance checkerboard_ratio swd_samples'
    table = metrics_table(runs, shown.split())
    table.columns = ['PSNR', 'SSIM', 'sharpness', 'spectrum', 'checkerboard', 'SWD samples']
    minutes = [run['seconds_total'] / len(run['seeds']) / 60 for run in runs.values()]
    return table.assign(minutes=minutes).round(3).round({'PSNR': 2, 'minutes': 0})


def last_epoch_by_seed(folder):
    """Every loss term of a finished run in its last epoch, a row for each seed, and the push.

    `push` is the length of the weighted adversarial gradient over that of the weighted PBP loss.
    """
    rows = pd.read_csv(paths.RESULTS / folder / 'training_statistics.csv')
    rows = rows[rows['epoch'] == rows['epoch'].max()]
    adversarial, pbp = (
        rows[f'{loss}_weight'] * rows[f'grad_norm_{norm}']
        for loss, norm in (('disc', 'adversarial'), ('pbp', 'pbp'))
    )
    return rows.assign(push=adversarial / pbp)


def last_epoch(folders):
    """The discriminators of finished runs in their last epochs, by the runs' names; means."""
    columns = ['disc_accuracy', 'adversarial', 'push']
    rows = {name: last_epoch_by_seed(folder)[columns].mean() for name, folder in folders.items()}
    return pd.DataFrame(rows).T.dropna(subset='disc_accuracy').round(2)


def against_weight(folders, terms):
    """What `plots.against` draws of loss terms, column to title, against the disc weight.

    All in the last epoch of finished runs, `folders` by the runs' names; metrics as in
    `summary.json`.
    """
    rows = {name: last_epoch_by_seed(folder) for name, folder in folders.items()}
    return {
        title: {
            name: (seeds['disc_weight'].mean(), mean_ci95(seeds[term]))
            for name, seeds in rows.items()
        }
        for term, title in terms.items()
    }


def seconds(folder, seed=None):
    """Of a finished run: of one seed in all, and of a solo and of a combo epoch, the medians.

    Without a `seed`, those of all together.
    """
    rows = pd.read_csv(paths.RESULTS / folder / 'timing.csv')
    if seed is not None:
        rows = rows[rows['seed'] == seed]
    per_epoch = rows.groupby('phase')['seconds'].median()
    total = rows['seconds'].sum() / rows['seed'].nunique()
    return pd.Series({'seconds': total, **per_epoch}, index=['seconds', 'solo', 'combo'])


def claims(texts, found):
    """A table of claims: text to (name of a run, name of another, metric that is greater in it).

    `found` has the runs' summaries by name, None for those that are still to come.
    """
    rows = {}
    for text, (greater, smaller, metric) in texts.items():
        runs = found[greater], found[smaller]
        seeds = ' and '.join(str(len(run['seeds']) if run else 0) for run in runs)
        rows[text] = {'told': results.verdict(*runs, metric), 'seeds': seeds}
    return pd.DataFrame(rows).T
