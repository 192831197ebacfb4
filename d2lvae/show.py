"""What chapters show beside `plots`: the helper's own source, tables in words, stored pictures."""

import inspect
import operator
import os
import re
import textwrap

import ipywidgets
import pandas as pd
import PIL.Image
import pygments
import yaml
from IPython.display import display
from mxnet import np
from pygments.formatters import HtmlFormatter
from pygments.lexers import PythonLexer

from d2lvae import plots
from d2lvae.base import paths
from d2lvae.base.errors import CourseError
from d2lvae.metrics import mean_ci95
from d2lvae.runs import catalogue, claims, tables

FACES = 'psnr ssim sharpness_ratio spectrum_distance checkerboard_ratio swd_reconstructions'
FLOORS = {'swd_reconstructions': 'swd_floor', 'kernel_reconstructions': 'kernel_floor'}
# What a table calls a metric, and the format of its numbers: z, or a floor would be -0.00
WORDS = {
    metric: (heading, f'z{form}')
    for columns in tables.COLUMNS.values()
    for heading, (metric, form) in columns.items()
}
WORDS |= {'kl': ('KL in nats', '.1f'), 'active_units': ('latents in use', '.0f')}
for name in (*FACES.split()[:4], 'digit_accuracy', *FLOORS):
    control = f'control_{name.removesuffix("_reconstructions")}'
    WORDS[control] = f'{WORDS[name][0]}, noise', WORDS[name][1]
PAPER = (  # grey like a cell
    'font-family: monospace; line-height: 1.4; padding: 0.6em; margin: 0; white-space: pre; '
    'overflow-x: auto; color: #1f1f1f; background: #f5f5f5; border: 1px solid #dddddd'
)
LAST = {'disc_accuracy': 'accuracy of D', 'adversarial': 'adversarial loss', 'push': 'push'}
FORMULA = re.compile(r'\n\n *\$\$.*?\$\$(?=\n)', re.DOTALL)


def source(thing):
    """The source of a function, method or class of the helper, highlighted: what is read runs.

    Without the formulas of its docstring, which the chapter has above it.
    """
    code = FORMULA.sub('', textwrap.dedent(inspect.getsource(thing)))
    html = pygments.highlight(code, PythonLexer(), HtmlFormatter(nowrap=True, noclasses=True))
    display({'text/html': f'<pre style="{PAPER}">{html}</pre>', 'text/plain': code}, raw=True)


def sliders(vae):
    """A slider for each latent, and what the VAE decodes from them.

    Only where JupyterLab has started the kernel, because a printed page has nothing to move;
    elsewhere the picture at 0.
    """

    def decoded(**z):
        plots.pictures(
            [vae.generate(np.array([list(z.values())])).asnumpy()], alt='A decoded picture.'
        )

    names = [f'z{j}' for j in range(1, vae.latents + 1)]
    if 'JPY_SESSION_NAME' in os.environ:
        ranges = {'value': 0, 'min': -3, 'max': 3, 'step': 0.1}
        ipywidgets.interact(decoded, **{name: ipywidgets.FloatSlider(**ranges) for name in names})
    else:
        decoded(**dict.fromkeys(names, 0.0))


# Tables


def means(summary):
    """The metrics of a summary by name, means over its seeds."""
    return {name: metric['mean'] for name, metric in summary['metrics'].items()}


def metrics_table(summaries, names):
    """A table of chosen metrics in words, a row for each named summary.

    One value for one seed, least and greatest of two, mean and 95 % interval of more.
    """
    columns = {
        WORDS[name][0]: [
            tables.number(summary['metrics'], name, WORDS[name][1])
            for summary in summaries.values()
        ]
        for name in names
    }
    return pd.DataFrame(columns, index=list(summaries))


def compared(runs):
    """A table of named summaries of faces, and what other real faces score by the held-out ones."""
    found = next(iter(runs.values()))['metrics']
    floors = {name: found[floor] for name, floor in FLOORS.items() if floor in found}
    names = [*FACES.split(), *(['kernel_reconstructions'] if len(floors) > 1 else [])]
    return metrics_table(runs | {'other real faces': {'metrics': floors}}, names)


def beats_noise(runs):
    """Whether reconstructions beat equally sharp noise, a row for each run with a control."""
    rows = {}
    for name, run in runs.items():
        m = means(run)
        if 'control_ssim' in m:
            better = {
                'SSIM': m['ssim'] > m['control_ssim'],
                'SWD': m['swd_reconstructions'] < m['control_swd'],
                'spectrum': m['spectrum_distance'] < m['control_spectrum_distance'],
            }
            rows[name] = {measure: 'better' if won else 'worse' for measure, won in better.items()}
    return pd.DataFrame(rows).T


