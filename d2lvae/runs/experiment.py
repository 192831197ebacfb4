"""Experiment: every parameter of a run by name, the folders that follow from them, and the run."""

import hashlib
import json
from pathlib import Path
from typing import Literal

import pydantic
import yaml

from d2lvae import networks
from d2lvae.base import files, paths
from d2lvae.base.choices import Networks, Pictures, TrainingParameters
from d2lvae.base.errors import CourseError, LockedError
from d2lvae.base.parameters import parameter
from d2lvae.data import DATASETS, data_class, load_data
from d2lvae.feature_matching import FeatureMatchingTrainer
from d2lvae.frozen.attributes import SIDE
from d2lvae.frozen.perceptual import PerceptualTrainer
from d2lvae.layers import initialize
from d2lvae.losses import ADVERSARIAL
from d2lvae.runs import identity
from d2lvae.runs.checkpoint import Checkpoint
from d2lvae.runs.seed import train_seed
from d2lvae.training import Trainer
from d2lvae.vae import make_vae

REGISTRIES = {
    'vae': ('networks.VAES', networks.VAES),
    'discriminator': ('networks.DISCRIMINATORS', networks.DISCRIMINATORS),
    'adversarial_loss': ('losses.ADVERSARIAL', ADVERSARIAL),
}
NOT_PARAMETERS = ('run', 'scale', 'animated')


