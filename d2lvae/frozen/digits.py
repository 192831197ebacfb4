"""A small digit classifier, trained once and frozen: the features behind the Frechet distance.

The Inception net of the usual FID has never seen a digit, and is a download. The authors of the FID
advise a classifier of the data itself (github.com/bioinf-jku/TTUR/issues/24); such distances can be
compared only with others on the same weights, so the weights are a part of this package and their
SHA-256 is a constant of this module. `python -m d2lvae.frozen.digits` trains them again.
"""

from pathlib import Path

from mxnet.gluon import nn

from d2lvae.data import MNIST
from d2lvae.frozen.nets import Classifier, fit_shifted, keep, load

DIGIT_CLASSIFIER = Path(__file__).with_name('digit_classifier.safetensors')
DIGIT_CLASSIFIER_SHA256 = '46193e09c183c314a7642bd8f3dc784b18f3c35f8313d73b03ce7b2cd5076f71'


class DigitClassifier(Classifier):
    """A LeNet with ReLU and max-pooling (LeCun et al. 1998).

    Digits (N, 1, 28, 28) to logits (N, 10); the features are 64 numbers >= 0.
    """

    distance, knows_labels = 'frechet', True  # what `metrics` asks it for

    def __init__(self):
        super().__init__('digit_', lenet, 64, 10)


def lenet():
    body = nn.HybridSequential(prefix='')
    body.add(
        nn.Conv2D(16, 5, padding=2, in_channels=1, activation='relu'),
        nn.MaxPool2D(),
        nn.Conv2D(32, 5, in_channels=16, activation='relu'),
        nn.MaxPool2D(),
        nn.Dense(64, in_units=32 * 5 * 5, activation='relu'),
    )
    return body


def train_digit_classifier(images, labels, num_epochs=10, lr=2e-3, batch_size=100, seed=0):
    """Train a `DigitClassifier` on uint8 digits and their labels (N,); see `nets.fit`."""
    return fit_shifted(DigitClassifier(), images, labels, num_epochs, lr, batch_size, seed)


def load_digit_classifier(path=DIGIT_CLASSIFIER, sha256=DIGIT_CLASSIFIER_SHA256):
    """The frozen classifier of the metrics; ValueError if the file is not that of this course."""
    return load(DigitClassifier(), path, sha256)


def main(seed=0, num_epochs=10):
    """Train the classifier on MNIST and store it with the accuracy of what was stored."""
    data = MNIST()
    net = train_digit_classifier(data.train_images, data.train_labels, num_epochs, seed=seed)
    keep(net, DIGIT_CLASSIFIER, data, data.held_out_labels, seed=seed, num_epochs=num_epochs)


if __name__ == '__main__':
    main()
