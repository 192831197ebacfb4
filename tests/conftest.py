"""What several tests share: pictures to measure, a net that knows them, a count of epochs."""

import numpy as onp
import pytest

from d2lvae.data import MNIST, to_float
from d2lvae.frozen.digits import load_digit_classifier
from d2lvae.training import Trainer


@pytest.fixture(scope='module')
def mnist():
    return MNIST()


@pytest.fixture(scope='module')
def digits(mnist):
    return to_float(mnist.held_out_images[:500])


@pytest.fixture(scope='module')
def training_digits(mnist):
    return to_float(mnist.train_images[:500])


@pytest.fixture(scope='module')
def classifier():
    return load_digit_classifier()


@pytest.fixture(scope='module')
def textures():
    """Colour pictures whose power falls with frequency, as that of real ones does."""
    rows, columns = onp.fft.fftfreq(32)[:, None], onp.fft.fftfreq(48)
    noise = onp.random.default_rng(0).standard_normal((300, 3, 32, 48))
    X = onp.fft.ifft2(onp.fft.fft2(noise) / (0.05 + onp.hypot(rows, columns)) ** 1.5).real
    return onp.clip(0.5 + 0.1 * X / X.std(), 0.2, 0.8).astype('float32')


@pytest.fixture
def epochs(monkeypatch):
    """The epochs that are really trained from here on."""
    seen, fit_epoch = [], Trainer.fit_epoch

    def noted(self, report):
        seen.append(self.epoch)
        return fit_epoch(self, report)

    monkeypatch.setattr(Trainer, 'fit_epoch', noted)
    return seen
