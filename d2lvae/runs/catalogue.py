"""The catalogue: the study's rows and our own recipes, as experiments by name.

The rows are data in `study.csv`, the recipes in `recipes.yaml`, where each run's name stands once.
"""

import functools
from dataclasses import dataclass, replace
from pathlib import Path

import pandas as pd
import yaml

from d2lvae.base import paths
from d2lvae.base.errors import CourseError
from d2lvae.data import data_class
from d2lvae.runs.experiment import Experiment
from d2lvae.runs.results import load_summary

HERE = Path(__file__).parent
SMOKE = {'num_epochs': 4, 'run': '', 'scale': 'smoke'}
SMOKE_DIGITS = {'num_train': 3200, 'num_held_out': 500}
SMOKE_FACES = 8  # faces: as many avatars, divided by this
TENTH = 10  # faces: a tenth of the study's epochs, which keeps the proportions of its schedules
DISC_CHANNELS = {'ResNet': 32, 'DeepConvDisc': 32}  # the study's have 64, at three times the time
ABLATIONS = ('disc_weight', 'pbp_weight', 'solo_combo')  # groups that vary one thing of a row
DATA = {  # of the study's groups; all digits
    'mnist': {},
    'anime': {'dataset': 'anime', 'num_train': 6400, 'num_held_out': 1600},
    **dict.fromkeys(ABLATIONS, {'dataset': 'anime', 'num_train': 3200, 'num_held_out': 800}),
}
OURS = 'digits_dose avatars_dose cures schedules anime_faces small_avatars small_anime'.split()
GROUPS = (*DATA, *OURS)


@dataclass(frozen=True)
class Entry:
    """An experiment, and what is said of it.

    `label` names it in words, `note` says what was changed in the recipe. `groups` are those in
    whose sweeps it is run, `chapters` those that show it. `study_row` is the row of the study that
    it stands for, or None, and `of_study` whether it is that row itself. `control` is the name of
    the run that is its noise control.
    """

    experiment: Experiment
    label: str
    note: str
    groups: tuple[str, ...]
    chapters: tuple[str, ...]
    study_row: str | None = None
    control: str | None = None
    of_study: bool = False

    @property
    def folder(self):
        return self.experiment.folder

    @property
    def names(self):
        """Its folder, the study's name of it if it is a row itself, and the last part of either."""
        folders = (self.folder, self.study_row) if self.of_study else (self.folder,)
        return {name for folder in folders for name in (folder, folder.split('/')[1])}

    @property
    def summary(self):
        """Its stored summary, None if it is still to be run; CourseError if that is damaged."""
        published = self.experiment.published
        return load_summary(published) if published.exists() else None

    @property
    def state(self):
        """Whether it is finished, in words."""
        stored = self.summary
        return f'done, seeds {" ".join(map(str, stored["seeds"]))}' if stored else 'to run'

    def at(self, scale):
        """The experiment at a scale: 'reference' as it is, 'smoke' in seconds."""
        if scale == 'reference':
            return self.experiment
        e, changes = self.experiment, smoke_data(self.experiment) | SMOKE
        solo, epochs, few = e.solo_epochs, e.num_epochs, SMOKE['num_epochs']
        changes['solo_epochs'] = min(round(solo / epochs * few), few - int(solo < epochs))
        return e.changed(**changes)


