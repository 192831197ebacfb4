"""What holds for every frozen net: a small file that nobody may alter, loaded without a trace."""

import mxnet as mx
import numpy as onp
import pytest
from mxnet import np

from d2lvae.frozen.attributes import ATTRIBUTE_NET, load_attribute_net
from d2lvae.frozen.digits import DIGIT_CLASSIFIER, load_digit_classifier
from d2lvae.frozen.faces import FACE_FEATURES, load_face_features

every_net = pytest.mark.parametrize(
    'path, load, limit',
    [
        (DIGIT_CLASSIFIER, load_digit_classifier, 300_000),
        (FACE_FEATURES, load_face_features, 500_000),
        (ATTRIBUTE_NET, load_attribute_net, 2_000_000),
    ],
    ids=['digits', 'faces', 'attributes'],
)


@every_net
def test_the_file_is_small_enough_for_git(path, load, limit):
    assert path.stat().st_size < limit


@every_net
def test_an_altered_file_is_refused(path, load, limit, tmp_path):
    content = bytearray(path.read_bytes())
    content[-1] ^= 1
    altered = tmp_path / 'altered.safetensors'
    altered.write_bytes(content)
    with pytest.raises(ValueError, match='altered.safetensors does not hold the weights'):
        load(altered)


def drawn():
    """The next numbers of both global generators."""
    return onp.random.random(), np.random.uniform(size=3).asnumpy().tolist()


@every_net
def test_loading_freezes_and_draws_no_random_numbers(path, load, limit):
    onp.random.seed(0)
    mx.random.seed(0)
    expected = drawn()
    onp.random.seed(0)
    mx.random.seed(0)
    net = load()
    assert drawn() == expected
    assert all(p.grad_req == 'null' for p in net.collect_params().values())
