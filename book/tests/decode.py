"""The Python decoder's pictures of latents: JSON on standard input and output. Needs MXNet."""

import json
import sys

from mxnet import np

import d2lvae  # noqa: F401, sets MXNet up
from d2lvae.frozen.decoder import load_mnist_decoder

vae, means = load_mnist_decoder()
latents = [*json.load(sys.stdin), *means[:20].tolist()]
pictures = vae.generate(np.array(latents, dtype='float32')).asnumpy().reshape(len(latents), -1)
json.dump({'latents': latents, 'pictures': pictures.tolist()}, sys.stdout)
