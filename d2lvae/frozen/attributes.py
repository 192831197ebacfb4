"""A small net that names the parts of a drawn face, trained once and frozen: features as a loss.

DiceBear chooses the eyes, the eyebrows, the mouth and the hair of every avatar, so labels cost
nothing. The net that scores faces (`frozen.faces`) was trained on other pictures and for another
purpose: what wins here does not win there for that reason alone. `python -m
d2lvae.frozen.attributes` trains it again.
"""

from pathlib import Path

import numpy as onp
from mxnet.gluon import nn

from d2lvae.data import AvatarFaces
from d2lvae.data.avatars import parts
from d2lvae.frozen.nets import Classifier, fit_shifted, keep, load

ATTRIBUTE_NET = Path(__file__).with_name('attribute_net.safetensors')
ATTRIBUTE_NET_SHA256 = 'c1197be8798f970346e7fb3131d7519380688bba4c47dd15688f3ff3d786ccc8'
PARTS = {'eyes': 26, 'eyebrows': 15, 'mouth': 30, 'hair': 45}  # and the variants of each
CHANNELS = 16, 32, 64, 128
EARLY = 3  # of the layers: two convolutions and a pooling between them
SIDE = 64  # pixels of the faces that it knows


class AttributeNet(Classifier):
    """Faces (N, 3, 64, 64) to the logits of the variants of their parts, (N, 4, 45).

    Some of the variants never occur. Predictions and labels are of the parts, (N, 4).
    """

    def __init__(self):
        super().__init__('attributes_', stages, 256, len(PARTS) * max(PARTS.values()))

    def hybrid_forward(self, F, X):
        logits = super().hybrid_forward(F, X)
        return F.npx.reshape(logits, (-2, len(PARTS), max(PARTS.values())))

    @property
    def early(self):
        """The first layers, whose maps (N, 32, 32, 32) are compared: edges, and what they form."""
        return self.body[:EARLY]


def stages():
    body, inputs = nn.HybridSequential(prefix=''), 3
    for outputs in CHANNELS:
        body.add(
            nn.Conv2D(outputs, 3, padding=1, in_channels=inputs, activation='relu'),
            nn.MaxPool2D(),
        )
        inputs = outputs
    body.add(nn.Dense(256, in_units=inputs * (SIDE // 2**4) ** 2, activation='relu'))
    return body


def labels_of(part, num):
    """The variants of the first `num` faces of 'train' or 'held-out', from 0, (num, 4)."""
    return onp.array([parts(f'{part}-{i}', PARTS) for i in range(num)])


def train_attribute_net(images, labels, num_epochs=20, lr=2e-3, batch_size=50, seed=0):
    """Train an `AttributeNet` on uint8 faces and their parts (N, 4); see `nets.fit`."""
    return fit_shifted(AttributeNet(), images, labels, num_epochs, lr, batch_size, seed)


def load_attribute_net(path=ATTRIBUTE_NET, sha256=ATTRIBUTE_NET_SHA256):
    """The frozen net; ValueError if the file is not that of this course."""
    return load(AttributeNet(), path, sha256)


def main(seed=0, num_epochs=20, num_train=6400, num_held_out=1600):
    """Train the net on drawn faces and store it with the accuracy of what was stored."""
    data = AvatarFaces(num_train, num_held_out, SIDE)
    labels = labels_of('train', num_train)
    net = train_attribute_net(data.train_images, labels, num_epochs, seed=seed)
    held_out = labels_of('held-out', num_held_out)
    keep(net, ATTRIBUTE_NET, data, held_out, seed=seed, num_epochs=num_epochs)


if __name__ == '__main__':
    main()
