"""A small net that names the parts of a drawn face, trained once and frozen: features as a loss.

DiceBear chooses the eyes, the eyebrows, the mouth and the hair of every avatar, so labels cost
nothing. The net that scores faces (`frozen.faces`) was trained on other pictures and for another
purpose: what wins here does not win there for that reason alone. `python -m
d2lvae.frozen.attributes` trains it again.
"""

from pathlib import Path

import numpy as onp
from mxnet.gluon import nn

from d2lvae.data import AvatarFaces, to_float
from d2lvae.data.avatars import parts
from d2lvae.frozen.nets import fit, in_batches, load, round_to_float16, save, shifted
from d2lvae.layers import initialize

ATTRIBUTE_NET = Path(__file__).with_name('attribute_net.safetensors')
ATTRIBUTE_NET_SHA256 = 'c1197be8798f970346e7fb3131d7519380688bba4c47dd15688f3ff3d786ccc8'
PARTS = {'eyes': 26, 'eyebrows': 15, 'mouth': 30, 'hair': 45}  # and the variants of each
CHANNELS = 16, 32, 64, 128
EARLY = 3  # of the layers: two convolutions and a pooling between them
SIDE = 64  # pixels of the faces that it knows


class AttributeNet(nn.HybridBlock):
    """Faces to the logits of the variants of their parts, (N, 4, 45), of which some never occur.

    Faces are (N, 3, 64, 64), float32 in [0, 1]: MXNet arrays in a call, NumPy in the methods.

    `provenance` is a dict (data, data_sha256, seed, num_epochs, test_accuracy) if the weights were
    loaded from the package's file, and empty otherwise.
    """

    def __init__(self):
        super().__init__(prefix='attributes_')  # weights keep their names however many nets
        self.provenance = {}
        with self.name_scope():
            self.stages = nn.HybridSequential(prefix='')
            inputs = 3
            for outputs in CHANNELS:
                self.stages.add(
                    nn.Conv2D(outputs, 3, padding=1, in_channels=inputs, activation='relu'),
                    nn.MaxPool2D(),
                )
                inputs = outputs
            self.hidden = nn.Dense(256, in_units=inputs * (SIDE // 2**4) ** 2, activation='relu')
            self.logits = nn.Dense(len(PARTS) * max(PARTS.values()), in_units=256)

    def hybrid_forward(self, F, X):
        logits = self.logits(self.hidden(self.stages(X)))
        return F.npx.reshape(logits, (-2, len(PARTS), max(PARTS.values())))

    @property
    def early(self):
        """The first layers, whose maps (N, 32, 32, 32) are compared: edges, and what they form."""
        return self.stages[:EARLY]

    def accuracy(self, X, labels):
        """Share of the parts (N, 4) that are named right."""
        return float((in_batches(self, X).argmax(axis=2) == labels).mean())


def labels_of(part, num):
    """The variants of the first `num` faces of 'train' or 'held-out', from 0, (num, 4)."""
    return onp.array([parts(f'{part}-{i}', PARTS) for i in range(num)])


def train_attribute_net(images, labels, num_epochs=20, lr=2e-3, batch_size=50, seed=0):
    """Train an `AttributeNet`, its faces shifted a little at random.

    Parameters
    ----------
    images, labels : numpy.ndarray
        uint8 faces (N, 3, 64, 64) and the variants of their parts (N, 4).
    seed : int
        Fixes first weights, order and shifts; the same number of threads gives the same weights.

    Raises
    ------
    ValueError
        If there are fewer faces than one batch holds: no step would be made.
    """

    def examples(batch, rng):
        return shifted(images[batch], rng), labels[batch]

    net = initialize(AttributeNet(), seed)
    return fit(net, examples, len(images), num_epochs, lr, batch_size, seed)


def load_attribute_net(path=ATTRIBUTE_NET, sha256=ATTRIBUTE_NET_SHA256):
    """The frozen net; ValueError if the file is not that of this course."""
    return load(AttributeNet(), path, sha256)


def main(seed=0, num_epochs=20, num_train=6400, num_held_out=1600):
    """Train the net on drawn faces and store it with the accuracy of what was stored."""
    data = AvatarFaces(num_train, num_held_out, SIDE)
    labels = labels_of('train', num_train)
    net = train_attribute_net(data.train_images, labels, num_epochs, seed=seed)
    round_to_float16(net)
    accuracy = net.accuracy(to_float(data.held_out_images), labels_of('held-out', num_held_out))
    sha256 = save(
        net,
        ATTRIBUTE_NET,
        data=data.name,
        data_sha256=data.fingerprint,
        seed=seed,
        num_epochs=num_epochs,
        test_accuracy=accuracy,
    )
    print(f'test accuracy {accuracy:.4f}, SHA-256 {sha256}')


if __name__ == '__main__':
    main()
