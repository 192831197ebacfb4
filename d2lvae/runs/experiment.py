"""Experiment: every parameter of a run by name, and the run itself, resumable seed by seed."""

import functools
import hashlib
import json
import math
from pathlib import Path
from typing import Annotated, Literal

import numpy as onp
import pandas as pd
import pydantic
import yaml

from d2lvae import networks
from d2lvae.base import files, paths
from d2lvae.data import MNIST, AnimeFaces, AvatarFaces, read_faces, read_pictures
from d2lvae.base.errors import CourseError, LockedError
from d2lvae.feature_matching import FeatureMatchingTrainer
from d2lvae.training import Trainer
from d2lvae.layers import initialize
from d2lvae.runs.checkpoint import Checkpoint
from d2lvae.vae import conv_vae, dense_vae

Count = Annotated[int, pydantic.Field(ge=1)]
CountOrAll = Annotated[int, pydantic.Field(ge=0)]
Weight = Annotated[float, pydantic.Field(ge=0, allow_inf_nan=False)]
DENSE_VAE_ONLY = ('hidden_layers', 'hidden_nodes')
CONV_VAE_ONLY = ('base_channels', 'upsampling')
DENSE_DISC_ONLY = ('disc_layers', 'disc_nodes')
CONV_DISC_ONLY = ('disc_channels', 'disc_norm')
OPTIONS = ('disc_weighting', 'disc_warmup_epochs', 'disc_ramp_epochs', 'dis_l_weight')
DIGITS_ONLY = ('binarise_input',)
FACES_ONLY = ('image_size', 'flip', 'kl_weight')
COMBO_ONLY = (
    'discriminator',
    'disc_layers',
    'disc_nodes',
    'disc_channels',
    'disc_norm',
    'solo_epochs',
    'disc_weight',
    'pbp_weight',
    'pbp_decay',
    'pbp_decay_every',
    *OPTIONS,
)
SIZES = (
    'latents',
    'base_channels',
    'hidden_layers',
    'hidden_nodes',
    'disc_channels',
    'disc_layers',
    'disc_nodes',
)
ALL = {'mnist': (60000, 10000), 'avatars': (800, 200)}  # training, held out, if 0 asks for all
NOT_PARAMETERS = ('run', 'scale')


