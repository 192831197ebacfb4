"""A worker that multiplies two float32 matrices in PyTorch: `python theirs_product.py SIDE`."""

import sys

import torch
from worker import answer

if __name__ == '__main__':
    side = int(sys.argv[1])
    A, B = torch.rand(2, side, side)
    answer(lambda: A @ B, side**3)
