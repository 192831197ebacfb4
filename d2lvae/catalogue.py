"""The catalogue: the study's rows, and our own recipes, as experiments by name."""

import functools
from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from d2lvae.errors import CourseError
from d2lvae.experiment import Experiment
from d2lvae.results import load_summary

SMOKE = {'num_train': 3200, 'num_held_out': 500, 'num_epochs': 4, 'run': '', 'scale': 'smoke'}
BUILT = ('DenseVAE',)  # the networks of this version; the other rows wait for theirs
CONTROLS = {'bce': 'DenseVAE_on_MNIST/5_3_400_bce_50', 'l2': 'DenseVAE_on_MNIST/5_3_400_l2_50'}


@dataclass(frozen=True)
class Entry:
    """An experiment, the row of the study that it stands for, and what was changed in it."""

    experiment: Experiment
    study_row: str
    control: str | None = None
    note: str = "the study's recipe"

    def at(self, scale):
        """The experiment at a scale: 'reference' as it is, 'smoke' in seconds."""
        if scale == 'reference':
            return self.experiment
        return Experiment(**self.experiment.model_dump() | SMOKE)


@functools.cache
def study():
    """The study's 26 result rows, as it published and logged them."""
    return pd.read_csv(
        Path(__file__).with_name('study.csv'),
        dtype={'chapter': str, 'disc_base_channels_or_nodes': str},
    )


def from_row(row):
    """The experiment of a row of the study on MNIST."""
    parameters = {
        'vae': row.vae,
        'latents': int(row.latents),
        'hidden_layers': int(row.hidden_layers),
        'hidden_nodes': int(row.hidden_nodes),
        'pbp_loss': row.pbp_loss,
        'lr': float(row.lr),
        'batch_size': int(row.batch_size),
        'num_epochs': int(row.solo_epochs + row.combo_epochs),
    }
    if isinstance(row.discriminator, str):
        layers, nodes = map(int, row.disc_base_channels_or_nodes.split('x'))
        parameters |= {
            'discriminator': row.discriminator,
            'disc_layers': layers,
            'disc_nodes': nodes,
            'solo_epochs': int(row.solo_epochs),
            'disc_weight': float(row.disc_weight),
            'pbp_weight': float(row.pbp_weight),
        }
    return Experiment(**parameters, run=row.folder.partition('/')[2], scale='reference')


def ours(study_row, note, control=None, **changes):
    """Our own recipe for the networks of a row of the study."""
    base = entries_of_study()[study_row].experiment
    return Entry(Experiment(**base.model_dump() | changes), study_row, control, note)


@functools.cache
def entries_of_study():
    rows = study().drop_duplicates('folder')
    rows = rows[rows['vae'].isin(BUILT) & (rows['group'] == 'mnist')]
    entries = {}
    for row in rows.itertuples():
        experiment = from_row(row)
        control = CONTROLS[row.pbp_loss] if experiment.discriminator else None
        entries[row.folder] = Entry(experiment, row.folder, control)
    return entries


@functools.cache
def entries():
    """Every experiment that can be run, by the name of its results folder."""
    best_plain = ours(
        'DenseVAE_on_MNIST/5_3_400_bce_50',
        'cosine schedule, binarised input, jittered digits, 150 epochs',
        run='5_3_400_bce_150_jitter0.4_binarised_cosine',
        num_epochs=150,
        lr_schedule='cosine',
        binarise_input=True,
        augment=0.4,
    )
    combo = {
        'study_row': 'DenseVAE_DenseLogReg_on_MNIST/5_3_400_1_200_50',
        'control': best_plain.experiment.folder,
        'num_epochs': 75,
        'lr_schedule': 'cosine',
        'beta1': 0.5,
        'pbp_weight': 4.0,
        'binarise_input': True,
    }
    best_combo = ours(
        note='disc weight 150, PBP weight 4, beta1 0.5, cosine schedule, binarised input, '
        'jittered digits, 75 epochs',
        run='5_3_400_1_200_75_150_4_beta0.5_jitter0.3_binarised_cosine',
        disc_weight=150.0,
        augment=0.3,
        **combo,
    )
    sharpest_combo = ours(
        note='the same with disc weight 300, and no jitter',
        run='5_3_400_1_200_75_300_4_beta0.5_binarised_cosine',
        disc_weight=300.0,
        **combo,
    )
    own = (best_plain, best_combo, sharpest_combo)
    return entries_of_study() | {entry.experiment.folder: entry for entry in own}


def find(name):
    """An entry by its folder's name, or by the last part of it; CourseError if there is none."""
    matches = [e for folder, e in entries().items() if name in (folder, folder.split('/')[1])]
    if len(matches) == 1:
        return matches[0]
    if any(name in (folder, folder.split('/')[1]) for folder in study()['folder']):
        raise CourseError(f'{name} needs networks that this version does not have yet.')
    raise CourseError(f'There is no run {name}: `python -m d2lvae` lists them all.')


def summary(folder):
    """The stored summary of a row or recipe, or None."""
    entry = entries().get(folder)
    published = entry and entry.experiment.published
    return load_summary(published) if published and published.exists() else None


def state(folder):
    """Of a row or recipe, in words."""
    if folder not in entries():
        return 'networks to come'
    stored = summary(folder)
    return f'done, seeds {" ".join(map(str, stored["seeds"]))}' if stored else 'to run'
