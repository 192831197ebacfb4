"""The study's rows, and each of them as an experiment at the size that is really run."""

import functools
from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from d2lvae.runs.experiment import Experiment

SMOKE = {'num_epochs': 4, 'run': '', 'scale': 'smoke'}
SMOKE_DIGITS = {'num_train': 3200, 'num_held_out': 500}
SMOKE_FACES = 8  # faces: as many avatars, divided by this
TENTH = 10  # faces: a tenth of the study's epochs, which keeps the proportions of its schedules
DISC_CHANNELS = {'ResNet': 32, 'DeepConvDisc': 32}  # the study's have 64, at three times the time
ABLATIONS = ('disc_weight', 'pbp_weight', 'solo_combo')  # groups that vary one thing, over seeds
FEWER_FACES = {'dataset': 'anime', 'num_train': 3200, 'num_held_out': 800}
DATA = {  # by group; all digits
    'mnist': {},
    'anime': {'dataset': 'anime', 'num_train': 6400, 'num_held_out': 1600},
    **dict.fromkeys(ABLATIONS, FEWER_FACES),
}
GROUPS = tuple(DATA)
CONTROLS = {  # by VAE and group
    ('DenseVAE', 'mnist'): 'DenseVAE_on_MNIST/5_3_400_bce_50',
    ('DenseVAE', 'anime'): 'DenseVAE_on_anime/512_5_1024_200_seeded',
    ('ConvVAE', 'anime'): 'ConvVAE_on_anime/512_32_200_seeded',
    ('DeepConvVAE', 'anime'): 'ConvVAE_on_anime/512_32_200_seeded',
    **{('ConvVAE', group): 'ConvVAE_on_anime/512_32_20_train3200' for group in ABLATIONS},
}


@dataclass(frozen=True)
class Entry:
    """An experiment, the row of the study that it stands for, and what was changed in it.

    `groups` are those in whose sweeps it is run, `control` is the name of its noise control.
    """

    experiment: Experiment
    study_row: str
    groups: tuple[str, ...]
    control: str | None = None
    note: str = "the study's recipe"

    def at(self, scale):
        """The experiment at a scale: 'reference' as it is, 'smoke' in seconds."""
        if scale == 'reference':
            return self.experiment
        changes = smoke_data(self.experiment) | SMOKE
        share = self.experiment.solo_epochs / self.experiment.num_epochs
        changes['solo_epochs'] = round(share * SMOKE['num_epochs'])
        return Experiment(**self.experiment.model_dump() | changes)


def smoke_data(experiment):
    """Few pictures; of faces in proportion, or rows that differ in nothing else would be one."""
    if experiment.dataset == 'mnist':
        return SMOKE_DIGITS
    sizes = {name: getattr(experiment, name) // SMOKE_FACES for name in SMOKE_DIGITS}
    return {'dataset': 'avatars', **sizes}


@functools.cache
def study():
    """The study's 26 result rows, as it published and logged them."""
    return pd.read_csv(
        Path(__file__).with_name('study.csv'),
        dtype={'chapter': str, 'disc_base_channels_or_nodes': str},
    )


@functools.cache
def entries_of_study():
    """The study's 24 different runs by their folder's name; one in several groups is one entry."""
    entries = {}
    for folder, rows in study().groupby('folder', sort=False):
        row = next(rows.itertuples())
        experiment = from_row(row)
        control = CONTROLS[row.vae, row.group] if experiment.discriminator else None
        entries[folder] = Entry(experiment, folder, tuple(rows['group']), control, note(row))
    return entries


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
        **vae_sizes(row),
    }
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
    return Experiment(**parameters, run=run_name(row), scale='reference')


def vae_sizes(row):
    if row.vae == 'DenseVAE':
        return {'hidden_layers': int(row.hidden_layers), 'hidden_nodes': int(row.hidden_nodes)}
    return {'base_channels': int(row.vae_base_channels)}


def disc_sizes(row):
    if row.discriminator == 'DenseLogReg':
        layers, nodes = map(int, row.disc_base_channels_or_nodes.split('x'))
        return {'disc_layers': layers, 'disc_nodes': nodes}
    channels = int(row.disc_base_channels_or_nodes)
    return {'disc_channels': DISC_CHANNELS.get(row.discriminator, channels)}


def run_name(row):
    """The study's name of a run, with the epochs and sizes that are really run."""
    name = row.folder.partition('/')[2]
    if row.discriminator == 'DeepConvDisc':
        name = name.replace('_64_', f'_{DISC_CHANNELS["DeepConvDisc"]}_')
    if row.group == 'mnist':
        return name
    solo, combo = row.solo_epochs, row.combo_epochs
    name = name.replace(f'_{solo}+{combo}_', f'_{solo // TENTH}+{combo // TENTH}_')
    return name.replace('_200', f'_{200 // TENTH}')


def note(row):
    """What of the study's recipe was changed."""
    if row.group == 'mnist':
        return Entry.note
    channels = DISC_CHANNELS.get(row.discriminator)
    narrow = f', {row.discriminator} of {channels} base channels' if channels else ''
    fewer = f', {FEWER_FACES["num_train"]:,} faces' if row.group in ABLATIONS else ''
    return f"the study's recipe at a tenth of its epochs{narrow}{fewer}"