def verdicts(chosen, all_of_them=False):
    """Show those of some claims that are decided, and say how many are not; see `claims.table`.

    `all_of_them` shows the others as well.
    """
    table = claims.table(chosen)
    decided = table['verdict'].isin(['holds', 'does not hold'])
    shown = table if all_of_them else table[decided]
    with pd.option_context('display.max_colwidth', None, 'display.width', 200):
        if len(shown):
            display(shown.set_index('claim')[['difference', 'interval', 'seeds', 'verdict']])
    if len(shown) < len(table):
        print(f'Of {len(table)} claims {len(table) - decided.sum()} are not decided yet.')


# What is stored of finished runs


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
    """Those of some named folders that hold a finished reference run; names the others."""
    there = {name: folder for name, folder in folders.items() if catalogue.summary(folder)}
    if absent := [name for name in folders if name not in there]:
        print('still to be run:', '; '.join(absent))
    return there


def group(chapter, name):
    """Folders of a group's finished runs that a chapter shows, by their labels; says which lack."""
    entries = [entry for entry in catalogue.group(name) if chapter in entry.chapters]
    return finished({entry.label: entry.folder for entry in entries})


def parameters(folder):
    """The parameters of a finished reference run, by name."""
    return yaml.safe_load((paths.RESULTS / folder / 'parameters.yaml').read_text())


def statistics(folder):
    """Every loss term of a finished run by epoch, from 0; means over its seeds.

    `folder` is one of `results/`, or a path.
    """
    rows = pd.read_csv(paths.RESULTS / folder / 'training_statistics.csv')
    return rows.groupby('epoch').mean(numeric_only=True)


def training_loss(folder):
    """KL + PBP of a finished reference run by epoch, from 0; the mean over its seeds."""
    terms = statistics(folder)
    return terms['kl'] + terms['pbp']


def push(folder):
    """Every loss term of a finished run, a row for each seed and combo epoch, and the push."""
    return with_push(pd.read_csv(paths.RESULTS / folder / 'training_statistics.csv'))


def with_push(rows):
    """The rows of combo epochs among those of a training, and the push; none without D.

    `push` is the length of the weighted adversarial gradient over that of the weighted PBP loss.
    """
    if 'grad_norm_adversarial' not in rows:
        return rows[:0].assign(push=[])
    adversarial, pbp = (
        rows[f'{loss}_weight'] * rows[f'grad_norm_{norm}']
        for loss, norm in (('disc', 'adversarial'), ('pbp', 'pbp'))
    )
    return rows.assign(push=adversarial / pbp).dropna(subset='push')


def last_epoch_by_seed(folder):
    """`push` of the last epoch alone, a row for each seed."""
    rows = push(folder)
    return rows[rows['epoch'] == rows['epoch'].max()]


def last_push(folder):
    """The push of a finished run in its last epoch, the mean over its seeds."""
    return last_epoch_by_seed(folder)['push'].mean()


def last_epoch(folders):
    """A table of the discriminators of finished runs in their last epochs, by the runs' names.

    One value for one seed, least and greatest of two, mean and 95 % interval of more; no row for a
    run without a discriminator.
    """
    rows = {}
    for name, folder in folders.items():
        seeds = last_epoch_by_seed(folder)
        if len(seeds):
            found = {column: mean_ci95(seeds[column]) for column in LAST}
            rows[name] = {LAST[column]: tables.number(found, column, '.2f') for column in LAST}
    return pd.DataFrame(rows).T


def dose(recipes, names):
    """What `plots.dose_response` draws of chosen metrics of finished runs.

    `recipes` maps names to folders; a run's dose is its `disc_weight`, 0 without discriminator.
    """
    runs = {}
    for recipe, folders in recipes.items():
        found = stored({folder: folder for folder in folders})
        doses = [(parameters(f).get('disc_weight', 0.0), found[f]) for f in found]
        runs[recipe] = sorted(doses, key=operator.itemgetter(0))
    return {
        WORDS[name][0]: {
            recipe: [(dose, summary['metrics'][name]) for dose, summary in doses]
            for recipe, doses in runs.items()
        }
        for name in names
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


# Stored pictures


def ladder(folders, columns=(0, 1, 2), alt=None):
    """A few held-out pictures, and below them their reconstructions by finished reference runs.

    `folders` by the runs' names; `columns` are those of `reconstructions.png`, from 0. The numbers
    are of all held-out pictures.
    """
    rows = {}
    for name, run in stored(folders).items():
        m, (real, reconstructed) = means(run), reconstructions(folders[name])[:, list(columns)]
        rows[name] = reconstructed, m['psnr'], m['sharpness_ratio']
    plots.ladder({'real': (real, None, 1)} | rows, alt=alt)


def reconstructions(folder):
    """The stored pictures (2, 10, 3, H, W) of a finished reference run: real, reconstructed."""
    with PIL.Image.open(paths.RESULTS / folder / 'reconstructions.png') as image:
        return plots.tiles(image, parameters(folder).get('image_size', 28))
