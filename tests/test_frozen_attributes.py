"""The frozen net whose features are a loss: where it comes from, what it knows, how it was made."""

import numpy as onp
import pytest
from dicebear import Avatar
from mxnet import np

from d2lvae.data import AvatarFaces, avatars, to_float
from d2lvae.frozen import attributes, faces, nets
from d2lvae.frozen.attributes import (
    PARTS,
    AttributeNet,
    labels_of,
    load_attribute_net,
    train_attribute_net,
)
from d2lvae.layers import initialize


@pytest.fixture(scope='module')
def net():
    return load_attribute_net()


def lit_in_a_corner(num):
    """Noise (num, 3, 64, 64) with one corner lit, and the corner as the label of each part."""
    rng = onp.random.default_rng(0)
    images, corners = rng.integers(90, size=(num, 3, 64, 64)), rng.integers(4, size=num)
    for image, corner in zip(images, corners):
        down, right = 32 * (corner // 2), 32 * (corner % 2)
        image[:, down : down + 32, right : right + 32] += 150
    return images.astype('uint8'), onp.repeat(corners[:, None], 4, axis=1)


# The frozen net


def test_the_net_says_where_it_comes_from(net):
    provenance = net.provenance
    assert provenance['data'] == 'avatars' and len(provenance['data_sha256']) == 64
    assert isinstance(provenance['seed'], int) and provenance['num_epochs'] > 0
    assert provenance['test_accuracy'] > 0.8


def test_the_net_names_the_parts_of_faces_that_it_has_never_seen(net):
    """By chance it would name one of 15 to 45 variants right."""
    X = to_float(AvatarFaces(200, 200).held_out_images)
    found = net.accuracy(X, labels_of('held-out', 200))
    assert found == pytest.approx(net.provenance['test_accuracy'], abs=0.03)


def test_its_purpose_is_not_that_of_the_net_that_scores(net):
    assert net.provenance['data'] != faces.load_face_features().provenance['data']


def test_early_maps_are_those_that_the_later_stages_are_made_of(net):
    X = np.array(onp.random.default_rng(0).random((3, 3, 64, 64)), dtype='float32')
    maps = net.early(X)
    assert maps.shape == (3, 32, 32, 32)
    later = net.body[attributes.EARLY :](maps)
    onp.testing.assert_allclose(later.asnumpy(), net.body(X).asnumpy(), rtol=1e-4, atol=1e-4)


# The labels


def test_labels_are_the_variants_that_dicebear_has_chosen():
    options = Avatar(avatars.adventurer(), {'seed': 'held-out-1', **avatars.OPTIONS}).to_json()
    [label] = labels_of('held-out', 2)[1:]
    assert len(label) == len(PARTS)
    for number, name in zip(label, PARTS):
        variants = sorted(avatars.adventurer().components()[name].variants())
        assert len(variants) == PARTS[name]
        assert options['options'][f'{name}Variant'] == variants[number]


# The training


def test_training_learns():
    images, labels = lit_in_a_corner(300)
    net = train_attribute_net(images[:200], labels[:200], num_epochs=6)
    assert net.accuracy(to_float(images[200:]), labels[200:]) > 0.9


def test_accuracy_is_the_share_of_the_parts():
    net = initialize(AttributeNet(), seed=0)
    net.logits.weight.set_data(0 * net.logits.weight.data())
    bias = onp.zeros((4, 45))
    bias[:, 7] = 1  # it says variant 7, whatever it sees
    net.logits.bias.set_data(np.array(bias.ravel()))
    labels = onp.array([[7, 7, 0, 1], [7, 7, 7, 7]])
    assert net.accuracy(onp.zeros((2, 3, 64, 64), 'float32'), labels) == 6 / 8


def test_training_is_reproducible_from_its_seed():
    images, labels = lit_in_a_corner(50)

    def weights(seed):
        net = train_attribute_net(images, labels, num_epochs=1, seed=seed)
        return {name: p.data().asnumpy() for name, p in net.collect_params().items()}

    first, again, other = (weights(seed) for seed in (3, 3, 4))
    for name, weight in first.items():
        onp.testing.assert_array_equal(weight, again[name])
    assert (first['attributes_conv0_weight'] != other['attributes_conv0_weight']).any()


def test_training_refuses_less_than_one_batch():
    with pytest.raises(ValueError, match='49 pictures do not fill one batch of 50'):
        train_attribute_net(*lit_in_a_corner(49))


def test_what_is_saved_is_loaded_again_as_float16(tmp_path):
    images, labels = lit_in_a_corner(50)
    net = train_attribute_net(images, labels, num_epochs=1)
    path = tmp_path / 'net.safetensors'
    loaded = load_attribute_net(path, nets.save(net, path, seed=0))
    assert loaded.provenance == {'seed': 0}
    nets.round_to_float16(net)
    X = np.array(to_float(images))
    onp.testing.assert_allclose(loaded(X).asnumpy(), net(X).asnumpy(), rtol=1e-4, atol=1e-4)