class Experiment(pydantic.BaseModel):
    """What identifies a run. Parameters of another type or range, or unknown ones, are refused.

    `run` is the name of the run's folder; without one it is spelled from the sizes, as in the
    study, with a hash of all parameters. Only runs at the scale 'reference' go to `results/`.

    Raises
    ------
    CourseError
        With the parameter, what is allowed, and what was given.
    """

    model_config = pydantic.ConfigDict(strict=True, frozen=True, extra='forbid')

    dataset: Annotated[str, pydantic.Field(min_length=1)] = 'mnist'
    num_train: CountOrAll = 0
    num_held_out: CountOrAll = 0
    image_size: Literal[32, 64, 128] = 64
    vae: Literal['DenseVAE', 'ConvVAE', 'DeepConvVAE'] = 'DenseVAE'
    latents: Count = 5
    hidden_layers: Count = 3
    hidden_nodes: Count = 400
    base_channels: Count = 32
    upsampling: Literal['resize', 'transposed'] = 'resize'
    pbp_loss: Literal['bce', 'l2'] = 'bce'
    num_epochs: Count = 50
    batch_size: Count = 64
    lr: Annotated[float, pydantic.Field(gt=0, le=1)] = 1e-3
    lr_schedule: Literal['constant', 'cosine'] = 'constant'
    beta1: Annotated[float, pydantic.Field(ge=0, lt=1)] = 0.9
    binarise_input: bool = False
    augment: Annotated[float, pydantic.Field(ge=0, le=4)] = 0.0
    flip: bool = False
    kl_weight: Weight = 1.0
    discriminator: Literal['DenseLogReg', 'ConvDisc', 'DeepConvDisc', 'ResNet'] | None = None
    disc_layers: Count = 1
    disc_nodes: Count = 200
    disc_channels: Count = 32
    disc_norm: Literal['batch', 'spectral', 'none'] = 'batch'
    solo_epochs: CountOrAll = 0
    disc_weight: Weight = 1.0
    pbp_weight: Weight = 1.0
    pbp_decay: Annotated[float, pydantic.Field(gt=0, le=1)] = 1.0
    pbp_decay_every: Annotated[float, pydantic.Field(gt=0, allow_inf_nan=False)] = 25.0
    disc_weighting: Literal['fixed', 'adaptive'] = 'fixed'
    disc_warmup_epochs: CountOrAll = 0
    disc_ramp_epochs: Weight = 0.0
    dis_l_weight: Weight = 0.0
    run: str = ''
    scale: Literal['smoke', 'reference', 'study'] = 'smoke'

    def __init__(self, **parameters):
        try:
            super().__init__(**parameters)
        except pydantic.ValidationError as e:
            raise CourseError(sentence(e.errors()[0])) from None

    @pydantic.model_validator(mode='after')
    def _sizes_fit(self):
        all_train, all_held_out = ALL.get(self.dataset, (math.inf, 0))
        if (self.num_held_out or all_held_out) > (self.num_train or all_train):
            raise ValueError(
                f'num_held_out ({self.num_held_out}; 0: all) must not be more than num_train '
                f'({self.num_train}), because the held-out pictures are compared with as many '
                'training pictures'
            )
        if self.solo_epochs > self.num_epochs:
            raise ValueError(
                f'solo_epochs ({self.solo_epochs}) are a part of num_epochs '
                f'({self.num_epochs}) and cannot be more'
            )
        return self

    @pydantic.model_validator(mode='after')
    def _networks_fit_the_pictures(self):
        digits = self.dataset == 'mnist'
        for net in (self.vae, self.discriminator):
            if digits and net not in ('DenseVAE', 'DenseLogReg', None):
                raise ValueError(
                    f'{net} needs pictures whose side is a power of 2, and digits have 28 pixels: '
                    'use it with the faces of avatars or anime, or use DenseVAE and DenseLogReg'
                )
        for name in FACES_ONLY if digits else DIGITS_ONLY:
            if not self.has_default(name):
                kind = 'faces, not digits' if digits else 'digits, not faces'
                raise ValueError(f'{name} is for {kind}: leave it out')
        return self

    def has_default(self, name):
        return getattr(self, name) == type(self).model_fields[name].default

    def parameters(self):
        """Every parameter that matters to this run, by name, as plain values."""
        left_out = {
            *NOT_PARAMETERS,
            *(FACES_ONLY if self.dataset == 'mnist' else DIGITS_ONLY),
            *(CONV_VAE_ONLY if self.vae == 'DenseVAE' else DENSE_VAE_ONLY),
            *(CONV_DISC_ONLY if self.discriminator == 'DenseLogReg' else DENSE_DISC_ONLY),
            *(() if self.discriminator else COMBO_ONLY),
            *(('disc_norm',) if self.discriminator == 'ResNet' else ()),  # always batch norm
            *(name for name in OPTIONS if self.has_default(name)),
        }
        return self.model_dump(exclude=left_out)

    def alone(self):
        """The same VAE without a discriminator, trained solo for as many epochs."""
        return self.model_copy(update={'discriminator': None, 'run': ''})

    @property
    def folder(self):
        """`<Model>[_<Discriminator>]_on_<data>/<run>`."""
        data = 'MNIST' if self.dataset == 'mnist' else Path(self.dataset).stem
        return f'{self.vae}{self._spelled_disc()}_on_{data}/{self.run or self.spelled()}'

    def _spelled_disc(self):
        """The study's spelling, which names the ResNet's width if it is not the usual 64."""
        width = '' if self.disc_channels == 64 else self.disc_channels
        spelled = {None: '', 'ConvDisc': '_ConvDisc_LeakyReLU', 'ResNet': f'_ResNet{width}'}
        return spelled.get(self.discriminator, f'_{self.discriminator}')

    def spelled(self):
        """The study's way to name a run by its sizes, and a hash of all parameters."""
        parameters = self.parameters()
        sizes = [parameters[name] for name in SIZES if name in parameters]
        if not self.discriminator:
            sizes.append(self.pbp_loss)
        digest = hashlib.sha256(json.dumps(parameters, sort_keys=True).encode()).hexdigest()
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

    # Building

    def data(self):
        sizes = {
            'num_train': self.num_train,
            'num_held_out': self.num_held_out,
            'batch_size': self.batch_size,
        }
        if self.dataset == 'mnist':
            return MNIST(**sizes)
        if self.dataset == 'avatars':
            return AvatarFaces(size=self.image_size, **sizes)
        path = None if self.dataset == 'anime' else self.dataset
        data = AnimeFaces(path, size=self.image_size, **sizes)
        num_train, num_held_out = len(data.train_images), len(data.held_out_images)
        if num_held_out > num_train:
            raise CourseError(
                f'There are {num_held_out} held-out pictures, but only {num_train} to train with, '
                'with which they are compared: lower num_held_out or raise num_train.'
            )
        return data

    def read_pictures(self, path):
        """Other pictures, of the kind of this experiment's: uint8 (N, C, H, W), labels or None."""
        if self.dataset == 'mnist':
            return read_pictures(path, MNIST.SHAPE)
        return read_faces(path, self.image_size), None

    def networks(self, shape, seed):
        """The VAE and the discriminator (or None) for pictures of `shape`, freshly initialised."""
        disc = self._disc(shape)
        return initialize(self._vae(shape), seed), disc and initialize(disc, seed)

    def _vae(self, shape):
        if self.vae == 'DenseVAE':
            return dense_vae(
                shape, self.latents, self.hidden_layers, self.hidden_nodes, self.pbp_loss
            )
        deep = self.vae == 'DeepConvVAE'
        sizes = (self.latents, self.base_channels)
        return conv_vae(shape, *sizes, self.pbp_loss, self.upsampling, deep)

    def _disc(self, shape):
        if self.discriminator == 'DenseLogReg':
            return networks.DenseLogReg(shape, self.disc_layers, self.disc_nodes)
        if self.discriminator == 'ResNet':
            return networks.ResNet(shape, self.disc_channels)
        deep = self.discriminator == 'DeepConvDisc'
        return self.discriminator and networks.ConvDisc(
            shape, self.disc_channels, self.disc_norm, deep
        )

    def trainer(self, seed):
        trainer = Trainer
        if self.dis_l_weight:
            trainer = functools.partial(FeatureMatchingTrainer, self.dis_l_weight)
        return trainer(
            num_epochs=self.num_epochs,
            batch_size=self.batch_size,
            lr=self.lr,
            solo_epochs=self.solo_epochs if self.discriminator else self.num_epochs,
            lr_schedule=self.lr_schedule,
            beta1=self.beta1,
            binarise_input=self.binarise_input,
            augment=self.augment,
            flip=self.flip,
            kl_weight=self.kl_weight,
            seed=seed,
            disc_weight=self.disc_weight,
            pbp_weight=self.pbp_weight,
            pbp_decay=self.pbp_decay,
            pbp_decay_every=self.pbp_decay_every,
            disc_weighting=self.disc_weighting,
            disc_warmup_epochs=self.disc_warmup_epochs,
            disc_ramp_epochs=self.disc_ramp_epochs,
        )

    # Running

    def train(self, seed, data):
        """Train one seed, or go on with it, or load it if it is finished; the networks.

        Raises CourseError if another process trains it. One that another process looks at, when
        runs with the same control start side by side, is loaded.
        """
        if not 0 <= seed < 2**32:
            raise CourseError(f'A seed is a number from 0 to 2**32 - 1, but was {seed}.')
        folder = self.work / f'seed_{seed}'
        try:
            with files.locked(folder, f'{self.folder}, seed {seed},'):
                self._keep_parameters()
                vae, disc = self.networks(data.shape, seed)
                self.trainer(seed).fit(vae, data, disc, Checkpoint(folder / 'checkpoint'))
        except LockedError:
            if self.trained(seed) is None:
                raise
            self._keep_parameters()
            vae, disc = self.load(seed, data.shape)
        return vae, disc

    def _keep_parameters(self):
        """Write the parameters beside the checkpoints; refuse checkpoints of other parameters."""
        path = self.work / 'parameters.yaml'
        if not path.exists():
            files.write_whole(path, yaml.safe_dump(self.parameters()).encode())
        elif not self.is_stored_in(path):
            raise CourseError(
                f'{self.work} was begun with other parameters: delete that folder, '
                'or give the run another name.'
            )

    def is_stored_in(self, path):
        """Whether a `parameters.yaml` is of this experiment: what it lacks has its default."""
        try:
            return Experiment(**yaml.safe_load(path.read_text())).parameters() == self.parameters()
        except (CourseError, TypeError, yaml.YAMLError):
            return False

    def trained(self, seed):
        """Statistics of a seed whose training is finished, a row an epoch, or None."""
        rows = self.rows(seed)
        return rows if len(rows) == self.num_epochs else None

    def rows(self, seed):
        """Statistics of a seed so far, a row an epoch."""
        return Checkpoint(self.work / f'seed_{seed}' / 'checkpoint').rows()

    def load(self, seed, shape):
        """The networks of a finished seed; CourseError if it is not finished here."""
        if self.trained(seed) is None:
            raise CourseError(
                f'{self.folder} has no finished seed {seed} on this machine: run it first.'
            )
        vae, disc = self.networks(shape, seed)
        checkpoint = self.work / f'seed_{seed}' / 'checkpoint'
        files.load_weights(vae, checkpoint / 'vae.safetensors')
        if disc:
            files.load_weights(disc, checkpoint / 'disc.safetensors')
        return vae, disc




def sentence(error):
    """One of pydantic's errors in one sentence."""
    name, given = '.'.join(map(str, error['loc'])), error['input']
    if error['type'] == 'extra_forbidden':
        return (
            f'Unknown parameter {name}: this course knows '
            f'{", ".join(n for n in Experiment.model_fields if n not in NOT_PARAMETERS)}.'
        )
    if not name:
        return error['msg'].removeprefix('Value error, ') + '.'
    hint = ' (in YAML a number like 1e-4 is written 1.0e-4)' if is_number(given) else ''
    return f'Parameter {name} {error["msg"].removeprefix("Input ")}, but was {given!r}{hint}.'


def is_number(given):
    try:
        return isinstance(given, str) and bool(onp.isfinite(float(given)))
    except ValueError:
        return False