class Experiment(TrainingParameters, Networks, Pictures):
    """What identifies a run. Parameters of another type or range, or unknown ones, are refused.

    `run` is the name of the run's folder; without one it is spelled from the sizes, as in the
    study, with a hash of all parameters. Only runs at the scale 'reference' go to `results/`, and
    only `animated` ones keep frames while they are trained.

    Raises
    ------
    CourseError
        With the parameter, what is allowed, and what was given.
    """

    run: str = parameter('', "name of the run's folder")
    scale: Literal['smoke', 'reference'] = parameter('smoke', 'reference runs go to results/')
    animated: bool = parameter(False, 'its result has an epochs.webp')

    @pydantic.field_validator(*REGISTRIES)
    @classmethod
    def _registered(cls, name, info):
        registry, known = REGISTRIES[info.field_name]
        if name is not None and name not in known:
            raise ValueError(
                f'Parameter {info.field_name} {name!r} is none of {", ".join(known)}: one of your '
                f'own is registered in {registry} by the cell that defines it'
            )
        return name

    @pydantic.field_validator('run')
    @classmethod
    def _names_a_folder(cls, name):
        if '/' in name or name.startswith('.') or len(name.encode()) > 100:
            raise ValueError(
                f'run ({name!r}) is the name of a folder: at most 100 letters, no slash, and no '
                'dot at the start'
            )
        return name

    @pydantic.model_validator(mode='after')
    def _sizes_fit(self):
        all_train, all_held_out = data_class(self.dataset).default_sizes or (float('inf'), 0)
        if self.num_held_out == 1:
            raise ValueError('num_held_out must be 2 at least: sets of pictures are compared')
        if (self.num_held_out or all_held_out) > (self.num_train or all_train):
            raise ValueError(
                f'num_held_out ({self.num_held_out}; 0: all) must not be more than num_train '
                f'({self.num_train}), because the held-out pictures are compared with as many '
                'training pictures'
            )
        if self.num_train and self.num_train < self.batch_size:
            raise ValueError(
                f'batch_size ({self.batch_size}) must not be more than num_train ({self.num_train})'
            )
        if self.solo_epochs > self.num_epochs:
            raise ValueError(
                f'solo_epochs ({self.solo_epochs}) are a part of num_epochs '
                f'({self.num_epochs}) and cannot be more'
            )
        return self

    @pydantic.model_validator(mode='after')
    def _parameters_fit_the_pictures(self):
        kind = data_class(self.dataset).kind
        other = 'digits' if kind == 'faces' else 'faces'
        for name in self.of(other):
            if not self.has_default(name):
                raise ValueError(f'{name} is for {other}, not {kind}: leave it out')
        side = data_class(self.dataset).side
        if side and side & (side - 1) and (conv := self._convolutional()):
            raise ValueError(
                f'{conv} needs pictures whose side is a power of 2, and {kind} have {side} pixels: '
                'use it with the faces of avatars or anime, or use DenseVAE and DenseLogReg'
            )
        return self

    @pydantic.model_validator(mode='after')
    def _frozen_net_fits(self):
        cls = data_class(self.dataset)
        if self.frozen_weight and (cls.features, cls.side or self.image_size) != ('faces', SIDE):
            raise ValueError(
                f'frozen_weight is for faces (avatars or anime) of {SIDE}x{SIDE} pixels, which the '
                'frozen net knows: leave it out'
            )
        if self.frozen_weight and self.trains_disc:
            raise ValueError(
                'frozen_weight takes the place of a discriminator: set disc_weight and '
                'dis_l_weight to 0, or leave frozen_weight out'
            )
        return self

    def _convolutional(self):
        """The name of a network that halves the side of pictures, if there is one."""
        chosen = {self.vae: networks.VAES[self.vae][0]}
        if self.discriminator:
            chosen[self.discriminator] = networks.DISCRIMINATORS[self.discriminator]
        strided = networks.ConvEncoder, networks.ConvDisc, networks.ResNet
        return next((n for n, net in chosen.items() if getattr(net, 'func', net) in strided), None)

    # Identity

    @property
    def with_disc(self):
        """Whether a discriminator is trained."""
        return self.discriminator is not None and self.trains_disc

    @property
    def with_combo_epochs(self):
        """Whether there are combo epochs: with a discriminator, or of a matched plain run."""
        return self.with_disc or not self.trains_disc

    def parameters(self):
        """Every parameter that matters to this run, by name, as plain values."""
        kind = data_class(self.dataset).kind
        nets = [*networks.VAES[self.vae]]
        if self.with_disc:
            nets.append(networks.DISCRIMINATORS[self.discriminator])
        taken = {name for net in nets for name in networks.sizes_of(net)}
        sizes = set(Networks.model_fields) - {'vae', 'pbp_loss', 'discriminator'}
        later = {*self.of('disc'), 'frozen_weight', *(['kl_weight'] if kind == 'digits' else [])}
        left_out = {
            *NOT_PARAMETERS,
            *self.of('digits' if kind == 'faces' else 'faces'),
            *(sizes - taken),
            *(() if self.with_combo_epochs else self.of('combo')),
            *(() if self.with_disc else self.of('disc')),
            *(name for name in later if self.has_default(name)),  # files of before lack them
        }
        return self.model_dump(exclude=left_out)

    def own(self):
        """Sources of losses, networks and data sets of one's own, by the name of a file."""
        chosen = {'vae': networks.VAES[self.vae], 'dataset': DATASETS.get(self.dataset)}
        if self.with_disc:
            chosen['discriminator'] = networks.DISCRIMINATORS[self.discriminator]
            chosen['adversarial_loss'] = ADVERSARIAL[self.adversarial_loss]
        return identity.own_sources(chosen)

    def matched_plain(self):
        """The same run with the pixels alone: same noise, same weights of the other losses."""
        off = dict.fromkeys(('disc_weight', 'dis_l_weight', 'frozen_weight'), 0.0)
        return self.changed(**off, run='', animated=False)

    @property
    def folder(self):
        """`<Model>[_<Discriminator>]_on_<data>/<run>`."""
        data = data_class(self.dataset).folder_name or Path(self.dataset).stem
        return f'{self.vae}{self._spelled_disc()}_on_{data}/{self.run or self.spelled()}'

    def _spelled_disc(self):
        """The study's spelling, which names the ResNet's width if it is not the usual 64."""
        if not self.with_disc:
            return ''
        width = '' if self.disc_channels == 64 else self.disc_channels
        spelled = {'ConvDisc': '_ConvDisc_LeakyReLU', 'ResNet': f'_ResNet{width}'}
        return spelled.get(self.discriminator, f'_{self.discriminator}')

    def spelled(self):
        """The study's way to name a run by its sizes, and a hash of all that identifies it."""
        parameters = self.parameters()
        names = ('latents', 'base_channels', 'hidden_layers', 'hidden_nodes')
        sizes = [parameters[name] for name in names if name in parameters]
        names = ('disc_channels', 'disc_layers', 'disc_nodes')
        sizes += [parameters[name] for name in names if name in parameters]
        if not self.with_disc:
            sizes.append(self.pbp_loss)
        content = json.dumps(parameters, sort_keys=True) + ''.join(self.own().values())
        digest = hashlib.sha256(content.encode()).hexdigest()
        return '_'.join(map(str, (*sizes, self.num_epochs))) + f'-{digest[:8]}'

    @property
    def work(self):
        """Folder of checkpoints, weights and locks, one a seed."""
        return paths.RUNS / 'work' / self.folder

    @property
    def published(self):
        """Folder of the finished result."""
        root = paths.RESULTS if self.scale == 'reference' else paths.RUNS / 'results'
        return root / self.folder

    def is_stored_in(self, path):
        """Whether a `parameters.yaml` is of this experiment: what it lacks has its default."""
        try:
            return Experiment(**yaml.safe_load(path.read_text())).parameters() == self.parameters()
        except (CourseError, TypeError, yaml.YAMLError):
            return False

    # Building

    def data(self):
        """The pictures; CourseError if they are not there, or too few."""
        identity.refuse_while_registering()
        sizes = self.model_dump(include={'num_train', 'num_held_out', 'batch_size'})
        data = load_data(self.dataset, self.image_size, **sizes)
        num_train, num_held_out = len(data.train_images), len(data.held_out_images)
        if not 2 <= num_held_out <= num_train:
            raise CourseError(
                f'There are {num_held_out} held-out pictures, and {num_train} to train with, '
                'with which they are compared: there must be 2 at least, and no fewer to train '
                'with. Change num_held_out or num_train, or use more pictures.'
            )
        return data

    def networks(self, shape, seed):
        """The VAE and the discriminator (or None) for pictures of `shape`, freshly initialised."""
        sizes = self.model_dump(include=set(Networks.model_fields) - {'vae', 'discriminator'})
        vae = initialize(make_vae(self.vae, shape, **sizes), seed)
        if not self.with_disc:
            return vae, None
        disc = networks.make(networks.DISCRIMINATORS[self.discriminator], shape, sizes)
        return vae, initialize(disc, seed)

    def trainer(self, seed):
        if self.frozen_weight:
            return PerceptualTrainer(self, seed)
        return (FeatureMatchingTrainer if self.dis_l_weight else Trainer)(self, seed)

    # Running

    def seed_folder(self, seed):
        return self.work / f'seed_{seed}'

    def train(self, seed, data):
        """Train one seed, or go on with it, or load it if it is finished; the networks.

        Raises CourseError if another process trains it. One that another process looks at, when
        runs with the same control start side by side, is loaded.
        """
        if not 0 <= seed < 2**32:
            raise CourseError(f'A seed is a number from 0 to 2**32 - 1, but was {seed}.')
        try:
            with files.locked(self.seed_folder(seed), f'{self.folder}, seed {seed},'):
                identity.keep(self, data)
                return train_seed(self, seed, data)
        except LockedError:
            if self.statistics(seed) is None:
                raise
            identity.keep(self, data)
            return self.load(seed, data.shape)

    def statistics(self, seed):
        """Statistics of a seed whose training is finished, a row an epoch, or None."""
        rows = self.rows(seed)
        return rows if len(rows) == self.num_epochs else None

    def rows(self, seed):
        """Statistics of a seed so far, a row an epoch."""
        return Checkpoint(self.seed_folder(seed) / 'checkpoint').rows()

    def frames(self, seed):
        """An `animation.frame` for each epoch of a finished seed; none if they were not kept."""
        frames = Checkpoint(self.seed_folder(seed) / 'checkpoint').frames()
        return frames if len(frames) == self.num_epochs else []

    def load(self, seed, shape):
        """The networks of a finished seed; CourseError if it is not finished here."""
        if self.statistics(seed) is None:
            raise CourseError(
                f'{self.folder} has no finished seed {seed} on this machine: run it first.'
            )
        nets = self.networks(shape, seed)
        Checkpoint(self.seed_folder(seed) / 'checkpoint').load_networks(*nets)
        return nets
