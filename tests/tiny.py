"""What several tests share: tiny pictures, networks and experiments, which train in a moment."""

import contextlib
import os
import subprocess
import sys

import numpy as onp
import pandas as pd
from mxnet.gluon import nn

from d2lvae import layers, networks
from d2lvae.base import paths
from d2lvae.data import ImageData
from d2lvae.layers import initialize
from d2lvae.runs.experiment import Experiment
from d2lvae.vae import make_vae

SHAPE = (1, 6, 5)
FACE = (3, 32, 32)
SIZES = {
    'num_train': 256,
    'num_held_out': 64,
    'latents': 2,
    'hidden_layers': 1,
    'hidden_nodes': 16,
    'num_epochs': 4,
    'batch_size': 32,
}
DISC = {'discriminator': 'DenseLogReg', 'disc_layers': 1, 'disc_nodes': 8}
FACE_SIZES = {
    'dataset': 'avatars',
    'num_train': 64,
    'num_held_out': 16,
    'image_size': 32,
    'vae': 'ConvVAE',
    'latents': 2,
    'base_channels': 2,
    'num_epochs': 4,
    'batch_size': 16,
}
CONV_DISC = {'discriminator': 'ConvDisc', 'disc_channels': 2, 'disc_norm': 'spectral'}
CONV_DISCS = {  # a discriminator of each way to keep it in bounds
    'batch': lambda: networks.ConvDisc(FACE, 2, 'batch'),
    'spectral': lambda: networks.ConvDisc(FACE, 2, 'spectral'),
    'none': lambda: networks.ConvDisc(FACE, 2, 'none'),
    'ResNet': lambda: networks.ResNet(FACE, 2),
}


def pictures(num, shape=SHAPE, seed=0):
    return onp.random.default_rng(seed).integers(256, size=(num, *shape), dtype='uint8')


def image_data(num=32, kind=ImageData, shape=SHAPE):
    labels, held_out = onp.arange(num) % 10, pictures(8, shape, seed=1)
    return kind('tiny', (pictures(num, shape), labels), (held_out, labels[:8]), 'drawn here')


def shape_of(pair):
    return SHAPE if pair == 'dense' else FACE


def vae_and_disc(seed=0, pbp_loss='bce', pair='dense'):
    """A dense pair, or a convolutional one whose discriminator is in `CONV_DISCS`."""
    if pair == 'dense':
        sizes = {'latents': 2, 'hidden_layers': 1, 'hidden_nodes': 16}
        vae = make_vae('DenseVAE', SHAPE, pbp_loss, **sizes)
        disc = networks.DenseLogReg(SHAPE, 1, 8)
    else:
        vae = make_vae('ConvVAE', FACE, pbp_loss, latents=2, base_channels=2)
        disc = CONV_DISCS[pair]()
    return initialize(vae, seed), initialize(disc, seed)


def solo(**changes):
    """A VAE alone on a few real digits, with everything random that a training can have."""
    noise = {'lr_schedule': 'cosine', 'binarise_input': True, 'augment': 0.5}
    return Experiment(**SIZES | noise | changes)


def combo(**changes):
    """Two solo epochs, then two against a discriminator."""
    return solo(**DISC | {'solo_epochs': 2, 'disc_weight': 3.0} | changes)


def face(**changes):
    """A convolutional VAE alone on a few faces, with everything random that faces can have."""
    noise = {'lr_schedule': 'cosine', 'flip': True, 'augment': 0.5, 'kl_weight': 0.5}
    return Experiment(**FACE_SIZES | noise | changes)


def face_combo(**changes):
    """Two solo epochs, then two against a convolutional discriminator."""
    weights = {'solo_epochs': 2, 'disc_weight': 3.0, 'pbp_decay': 0.5, 'pbp_decay_every': 0.75}
    return face(**CONV_DISC | weights | changes)


def weights(net):
    """A copy of every parameter by its name inside the network."""
    return {n: p.data().asnumpy() for n, p in net._collect_params_with_prefix().items()}


def trainable(net):
    """The parameters with a gradient by name: not batch norm's statistics, not u and v."""
    return {n: p for n, p in net._collect_params_with_prefix().items() if p.grad_req != 'null'}


def gradients(net):
    return {n: p.grad().asnumpy() for n, p in trainable(net).items()}


def swallowed(net):
    """Names of the biases that batch norm takes away again: their gradient is only rounding."""
    leaves = []
    net.apply(lambda block: None if block._children else leaves.append(block))
    leaves = [leaf for leaf in leaves if not isinstance(leaf, layers.Mean2x2)]
    before = [a for a, b in zip(leaves, leaves[1:]) if isinstance(b, nn.BatchNorm)]
    found = [a.bias for a in before if isinstance(a, nn.Conv2D | nn.Conv2DTranspose)]
    return {n for n, p in trainable(net).items() if any(p is bias for bias in found)}


def equal(a, b):
    """Whether two networks' weights are the same to the last bit."""
    return a.keys() == b.keys() and all(onp.array_equal(a[n], b[n]) for n in a)


def without_seconds(path):
    """The text of a table without what the clock says, all that may differ."""
    table = pd.read_csv(path, dtype=str)
    return table.drop(columns=['seconds', 'alone'], errors='ignore').to_csv(index=False)


def python(*arguments, runs, **options):
    """Start another Python that writes its runs to the folder `runs`."""
    here = os.pathsep.join([str(paths.ROOT / 'tests'), str(paths.ROOT)])
    inherited = os.environ.get('PYTHONPATH')
    environment = {
        **os.environ,
        'D2LVAE_RUNS': str(runs),
        'PYTHONPATH': os.pathsep.join([inherited, here]) if inherited else here,
    }
    return subprocess.Popen(
        [sys.executable, *arguments],
        env=environment,
        text=True,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        **options,
    )


@contextlib.contextmanager
def waiting_python(*arguments, runs, **options):
    """Another Python that says when it is where it shall be; it is killed with the block."""
    process = python(*arguments, runs=runs, **options)
    try:
        assert process.stdout.readline() == 'here\n', process.stderr.read()
        yield process
    finally:
        process.kill()
        process.communicate()
