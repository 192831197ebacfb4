"""The frozen net of the faces, and the training that made it, on drawn and synthetic faces."""

import numpy as onp
import pytest
from mxnet import np
from scipy import ndimage
from skimage import color

from d2lvae.data import AvatarFaces, to_float
from d2lvae.distances import kernel_distance
from d2lvae.frozen import digits as features
from d2lvae.frozen import nets
from d2lvae.frozen.faces import (
    FaceFeatures,
    load_face_features,
    mirrored,
    train_face_features,
    turned,
)
from d2lvae.layers import initialize
from d2lvae.runs import scores
from d2lvae.runs.experiment import Experiment


@pytest.fixture(scope='module')
def net():
    return load_face_features()


@pytest.fixture(scope='module')
def avatars():
    return to_float(AvatarFaces().train_images[:400])


def lit_from_above(num, side=32):
    """uint8 pictures (num, 3, side, side): noise that is brighter at the top."""
    rng = onp.random.default_rng(0)
    light = onp.linspace(180, 0, side)[:, None]
    return (light + rng.uniform(0, 75, (num, 3, side, side))).astype('uint8')


def weights(net):
    return {name: p.data().asnumpy() for name, p in net.collect_params().items()}


# The frozen net


def test_the_net_says_where_it_comes_from(net):
    provenance = net.provenance
    assert provenance['data'] == 'anime' and len(provenance['data_sha256']) == 64
    assert isinstance(provenance['seed'], int) and provenance['num_epochs'] > 0
    assert provenance['test_accuracy'] > 0.98


def test_features_are_what_the_last_layer_sees(net, avatars):
    X = avatars[:40]
    F = net.features(X)
    assert F.shape == (40, 320) and F.dtype == 'float32'
    last = net.logits
    logits = F @ last.weight.data().asnumpy().T + last.bias.data().asnumpy()
    onp.testing.assert_allclose(logits, net(np.array(X)).asnumpy(), rtol=1e-3, atol=1e-3)


def test_features_of_a_face_do_not_depend_on_the_others(net, avatars):
    """Batch norm uses what it learned, whatever is in the batch."""
    whole = net.features(avatars[:40])
    onp.testing.assert_allclose(net.features(avatars[:3]), whole[:3], rtol=1e-3, atol=1e-3)


# What its distances see


def out_of_focus(X, sd):
    return ndimage.gaussian_filter(X, (0, 0, sd, sd))


def noisy(X, sd):
    noise = onp.random.default_rng(0).standard_normal(X.shape, 'float32')
    return onp.clip(X + onp.float32(sd) * noise, 0, 1)


def with_hue(X, turn):
    hsv = color.rgb2hsv(X, channel_axis=1)
    hsv[:, 0] = (hsv[:, 0] + turn) % 1
    return color.hsv2rgb(hsv, channel_axis=1).astype('float32')


def chimeras(X):
    """The left half of one face beside the right half of another."""
    half = X.shape[-1] // 2
    return onp.concatenate([X[..., :half], onp.roll(X, 1, axis=0)[..., half:]], axis=-1)


@pytest.fixture(scope='module')
def distance(net, avatars):
    real = net.features(avatars[:200])
    return lambda X: kernel_distance(real, net.features(X))


@pytest.mark.parametrize(
    'change, amounts',
    [(out_of_focus, (0.5, 1, 2)), (noisy, (0.1, 0.2, 0.4)), (with_hue, (0.1, 0.3))],
)
def test_the_distance_grows_with_what_is_done_to_faces(distance, avatars, change, amounts):
    floor = distance(avatars[200:])
    found = [distance(change(avatars[200:], amount)) for amount in amounts]
    assert found == sorted(found) and found[0] > 2 * abs(floor)


def test_the_distance_sees_faces_whose_halves_do_not_belong_together(distance, avatars):
    assert distance(chimeras(avatars[200:])) > 3 * abs(distance(avatars[200:]))


