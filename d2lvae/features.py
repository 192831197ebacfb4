"""A small digit classifier, trained once and frozen: the features behind the Frechet distance.

The Inception net of the usual FID has never seen a digit, and is a download. The authors of the FID
advise a classifier of the data itself (github.com/bioinf-jku/TTUR/issues/24); such distances can be
compared only with others on the same weights, so the weights are a part of this package and their
SHA-256 is a constant of this module. `python -m d2lvae.features` trains them again.
"""

import hashlib
import json
from pathlib import Path

import numpy as onp
import safetensors.numpy
from mxnet import autograd, gluon, lr_scheduler, np
from mxnet.gluon import nn
from numpy.lib.stride_tricks import sliding_window_view

from d2lvae.data import MNIST, to_float
from d2lvae.files import write_whole
from d2lvae.vae import initialize

DIGIT_CLASSIFIER = Path(__file__).with_name('frozen') / 'digit_classifier.safetensors'
DIGIT_CLASSIFIER_SHA256 = '46193e09c183c314a7642bd8f3dc784b18f3c35f8313d73b03ce7b2cd5076f71'
MAX_SHIFT = 2  # pixels; digits of other writers are centred a little differently
PREDICTION_BATCH = 500


class DigitClassifier(nn.HybridBlock):
    """A LeNet with ReLU and max-pooling (LeCun et al. 1998): digits to logits (N, 10).

    Digits are (N, 1, 28, 28), float32 in [0, 1]: MXNet arrays in a call, NumPy in the methods.

    `provenance` is a dict (data, data_sha256, seed, num_epochs, test_accuracy) if the weights were
    loaded from the package's file, and empty otherwise.
    """

    distance, knows_labels = 'frechet', True  # what `metrics` asks it for

    def __init__(self):
        super().__init__(prefix='digit_')  # weights keep their names however many nets there are
        self.provenance = {}
        with self.name_scope():
            self.body = nn.HybridSequential(prefix='')
            self.body.add(
                nn.Conv2D(16, 5, padding=2, in_channels=1, activation='relu'),
                nn.MaxPool2D(),
                nn.Conv2D(32, 5, in_channels=16, activation='relu'),
                nn.MaxPool2D(),
                nn.Dense(64, in_units=32 * 5 * 5, activation='relu'),
            )
            self.logits = nn.Dense(10, in_units=64)

    def hybrid_forward(self, F, X):
        return self.logits(self.body(X))

    def features(self, X):
        """Activations before the last layer, NumPy (N, 64), >= 0."""
        return in_batches(self.body, X)

    def predict(self, X):
        """The likeliest digit of each picture, NumPy (N,), integers from 0 to 9."""
        return in_batches(self, X).argmax(axis=1)

    def accuracy(self, X, labels):
        """Share of the pictures that get their label, NumPy (N,)."""
        return float((self.predict(X) == labels).mean())


def in_batches(net, X):
    """Outputs of `net` for the NumPy pictures X, concatenated, as NumPy."""
    return onp.concatenate(
        [
            net(np.array(X[i : i + PREDICTION_BATCH])).asnumpy()
            for i in range(0, len(X), PREDICTION_BATCH)
        ]
    )


def shifted(images, rng):
    """Every picture of (N, C, H, W) moved by up to MAX_SHIFT pixels either way, zeros moved in."""
    height, width = images.shape[2:]
    padded = onp.pad(images, [(0, 0), (0, 0), (MAX_SHIFT,) * 2, (MAX_SHIFT,) * 2])
    windows = sliding_window_view(padded, (height, width), axis=(2, 3))
    down, right = rng.integers(2 * MAX_SHIFT + 1, size=(2, len(images)))
    return windows[onp.arange(len(images)), :, down, right]


