"""MXNet's threads treat denormal numbers as zero, and NumPy in the main thread does not."""

import threading

import numpy as onp
import pytest
from tiny import python

from d2lvae.base.denormals import flushed_to_zero

TINY = onp.float32(1e-39)  # below 1.2e-38, the smallest float32 with all its digits
PROGRAM = """
import numpy as onp
from mxnet import np

big = np.array(onp.full(100_000, 1e-39, 'float32'), dtype='float32') * 1
print(big.asnumpy().any(), (onp.full(9, 1e-39, 'float32') * onp.float32(1)).all())
"""


@pytest.mark.parametrize('threads', ['1', '2'])
def test_mxnet_flushes_denormals_and_numpy_keeps_them(tmp_path, monkeypatch, threads):
    monkeypatch.setenv('OMP_NUM_THREADS', threads)
    process = python('-c', 'import d2lvae\n' + PROGRAM, runs=tmp_path)
    stdout, stderr = process.communicate(timeout=600)
    assert stdout == 'False True\n', stderr


def test_numpy_of_this_process_keeps_denormals():
    assert TINY * onp.float32(1) == TINY


def test_the_mode_lasts_as_long_as_the_block_and_is_inherited_by_new_threads():
    products, one = [], onp.ones(1, 'float32')

    def multiply():
        products.append(float((onp.full(1, TINY) * one)[0]))

    multiply()
    with flushed_to_zero():
        multiply()
        thread = threading.Thread(target=multiply)
        thread.start()
        thread.join()
    multiply()
    assert products == [TINY, 0, 0, TINY]


def test_the_mode_ends_with_an_error_too():
    with pytest.raises(ValueError, match='inside'), flushed_to_zero():
        raise ValueError('inside')
    assert (onp.full(1, TINY) * onp.ones(1, 'float32'))[0] == TINY
