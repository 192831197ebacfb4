"""A thin Gluon helper for the course on learned losses, in reading order:

losses                  pixel losses, KL, learned losses
layers, networks        parts of networks; encoders, decoders, discriminators
vae                     encode, sample, decode; the two terms of the ELBO
schedules, augment      weights and rates by the step; moved pictures
training                the trainer: solo, combo and discriminator steps
feature_matching        Dis_l in place of the pixels
metrics, distances      held-out numbers: of pictures, and between sets of them
plots, diagrams, show   every figure and table
data, frozen            digits, faces, avatars; small nets that are trained once and kept
runs                    experiments, checkpoints, scores, results, sweeps, claims
base                    a run's parameters, errors, files, and what keeps MXNet fast
"""

import os
import warnings

from d2lvae.base.denormals import flushed_to_zero
from d2lvae.base.errors import CourseError

# MXNet starts OpenMP with half of the cores, and reads the number once, when it is imported. What
# is empty or no number is as good as absent; of a list, MXNet uses the first.
threads = os.environ.get('OMP_NUM_THREADS', '').partition(',')[0].strip()
if not (threads.isdecimal() and int(threads)):
    threads = len(os.sched_getaffinity(0))
os.environ['OMP_NUM_THREADS'] = str(threads)

with warnings.catch_warnings():
    warnings.simplefilter('ignore')  # MXNet 1.9.1 uses NumPy aliases that NumPy 1.23 deprecates
    with flushed_to_zero():
        from mxnet import np, npx

        npx.set_np()
        np.zeros(1).wait_to_read()  # starts the engine's threads, which keep the flushing mode

__version__ = '1.1.0'
__all__ = ['CourseError']
