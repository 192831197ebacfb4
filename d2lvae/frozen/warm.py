"""Warm starts: plain VAEs, trained once and kept, so that a live minute is spent on what is new.

`python -m d2lvae.frozen.warm NAME` trains one of them again, and says how good it is.
"""

import argparse
from pathlib import Path

from d2lvae import metrics
from d2lvae.base import files
from d2lvae.base.choices import TrainingParameters
from d2lvae.data import load_data, to_float
from d2lvae.layers import initialize
from d2lvae.training import Trainer
from d2lvae.vae import make_vae

WARM_STARTS = {  # the arguments of load_data, of make_vae, and the training's parameters
    'digits': (
        {'dataset': 'mnist'},
        {'name': 'DenseVAE', 'shape': (1, 28, 28), 'latents': 8, 'hidden_nodes': 300},
        {'num_epochs': 10, 'lr_schedule': 'cosine'},
    ),
    'avatars': (
        {'dataset': 'avatars', 'image_size': 32, 'num_train': 6400, 'num_held_out': 1600},
        {'name': 'ConvVAE', 'shape': (3, 32, 32), 'latents': 64, 'base_channels': 32},
        {
            'num_epochs': 20,
            'batch_size': 32,
            'lr_schedule': 'cosine',
            'kl_weight': 0.2,
            'flip': True,
        },
    ),
}


def file_of(name):
    """Where a warm start is kept."""
    return Path(__file__).with_name(f'warm_{name}.safetensors')


def load_warm(name):
    """A new VAE of `WARM_STARTS` with the kept weights, ready to be trained on."""
    vae = fresh(name)
    files.load_weights(vae, file_of(name))
    return vae


def fits(name, vae):
    """Whether a VAE has the layers of a warm start."""
    return shapes(vae) == shapes(fresh(name))


def train_warm(name, seed=0):
    """Train a warm start, and keep it as float16; the VAE as it was trained."""
    vae, training = fresh(name), WARM_STARTS[name][2]
    Trainer(TrainingParameters(**training), seed).fit(vae, data_of(name))
    files.save_weights(vae, file_of(name), dtype='float16')
    return vae


def data_of(name):
    return load_data(**WARM_STARTS[name][0])


def fresh(name):
    return initialize(make_vae(**WARM_STARTS[name][1]), seed=0)


def shapes(vae):
    return [p.shape for p in vae.collect_params().values()]


def main(arguments=None):
    """Train a warm start and say how good what was kept is."""
    parser = argparse.ArgumentParser(prog='python -m d2lvae.frozen.warm', description=main.__doc__)
    parser.add_argument('name', choices=WARM_STARTS)
    name = parser.parse_args(arguments).name
    train_warm(name)
    X = to_float(data_of(name).held_out_images)
    X_hat = metrics.reconstruct(load_warm(name), X)
    print(f'held out: {metrics.psnr(X, X_hat):.2f} dB,', end=' ')
    print(f'sharpness {metrics.sharpness_ratio(X, X_hat):.2f}')


if __name__ == '__main__':
    main()
