"""What the frozen nets have in common: their training, and their files of float16 weights."""

import hashlib
import json

import numpy as onp
import safetensors.numpy
from mxnet import autograd, gluon, lr_scheduler, np
from mxnet.gluon import nn
from numpy.lib.stride_tricks import sliding_window_view

from d2lvae.base.files import write_whole
from d2lvae.data import to_float
from d2lvae.layers import initialize

MAX_SHIFT = 2  # pixels; digits of other writers are centred a little differently
PREDICTION_BATCH = 500


class Classifier(nn.HybridBlock):
    """A body, whose outputs are the features, and a linear layer from them to the logits (N, C).

    Pictures are float32 in [0, 1]: MXNet arrays in a call, NumPy in the methods.

    `provenance` is a dict (data, data_sha256, seed, num_epochs, test_accuracy) if the weights were
    loaded from the package's file, and empty otherwise.
    """

    def __init__(self, prefix, make_body, num_features, num_classes):
        super().__init__(prefix=prefix)  # weights keep their names however many nets there are
        self.provenance = {}
        with self.name_scope():
            self.body = make_body()
            self.logits = nn.Dense(num_classes, in_units=num_features)

    def hybrid_forward(self, F, X):
        return self.logits(self.body(X))

    def features(self, X):
        """Activations before the last layer, NumPy (N, features)."""
        return in_batches(self.body, X)

    def predict(self, X):
        """The likeliest class of each picture, NumPy (N,), integers from 0."""
        return in_batches(self, X).argmax(axis=-1)

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


def fit_shifted(net, images, labels, num_epochs, lr, batch_size, seed):
    """Train a new classifier on uint8 pictures (N, C, H, W) shifted at random, as `fit` does."""

    def examples(batch, rng):
        return shifted(images[batch], rng), labels[batch]

    return fit(net, examples, len(images), num_epochs, lr, batch_size, seed)


def fit(net, examples, num, num_epochs, lr, batch_size, seed):
    """Train a new classifier with Adam and a cosine schedule; returns it.

    Parameters
    ----------
    examples : function of (batch, rng)
        Gives the uint8 pictures and the labels at positions `batch` < `num`.
    seed : int
        Fixes first weights, order and changes; the same number of threads gives the same weights.

    Raises
    ------
    ValueError
        If there are fewer pictures than one batch holds: no step would be made.
    """
    initialize(net, seed)
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


def keep(net, path, data, *labels, **training):
    """Store a trained net, with the accuracy of what is stored on the held-out pictures."""
    round_to_float16(net)
    accuracy = net.accuracy(to_float(data.held_out_images), *labels)
    facts = {'data': data.name, 'data_sha256': data.fingerprint, **training}
    sha256 = save(net, path, **facts, test_accuracy=accuracy)
    print(f'test accuracy {accuracy:.4f}, SHA-256 {sha256}')


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