def train_digit_classifier(images, labels, num_epochs=10, lr=2e-3, batch_size=100, seed=0):
    """Train a `DigitClassifier`, its digits shifted a little at random.

    Parameters
    ----------
    images, labels : numpy.ndarray
        uint8 digits (N, 1, 28, 28) and their labels (N,).
    seed : int
        Fixes first weights, order and shifts; the same number of threads gives the same weights.

    Raises
    ------
    ValueError
        If there are fewer digits than one batch holds: no step would be made.
    """

    def examples(batch, rng):
        return shifted(images[batch], rng), labels[batch]

    net = initialize(DigitClassifier(), seed)
    return fit(net, examples, len(images), num_epochs, lr, batch_size, seed)


def fit(net, examples, num, num_epochs, lr, batch_size, seed):
    """Train a classifier with Adam and a cosine schedule; returns it.

    `examples(batch, rng)` gives the uint8 pictures and the labels at positions `batch` < `num`.
    """
    if num < batch_size:
        raise ValueError(f'{num} pictures do not fill one batch of {batch_size}.')
    schedule = lr_scheduler.CosineScheduler(num_epochs * (num // batch_size), base_lr=lr)
    trainer = gluon.Trainer(
        net.collect_params(), 'adam', {'learning_rate': lr, 'lr_scheduler': schedule}
    )
    cross_entropy = gluon.loss.SoftmaxCrossEntropyLoss()
    for epoch in range(num_epochs):
        rng = onp.random.default_rng([seed, epoch])
        order = rng.permutation(num)
        for i in range(0, num - batch_size + 1, batch_size):
            images, labels = examples(order[i : i + batch_size], rng)
            X = to_float(np.array(images))
            with autograd.record():
                loss = cross_entropy(net(X), np.array(labels))
            loss.backward()
            trainer.step(batch_size)
    return net


def round_to_float16(net):
    """Round all weights to what a file of `save` keeps of them."""
    for parameter in net.collect_params().values():
        parameter.set_data(parameter.data().astype('float16').astype('float32'))


def save(net, path, **provenance):
    """Write the weights as float16, with the provenance; returns the file's SHA-256."""
    weights = {
        name: p.data().asnumpy().astype('float16') for name, p in net.collect_params().items()
    }
    # One entry only: safetensors writes several in a random order, and the hash would change.
    content = safetensors.numpy.save(weights, {'provenance': json.dumps(provenance)})
    write_whole(path, content)
    return hashlib.sha256(content).hexdigest()


def load(net, path, sha256):
    """The new net `net` with the weights and the provenance of a file, frozen.

    Raises
    ------
    ValueError
        If the file's SHA-256 is not `sha256`: other weights give other distances.
    """
    found = hashlib.sha256(path.read_bytes()).hexdigest()
    if found != sha256:
        raise ValueError(
            f'{path} does not hold the weights of this course (its SHA-256 is {found}): '
            'restore the file from git.'
        )
    net.initialize('zeros')  # draws nothing: loading leaves the global generators alone
    net.hybridize(static_alloc=True)
    net.collect_params().setattr('grad_req', 'null')
    with safetensors.safe_open(path, 'numpy') as stored:
        for name, parameter in net.collect_params().items():
            parameter.set_data(np.array(stored.get_tensor(name), dtype='float32'))
        net.provenance = json.loads(stored.metadata()['provenance'])
    return net


def load_digit_classifier(path=DIGIT_CLASSIFIER, sha256=DIGIT_CLASSIFIER_SHA256):
    """The frozen classifier of the metrics; ValueError if the file is not that of this course."""
    return load(DigitClassifier(), path, sha256)


def main(seed=0, num_epochs=10):
    """Train the classifier on MNIST and store it with the accuracy of what was stored."""
    data = MNIST()
    net = train_digit_classifier(data.train_images, data.train_labels, num_epochs, seed=seed)
    round_to_float16(net)
    accuracy = net.accuracy(to_float(data.held_out_images), data.held_out_labels)
    sha256 = save(
        net,
        DIGIT_CLASSIFIER,
        data='mnist',
        data_sha256=data.fingerprint,
        seed=seed,
        num_epochs=num_epochs,
        test_accuracy=accuracy,
    )
    print(f'test accuracy {accuracy:.4f}, SHA-256 {sha256}')


if __name__ == '__main__':
    main()