def smoke_data(experiment):
    """Few pictures; of faces in proportion, or rows that differ in nothing else would be one."""
    if data_class(experiment.dataset).kind == 'digits':
        return SMOKE_DIGITS
    sizes = {name: getattr(experiment, name) // SMOKE_FACES for name in SMOKE_DIGITS}
    return {'dataset': 'avatars', **sizes}


# Looking up


@functools.cache
def entries():
    """Every entry by the name of its folder in `results/`; the study's rows come first."""
    by_run = rows_by_run()
    for run, recipe in yaml.safe_load((HERE / 'recipes.yaml').read_text()).items():
        by_run[run] = from_recipe(by_run, run, **recipe)
    return {entry.folder: entry for entry in by_run.values()}


def group(name):
    """The entries of a group's sweep: its rows of the study, each followed by our recipes for it.

    A recipe for a row of another group comes where that row would, one without a row at the end.
    """
    rows = [*study()['folder'].unique(), None]
    members = [entry for entry in entries().values() if name in entry.groups]
    return sorted(members, key=lambda entry: rows.index(entry.study_row))


def find(name):
    """An entry by its folder, the study's name of it, or the last part; CourseError if none."""
    matches = [entry for entry in entries().values() if name in entry.names]
    if len(matches) == 1:
        return matches[0]
    raise CourseError(f'There is no run {name}: `python -m d2lvae` lists them all.')


def summary(name):
    """The stored summary of a run by any of its names, or None."""
    return find(name).summary


# The study's rows


@functools.cache
def study():
    """The study's 26 result rows, as it published and logged them; a repeated one is named once."""
    return pd.read_csv(
        HERE / 'study.csv', dtype={'chapter': str, 'disc_base_channels_or_nodes': str}
    )


def study_size():
    """The study's rows at its own size, replicated on a GPU: a row for each run and scored epoch.

    None if they are not there. The columns are those of `results/study_size.csv`, whose first line
    says how they were made.
    """
    path = paths.RESULTS / 'study_size.csv'
    return pd.read_csv(path, comment='#') if path.exists() else None


def rows_by_run():
    """The study's 24 different runs by our names; one in several groups is one entry."""
    found = {}
    for folder, rows in study().groupby('folder', sort=False):
        row = next(rows.itertuples())
        found[row.run] = Entry(
            from_row(row),
            row.label,
            note(row),
            tuple(rows['group']),
            tuple(rows['chapter'].unique()),
            folder,
            row.control if isinstance(row.control, str) else None,
            of_study=True,
        )
    return found


def from_row(row):
    """The experiment of a row of the study, faces at a tenth of its epochs."""
    share = 1 if row.group == 'mnist' else TENTH
    parameters = {
        **DATA[row.group],
        'vae': row.vae,
        'latents': int(row.latents),
        'pbp_loss': row.pbp_loss,
        'lr': float(row.lr),
        'batch_size': int(row.batch_size),
        'num_epochs': int(row.solo_epochs + row.combo_epochs) // share,
    }
    if row.vae == 'DenseVAE':
        parameters |= {n: int(getattr(row, n)) for n in ('hidden_layers', 'hidden_nodes')}
    else:
        parameters['base_channels'] = int(row.vae_base_channels)
    if isinstance(row.discriminator, str):
        parameters |= {
            'discriminator': row.discriminator,
            **disc_sizes(row),
            'solo_epochs': int(row.solo_epochs) // share,
            'disc_weight': float(row.disc_weight),
            'pbp_weight': float(row.pbp_weight),
        }
    if row.pbp_decay_per_25_combo_epochs > 0:
        parameters |= {
            'pbp_decay': float(row.pbp_decay_per_25_combo_epochs),
            'pbp_decay_every': 25 / share,
        }
    return Experiment(**parameters, run=row.run, scale='reference')


def disc_sizes(row):
    if row.discriminator == 'DenseLogReg':
        layers, nodes = map(int, row.disc_base_channels_or_nodes.split('x'))
        return {'disc_layers': layers, 'disc_nodes': nodes}
    channels = int(row.disc_base_channels_or_nodes)
    return {'disc_channels': DISC_CHANNELS.get(row.discriminator, channels)}


def note(row):
    """What of the study's recipe was changed."""
    if row.group == 'mnist':
        return "the study's recipe"
    channels = DISC_CHANNELS.get(row.discriminator)
    narrow = f', {row.discriminator} of {channels} base channels' if channels else ''
    fewer = f', {DATA[row.group]["num_train"]:,} faces' if row.group in ABLATIONS else ''
    return f"the study's recipe at a tenth of its epochs{narrow}{fewer}"


# Our own recipes


def from_recipe(by_run, run, changes, base=None, animated=False, **said):
    """The entry of one of `recipes.yaml`; `by_run` has those before it."""
    said |= {name: tuple(said[name]) for name in ('groups', 'chapters') if name in said}
    changes |= {'run': run, 'animated': animated}
    if base is None:
        return Entry(Experiment(**changes, scale='reference'), **said)
    experiment = by_run[base].experiment.changed(**changes)
    return replace(by_run[base], experiment=experiment, **{'of_study': False} | said)
