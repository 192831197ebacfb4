"""A worker that multiplies two float32 matrices in MXNet: `python ours_product.py dot|dense SIDE`.

MXNet has two libraries for it: `np.dot` goes to one, dense layers to the other.
"""

import sys

from mxnet import np, npx
from worker import answer

import d2lvae  # noqa: F401  (sets MXNet up)

if __name__ == '__main__':
    operator, side = sys.argv[1], int(sys.argv[2])
    A, B = np.random.uniform(size=(2, side, side))
    multiply = {
        'dot': lambda: np.dot(A, B),
        'dense': lambda: npx.fully_connected(A, B, no_bias=True, num_hidden=side),
    }[operator]
    answer(lambda: multiply().wait_to_read(), side**3)
