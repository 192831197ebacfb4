"""How pytest runs everything here, whatever folder it is started from."""

import os

# Before NumPy is imported, which reads it once, and any kernel starts, as kernels inherit it: sums
# in one order give the same last digit.
os.environ.update(PYTHONHASHSEED='0', OMP_NUM_THREADS='1', MXNET_CPU_WORKER_NTHREADS='1')
os.environ.pop('MPLBACKEND', None)  # kernels would draw nothing with a backend of the user's

import matplotlib

matplotlib.use('agg')  # in the unit tests no window opens

# Beside PNG, which nbval never compares: warnings name temporary files, vector graphics the date.
NOT_COMPARED = ('stderr', 'image/svg+xml', 'application/pdf')


def pytest_configure(config):
    # Absolute, because nbval takes a relative path from the folder that pytest is started in.
    if getattr(config.option, 'nbval_sanitize_with', '') is None:
        config.option.nbval_sanitize_with = str(config.rootpath / 'tests' / 'nbval_sanitize.cfg')


def pytest_collectstart(collector):
    if hasattr(collector, 'skip_compare'):
        collector.skip_compare += NOT_COMPARED
