"""Says what MXNet's mixed precision in bfloat16 does to networks in its NumPy interface."""

import numpy as onp
from mxnet import np
from mxnet.contrib import amp
from worker import say

from d2lvae.layers import initialize
from d2lvae.networks import ResNet


def outputs(X):
    return initialize(ResNet((3, 32, 32), 8), seed=0)(X).asnumpy()


def error(do):
    """What goes wrong, in a line; None if nothing does."""
    try:
        do()
    except Exception as e:
        kind, last = f'{type(e).__name__}: ', str(e).strip().splitlines()[-1]
        return kind + last.removeprefix(kind)


if __name__ == '__main__':
    X = np.array(onp.random.RandomState(0).random_sample((4, 3, 32, 32)).astype('float32'))
    before = outputs(X)
    amp.init(target_dtype='bfloat16')
    net = initialize(ResNet((3, 32, 32), 8), seed=0)
    net(X)
    say(
        {
            'amp.init changes the outputs': bool((outputs(X) != before).any()),
            'amp.convert_hybrid_block': error(lambda: amp.convert_hybrid_block(net, 'bfloat16')),
            "net.cast('bfloat16')": error(lambda: net.cast('bfloat16')),
        }
    )
