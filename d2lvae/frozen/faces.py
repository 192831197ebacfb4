"""A small net that knows which way up a face is, trained once and frozen: features of faces.

Anime faces have no labels, and the Inception net of the usual distances is a download. A net that
must tell by how many quarters a picture is turned learns what a face consists of without any
(Gidaris et al. 2018). `python -m d2lvae.frozen.faces` trains it again; as with the digit
classifier of `features`, the weights are a part of this package.
"""

from pathlib import Path

import numpy as onp
from mxnet import np
from mxnet.gluon import nn

from d2lvae.data import AnimeFaces, to_float
from d2lvae.frozen.nets import Classifier, fit, in_batches, keep, load, shifted

FACE_FEATURES = Path(__file__).with_name('face_features.safetensors')
FACE_FEATURES_SHA256 = 'fd35b7b7411bc5e639ce359c0474ce6599c3b67369c7d55b847646cc88827600'
CHANNELS = 32, 64, 96, 128
KERNELS = 5, 3, 3, 3
LEAST_SD = 1e-3  # of a feature over the training faces; keeps dead ones finite


class Stages(nn.HybridBlock):
    """Pictures (N, 3, H, W) to the means of all maps of four convolutions, standardised, (N, 320).

    The first stages see colours, edges and noise, the last ones how the parts of a face lie.
    """

    def __init__(self):
        super().__init__(prefix='')
        fixed = {'shape': (sum(CHANNELS),), 'grad_req': 'null'}
        self.mean = self.params.get('mean', init='zeros', **fixed)
        self.sd = self.params.get('sd', init='ones', **fixed)
        self.stages = nn.HybridSequential(prefix='')
        inputs = 3
        for outputs, kernel in zip(CHANNELS, KERNELS, strict=True):
            stage = nn.HybridSequential(prefix='')
            stage.add(
                nn.Conv2D(outputs, kernel, 2, kernel // 2, in_channels=inputs, use_bias=False),
                nn.BatchNorm(in_channels=outputs),
                nn.Activation('relu'),
            )
            self.stages.add(stage)
            inputs = outputs

    def hybrid_forward(self, F, X, mean, sd):
        means = []
        for stage in self.stages:
            X = stage(X)
            means.append(X.mean(axis=(2, 3)))
        return (F.np.concatenate(means, axis=1) - mean) / sd


class FaceFeatures(Classifier):
    """Turned pictures (N, 3, H, W) to the logits of 0 to 3 quarters, counterclockwise, (N, 4).

    The features are 320 numbers.
    """

    distance, knows_labels = 'kernel', False  # what `metrics` asks it for

    def __init__(self):
        super().__init__('face_', Stages, sum(CHANNELS), 4)

    def standardise(self, X):
        """Give the features of the pictures X mean 0 and deviation 1, and keep all logits.

        A kernel sees large features first, and which of them are large is chance.
        """
        F, weight = in_batches(self.body, X), self.logits.weight.data()
        mean, sd = np.array(F.mean(axis=0)), np.array(onp.maximum(F.std(axis=0), LEAST_SD))
        self.logits.bias.set_data(self.logits.bias.data() + np.dot(weight, mean))
        self.logits.weight.set_data(weight * sd)
        self.body.mean.set_data(mean)
        self.body.sd.set_data(sd)

    def accuracy(self, X):
        """Share of right answers over the pictures X in all four positions."""
        right = [self.predict(turned(X, onp.full(len(X), k))) == k for k in range(4)]
        return float(onp.mean(right))


def turned(images, quarters):
    """Every picture of (N, C, S, S) turned counterclockwise by its own number of quarters."""
    pairs = zip(images, quarters, strict=True)
    return onp.stack([onp.rot90(image, k, axes=(1, 2)) for image, k in pairs])


def mirrored(images, rng):
    """Every second picture of (N, C, H, W), at random, with left and right exchanged."""
    chosen = rng.random(len(images)) < 0.5
    return onp.where(chosen[:, None, None, None], images[..., ::-1], images)


def train_face_features(images, num_epochs=6, lr=2e-3, batch_size=100, seed=0):
    """Train `FaceFeatures` on pictures mirrored, shifted and turned at random, then standardise.

    `images` are uint8 (N, 3, S, S); see `nets.fit`. Colours stay as they are: a net that was
    trained on jittered ones sees a changed hue less.
    """

    def examples(batch, rng):
        quarters = rng.integers(4, size=len(batch))
        return turned(shifted(mirrored(images[batch], rng), rng), quarters), quarters

    net = fit(FaceFeatures(), examples, len(images), num_epochs, lr, batch_size, seed)
    net.standardise(to_float(images))
    return net


def load_face_features(path=FACE_FEATURES, sha256=FACE_FEATURES_SHA256):
    """The frozen net of the metrics; ValueError if the file is not that of this course."""
    return load(FaceFeatures(), path, sha256)


def main(seed=0, num_epochs=6):
    """Train the net on the anime faces and store it with the accuracy of what was stored."""
    data = AnimeFaces()
    net = train_face_features(data.train_images, num_epochs, seed=seed)
    keep(net, FACE_FEATURES, data, seed=seed, num_epochs=num_epochs)


if __name__ == '__main__':
    main()
