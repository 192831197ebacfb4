"""The frozen digit classifier, and the training that made it."""

import numpy as onp
import pytest
from mxnet import autograd, np

from d2lvae.data import to_float
from d2lvae.frozen import nets
from d2lvae.frozen.digits import load_digit_classifier, train_digit_classifier
from d2lvae.frozen.nets import save, shifted
from d2lvae.layers import initialize


def weights(net):
    return {name: p.data().asnumpy() for name, p in net.collect_params().items()}


def test_the_frozen_classifier_knows_the_held_out_digits(classifier, mnist):
    found = classifier.accuracy(to_float(mnist.held_out_images), mnist.held_out_labels)
    assert found >= 0.992
    # A digit or two may fall on the other side on another CPU.
    assert found == pytest.approx(classifier.provenance['test_accuracy'], abs=5e-4)


def test_the_classifier_says_where_it_comes_from(classifier, mnist):
    provenance = classifier.provenance
    assert provenance['data'] == 'mnist' and provenance['data_sha256'] == mnist.fingerprint
    assert isinstance(provenance['seed'], int) and provenance['num_epochs'] > 0


def test_features_are_what_the_last_layer_sees(classifier, mnist):
    X = to_float(mnist.held_out_images[:40])
    F = classifier.features(X)
    assert F.shape == (40, 64) and F.dtype == 'float32' and F.min() >= 0
    last = classifier.logits
    logits = F @ last.weight.data().asnumpy().T + last.bias.data().asnumpy()
    onp.testing.assert_allclose(logits, classifier(np.array(X)).asnumpy(), rtol=1e-3, atol=1e-3)
    onp.testing.assert_array_equal(logits.argmax(axis=1), classifier.predict(X))


def test_features_do_not_depend_on_batches(classifier, mnist, monkeypatch):
    X = to_float(mnist.held_out_images[:25])
    whole = classifier.features(X)
    monkeypatch.setattr(nets, 'PREDICTION_BATCH', 10)
    onp.testing.assert_allclose(classifier.features(X), whole, rtol=1e-4, atol=1e-4)


def test_accuracy_is_the_share_of_right_labels(classifier, mnist):
    X = to_float(mnist.held_out_images[:8])
    labels = classifier.predict(X)
    labels[:2] += 1
    assert classifier.accuracy(X, labels) == 0.75


def test_shifts_move_whole_pictures_by_up_to_two_pixels():
    images = onp.zeros((400, 1, 9, 9), 'uint8')
    images[:, 0, 4, 4] = 200
    _, _, rows, columns = onp.nonzero(shifted(images, onp.random.default_rng(0)))
    assert len(rows) == 400
    assert {*zip(rows, columns, strict=True)} == {(r, c) for r in range(2, 7) for c in range(2, 7)}


def test_shifts_move_zeros_in():
    ones = onp.ones((50, 1, 5, 5), 'uint8')
    sums = {int(s) for s in shifted(ones, onp.random.default_rng(0)).sum(axis=(1, 2, 3))}
    assert sums <= {h * w for h in (3, 4, 5) for w in (3, 4, 5)} and min(sums) == 9


def test_training_learns(mnist):
    images, labels = mnist.train_images[:3000], mnist.train_labels[:3000]
    net = train_digit_classifier(images, labels, num_epochs=3)
    accuracy = net.accuracy(to_float(mnist.held_out_images[:1000]), mnist.held_out_labels[:1000])
    assert accuracy > 0.85


def test_training_is_reproducible_from_its_seed(mnist):
    images, labels = mnist.train_images[:300], mnist.train_labels[:300]
    first, again = (
        weights(train_digit_classifier(images, labels, num_epochs=2, seed=3)) for _ in range(2)
    )
    for name, weight in first.items():
        onp.testing.assert_array_equal(weight, again[name])


def test_the_seed_fixes_first_weights_and_order(mnist, monkeypatch):
    images, labels = mnist.train_images[:200], mnist.train_labels[:200]

    def first_kernels(lr):
        nets = [train_digit_classifier(images, labels, 1, lr, seed=seed) for seed in (0, 1)]
        return [weights(net)['digit_conv0_weight'] for net in nets]

    a, b = first_kernels(lr=0)
    assert (a != b).any()
    monkeypatch.setattr(nets, 'initialize', lambda net, seed: initialize(net, 0))
    a, b = first_kernels(lr=0)
    onp.testing.assert_array_equal(a, b)
    a, b = first_kernels(lr=1e-3)
    assert (a != b).any()


def test_training_refuses_less_than_one_batch(mnist):
    with pytest.raises(ValueError, match='do not fill one batch'):
        train_digit_classifier(mnist.train_images[:99], mnist.train_labels[:99])


def test_what_is_saved_is_loaded_again_as_float16(mnist, tmp_path):
    net = train_digit_classifier(mnist.train_images[:100], mnist.train_labels[:100], num_epochs=1)
    path = tmp_path / 'net.safetensors'
    sha256 = save(net, path, seed=0, test_accuracy=0.5)
    assert save(net, path, seed=0, test_accuracy=0.5) == sha256
    loaded = load_digit_classifier(path, sha256)
    assert loaded.provenance == {'seed': 0, 'test_accuracy': 0.5}
    stored = weights(loaded)
    for name, weight in weights(net).items():
        onp.testing.assert_array_equal(weight.astype('float16'), stored[name])
    with autograd.record():
        assert loaded(np.zeros((1, 1, 28, 28))).shape == (1, 10)
