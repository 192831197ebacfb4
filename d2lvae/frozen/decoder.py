"""The 5-latent decoder that chapter 01 explores, kept as float16 so that nobody need train it."""

from pathlib import Path

from safetensors.numpy import load_file

from d2lvae import metrics
from d2lvae.base import files
from d2lvae.data import to_float
from d2lvae.layers import initialize
from d2lvae.vae import make_vae

EXPLORED = 'DenseVAE_on_MNIST/5_3_400_bce_150_jitter0.4_binarised_cosine'  # by chapter 01
MNIST_DECODER = Path(__file__).with_name('mnist_decoder.safetensors')


def keep_mnist_decoder(experiment, seed, data):
    """Keep a finished seed's decoder, and its means of the held-out digits, as float16."""
    vae, _ = experiment.load(seed, data.shape)
    means = metrics.reconstructions(vae, to_float(data.held_out_images)).mu
    files.save_weights(vae.decoder, MNIST_DECODER, dtype='float16', means=means)


def load_mnist_decoder():
    """A VAE with the kept decoder, its encoder untrained, and the kept means (10000, 5)."""
    vae = initialize(make_vae('DenseVAE', (1, 28, 28)), seed=0)
    files.load_weights(vae.decoder, MNIST_DECODER)
    return vae, load_file(MNIST_DECODER)['means'].astype('float32')
