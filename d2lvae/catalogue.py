"""The catalogue: the study's rows, and our own recipes, as experiments by name."""

import functools
from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from d2lvae.errors import CourseError
from d2lvae.experiment import Experiment
from d2lvae.results import load_summary

SMOKE = {'num_epochs': 4, 'run': '', 'scale': 'smoke'}
SMOKE_DATA = {
    'mnist': {'num_train': 3200, 'num_held_out': 500},
    'anime': {'dataset': 'avatars', 'num_train': 800, 'num_held_out': 200},
}
FACES = {'dataset': 'anime', 'num_train': 6400, 'num_held_out': 1600}
DISC_CHANNELS = {'ResNet': 32, 'DeepConvDisc': 32}  # the study's have 64, at three times the time
TENTH = 10  # faces: a tenth of the study's epochs, which keeps the proportions of its schedules
GROUPS = ('mnist', 'anime')  # of this version; the other rows wait for their chapters
CONTROLS = {
    ('DenseVAE', 'mnist'): 'DenseVAE_on_MNIST/5_3_400_bce_50',
    ('DenseVAE', 'anime'): 'DenseVAE_on_anime/512_5_1024_200_seeded',
    ('ConvVAE', 'anime'): 'ConvVAE_on_anime/512_32_200_seeded',
    ('DeepConvVAE', 'anime'): 'ConvVAE_on_anime/512_32_200_seeded',
}


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
        changes = SMOKE_DATA[self.experiment.dataset] | SMOKE
        solo = min(self.experiment.solo_epochs, SMOKE['num_epochs'] // 2)
        return Experiment(**self.experiment.model_dump() | changes | {'solo_epochs': solo})


@functools.cache
def study():
    """The study's 26 result rows, as it published and logged them."""
    return pd.read_csv(
        Path(__file__).with_name('study.csv'),
        dtype={'chapter': str, 'disc_base_channels_or_nodes': str},
    )


def from_row(row):
    """The experiment of a row of the study, faces at a tenth of its epochs."""
    share = 1 if row.group == 'mnist' else TENTH
    parameters = {
        **({} if row.group == 'mnist' else FACES),
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
    return name if row.group == 'mnist' else name.replace('_200', f'_{200 // TENTH}')


def note(row):
    """What of the study's recipe was changed."""
    if row.group == 'mnist':
        return Entry.note
    channels = DISC_CHANNELS.get(row.discriminator)
    narrow = f', {row.discriminator} of {channels} base channels' if channels else ''
    return f"the study's recipe at a tenth of its epochs{narrow}"


def ours(study_row, note, control=None, **changes):
    """Our own recipe for the networks of a row of the study."""
    base = entries_of_study()[study_row].experiment
    return Entry(Experiment(**base.model_dump() | changes), study_row, control, note)


@functools.cache
def entries_of_study():
    rows = study().drop_duplicates('folder')
    rows = rows[rows['group'].isin(GROUPS)]
    entries = {}
    for row in rows.itertuples():
        experiment = from_row(row)
        control = CONTROLS[row.vae, row.group] if experiment.discriminator else None
        entries[row.folder] = Entry(experiment, row.folder, control, note(row))
    return entries


@functools.cache
def entries():
    """Every experiment that can be run, by the study's name of its folder, or by ours."""
    own = (*digit_recipes(), *face_recipes())
    return entries_of_study() | {entry.experiment.folder: entry for entry in own}


def digit_recipes():
    """Our own recipes for the study's networks on digits."""
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
    return best_plain, best_combo, sharpest_combo


def face_recipes():
    """Our own recipes for the study's networks on faces."""
    common = {'batch_size': 16, 'lr_schedule': 'cosine', 'flip': True}
    best_plain = ours(
        'ConvVAE_on_anime/512_32_200_seeded',
        'KL weight 0.1, batches of 16, mirrored faces, cosine schedule',
        run='512_32_20_kl0.1_b16_flip_cosine',
        kl_weight=0.1,
        **common,
    )
    combo = {
        'study_row': 'ConvVAE_ConvDisc_LeakyReLU_on_anime/512_32_32_200_10_seeded',
        'control': CONTROLS['ConvVAE', 'anime'],
        'disc_norm': 'spectral',
        'kl_weight': 0.05,
        'lr': 5e-4,
        'beta1': 0.5,
        **common,
    }
    faithful_combo = ours(
        note='disc weight 200, spectral norm, KL weight 0.05, 5 solo and 15 combo epochs, batches '
        'of 16, beta1 0.5, mirrored faces, cosine schedule',
        run='512_32_32_5+15_200_1_spectral_kl0.05_b16_beta0.5_flip_cosine',
        disc_weight=200.0,
        solo_epochs=5,
        **combo,
    )
    sharp_combo = ours(
        note='the same with disc weight 600, 3 solo and 9 combo epochs',
        run='512_32_32_3+9_600_1_spectral_kl0.05_b16_beta0.5_flip_cosine',
        disc_weight=600.0,
        num_epochs=12,
        solo_epochs=3,
        **combo,
    )
    sharper_combo = ours(
        note='the same with disc weight 1,200, 5 solo and 15 combo epochs',
        run='512_32_32_5+15_1200_1_spectral_kl0.05_b16_beta0.5_flip_cosine',
        disc_weight=1200.0,
        solo_epochs=5,
        **combo,
    )
    sharpest_combo = ours(
        note='the same with disc weight 4,000, KL weight 0.02, 5 solo and 15 combo epochs',
        run='512_32_32_5+15_4000_1_spectral_kl0.02_b16_beta0.5_flip_cosine',
        disc_weight=4000.0,
        solo_epochs=5,
        **combo | {'kl_weight': 0.02},
    )
    best_combo = ours(
        note='disc weight 4,000, KL weight 0.05, 10 solo and 20 combo epochs, learning rate 0.001',
        run='512_32_32_10+20_4000_1_spectral_kl0.05_b16_beta0.5_flip_cosine',
        disc_weight=4000.0,
        num_epochs=30,
        solo_epochs=10,
        **combo | {'lr': 1e-3},
    )
    return (
        best_plain,
        faithful_combo,
        sharp_combo,
        sharper_combo,
        sharpest_combo,
        best_combo,
    )


def group(name):
    """The entries of a group of the study's rows, each followed by our own recipes for it."""
    rows = study()[study()['group'] == name]['folder'].unique()
    return [entry for row in rows for entry in entries().values() if entry.study_row == row]


def find(name):
    """An entry by its folder's name, or by the last part of it; CourseError if there is none."""
    matches = [
        entry
        for folder, entry in entries().items()
        if name in {n for f in (folder, entry.experiment.folder) for n in (f, f.split('/')[1])}
    ]
    if len(matches) == 1:
        return matches[0]
    if any(name in (folder, folder.split('/')[1]) for folder in study()['folder']):
        raise CourseError(f'{name} belongs to a chapter that this version does not have yet.')
    raise CourseError(f'There is no run {name}: `python -m d2lvae` lists them all.')


@functools.cache
def entries_by_our_folder():
    return {entry.experiment.folder: entry for entry in entries().values()}


def summary(folder):
    """The stored summary of a run, by the study's name of its folder or by ours, or None."""
    entry = entries().get(folder) or entries_by_our_folder().get(folder)
    published = entry and entry.experiment.published
    return load_summary(published) if published and published.exists() else None


def state(folder):
    """Of a row or recipe, in words."""
    if folder not in entries():
        return 'its chapter is to come'
    stored = summary(folder)
    return f'done, seeds {" ".join(map(str, stored["seeds"]))}' if stored else 'to run'
