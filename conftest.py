"""How pytest runs everything here, whatever folder it is started from."""

import os
import tempfile

# Before NumPy is imported, which reads it once, and any kernel starts, as kernels inherit it: sums
# in one order give the same last digit.
os.environ.update(PYTHONHASHSEED='0', OMP_NUM_THREADS='1', MXNET_CPU_WORKER_NTHREADS='1')
os.environ.pop('MPLBACKEND', None)  # kernels would draw nothing with a backend of the user's

import matplotlib

matplotlib.use('agg')  # in the unit tests no window opens

# Beside PNG, which nbval never compares: warnings name temporary files, vector graphics the date.
NOT_COMPARED = ('stderr', 'image/svg+xml', 'application/pdf')
# Begun last, one of them would keep one core busy while the others wait: the longest comes first.
LONGEST = (
    '03_anime_faces',
    '04_loss_weights',
    '05_solo_combo_timing',
    '02_mnist_dense_gan_loss',
    'test_sweep',
    'test_resume',
    '01_mnist_dense_vae',
    'test_benchmarks',
    'test_course',
    'test_command_line',
    'test_notebooks',
    'test_training',
    'test_metrics',
    'test_results',
    'test_experiment',
    'test_faces',
)


def pytest_collection_modifyitems(items):
    places = {name: place for place, name in enumerate(LONGEST)}
    items.sort(key=lambda item: places.get(item.path.stem, len(LONGEST)))


def pytest_configure(config):
    profile = tempfile.TemporaryDirectory()  # for kernels; the user's may print or show more
    config.add_cleanup(profile.cleanup)
    os.environ['IPYTHONDIR'] = profile.name
    # Absolute, because nbval takes a relative path from the folder that pytest is started in.
    if getattr(config.option, 'nbval_sanitize_with', '') is None:
        config.option.nbval_sanitize_with = str(config.rootpath / 'tests' / 'nbval_sanitize.cfg')


def pytest_collectstart(collector):
    if hasattr(collector, 'skip_compare'):
        collector.skip_compare += NOT_COMPARED