def test_the_distance_sees_samples_that_are_all_alike(distance, avatars):
    collapsed = onp.repeat(avatars[200:210], 20, axis=0)
    assert distance(collapsed) > 5 * abs(distance(avatars[200:]))


def test_the_net_is_asked_about_faces_and_the_classifier_about_digits(net):
    faces, digits = Experiment(dataset='avatars'), Experiment()
    assert isinstance(scores.frozen_features(faces, (3, 64, 64)), FaceFeatures)
    assert isinstance(scores.frozen_features(digits, (1, 28, 28)), features.DigitClassifier)
    assert scores.frozen_features(faces, (3, 32, 32)) is None


# The training


def test_pictures_are_turned_each_by_its_own_number_of_quarters():
    images = onp.arange(5 * 3 * 4 * 4).reshape(5, 3, 4, 4)
    found = turned(images, [0, 1, 2, 3, 1])
    onp.testing.assert_array_equal(found[0], images[0])
    # Counterclockwise: what was the right column is the top row.
    onp.testing.assert_array_equal(found[1][:, 0], images[1][:, :, -1])
    onp.testing.assert_array_equal(found[2], images[2][:, ::-1, ::-1])
    onp.testing.assert_array_equal(found[3][:, -1], images[3][:, ::-1, -1])
    onp.testing.assert_array_equal(found[4][:, 0], images[4][:, :, -1])


def test_half_of_the_pictures_are_mirrored():
    images = lit_from_above(400, 8)
    found = mirrored(images, onp.random.default_rng(0))
    same = (found == images).all(axis=(1, 2, 3))
    onp.testing.assert_array_equal(found[~same], images[~same][..., ::-1])
    assert same.mean() == pytest.approx(0.5, abs=0.1)


def test_training_learns_and_standardises():
    images = lit_from_above(400)
    net = train_face_features(images[:300], num_epochs=5)
    assert net.accuracy(to_float(images[300:])) > 0.9
    F = net.features(to_float(images[:300]))
    onp.testing.assert_allclose(F.mean(axis=0), 0, atol=0.01)
    sd = F.std(axis=0)
    assert (sd < 1.01).all() and onp.median(sd) == pytest.approx(1, abs=0.01)


def test_standardising_changes_no_answer():
    X = to_float(lit_from_above(60))
    net = initialize(FaceFeatures(), seed=0)
    before, F = net(np.array(X)).asnumpy(), net.features(X)
    net.standardise(X)
    onp.testing.assert_allclose(net(np.array(X)).asnumpy(), before, rtol=1e-3, atol=1e-3)
    assert abs(net.features(X) - F).max() > 0.5


def test_accuracy_counts_all_four_positions():
    images = to_float(lit_from_above(20))
    net = initialize(FaceFeatures(), seed=0)
    net.logits.weight.set_data(0 * net.logits.weight.data())
    net.logits.bias.set_data(np.array([0, 0, 1, 0]))
    assert net.accuracy(images) == 0.25  # whatever it sees, it says two quarters


def test_training_is_reproducible_from_its_seed():
    images = lit_from_above(100)
    first, again, other = (
        weights(train_face_features(images, num_epochs=1, seed=seed)) for seed in (3, 3, 4)
    )
    for name, weight in first.items():
        onp.testing.assert_array_equal(weight, again[name])
    assert (first['face_conv0_weight'] != other['face_conv0_weight']).any()


def test_training_refuses_less_than_one_batch():
    with pytest.raises(ValueError, match='99 pictures do not fill one batch of 100'):
        train_face_features(lit_from_above(99))


def test_what_is_saved_is_loaded_again_as_float16(tmp_path):
    images = lit_from_above(100)
    net = train_face_features(images, num_epochs=1)
    path = tmp_path / 'net.safetensors'
    loaded = load_face_features(path, nets.save(net, path, seed=0))
    assert loaded.provenance == {'seed': 0}
    nets.round_to_float16(net)
    X = to_float(images)
    onp.testing.assert_allclose(loaded.features(X), net.features(X), rtol=1e-4, atol=1e-4)
