"""What several tests share: tiny pictures, networks and experiments, which train in a moment."""

import contextlib
import os
import subprocess
import sys

import numpy as onp
import pandas as pd

from d2lvae import networks, paths
from d2lvae.data import ImageData
from d2lvae.experiment import Experiment
from d2lvae.vae import dense_vae, initialize

SHAPE = (1, 6, 5)
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


def pictures(num, shape=SHAPE, seed=0):
    return onp.random.default_rng(seed).integers(256, size=(num, *shape), dtype='uint8')


def image_data(num=32, kind=ImageData):
    labels = onp.arange(num) % 10
    return kind('tiny', (pictures(num), labels), (pictures(8, seed=1), labels[:8]), 'drawn here')


def vae_and_disc(seed=0, pbp_loss='bce'):
    vae = initialize(dense_vae(SHAPE, 2, 1, 16, pbp_loss), seed)
    return vae, initialize(networks.DenseLogReg(SHAPE, 1, 8), seed)


def solo(**changes):
    """A VAE alone on a few real digits, with everything random that a training can have."""
    noise = {'lr_schedule': 'cosine', 'binarise_input': True, 'augment': 0.5}
    return Experiment(**SIZES | noise | changes)


def combo(**changes):
    """Two solo epochs, then two against a discriminator."""
    return solo(**DISC | {'solo_epochs': 2, 'disc_weight': 3.0} | changes)


def weights(net):
    """A copy of every parameter by its name inside the network."""
    return {n: p.data().asnumpy() for n, p in net._collect_params_with_prefix().items()}


def gradients(net):
    return {n: p.grad().asnumpy() for n, p in net._collect_params_with_prefix().items()}


def equal(a, b):
    """Whether two networks' weights are the same to the last bit."""
    return a.keys() == b.keys() and all(onp.array_equal(a[n], b[n]) for n in a)


def without_seconds(path):
    """The text of a table without its column of times, the only one that may differ."""
    table = pd.read_csv(path, dtype=str)
    return table.drop(columns='seconds', errors='ignore').to_csv(index=False)


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
