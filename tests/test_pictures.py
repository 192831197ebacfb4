"""Pictures of one's own, to score a run on: digits and faces, in folders, zips and idx files."""

import gzip
import zipfile

import numpy as onp
import pytest
from PIL import Image
from test_data import refused
from tiny import pictures

from d2lvae.base import paths
from d2lvae.data import MNIST, AvatarFaces, ImageData
from d2lvae.data.idx import idx_bytes


@pytest.fixture(autouse=True)
def _cache_of_the_test(tmp_path_factory, monkeypatch):
    monkeypatch.setattr(paths, 'DATA', tmp_path_factory.mktemp('data'))


class Small(ImageData):
    """Digits of 6 x 6 pixels."""

    kind, side = 'digits', 6


def corner(size=6):
    """White at the top left, grey at the bottom left, black to the right."""
    picture = onp.zeros((size, size), 'uint8')
    picture[0, 0], picture[-1, 0], picture[0, 1] = 255, 128, 60
    return picture


def drawn(folder, **kinds):
    """A folder of pictures by their names; a name's double underscore is a dot."""
    folder.mkdir(exist_ok=True)
    for name, picture in kinds.items():
        picture.save(folder / name.replace('__', '.'))
    return folder


def test_a_picture_stays_the_right_way_from_file_to_batch(tmp_path):
    drawn(tmp_path, a__png=Image.fromarray(corner()), b__png=Image.fromarray(corner()))
    images, labels = Small.read_own(tmp_path)
    assert labels is None and images.dtype == 'uint8'
    assert onp.array_equal(images, [[corner()]] * 2)
    data = ImageData('x', (images, None), (images, None), 'here')
    [batch] = data.shuffled_batches(2, onp.random.default_rng(0))
    assert onp.array_equal(batch[0, 0].asnumpy(), corner() / onp.float32(255))


def test_pictures_are_read_in_the_order_of_their_names_whatever_their_kind(tmp_path):
    two = Image.new('RGB', (6, 6), (90,) * 3)
    two.putpixel((5, 5), (0, 0, 0))
    one, another = Image.new('L', (6, 6), 10), Image.new('RGB', (6, 6), (20,) * 3)
    drawn(tmp_path, b__PNG=one, a__jpg=another, c__webp=two)
    (tmp_path / 'notes.txt').write_text('no picture')
    images, _ = Small.read_own(str(tmp_path))
    assert images[:, 0, 0, 0].tolist() == [20, 10, 90]


def test_larger_coloured_pictures_become_grey_and_small(tmp_path):
    large = Image.new('RGB', (60, 40), (255, 0, 0))
    large.paste((0, 0, 255), (30, 0, 60, 40))
    [[picture], _], _ = Small.read_own(drawn(tmp_path, a__png=large, b__png=large))
    assert picture.shape == (6, 6)
    assert (picture[:, 0] == 76).all() and (picture[:, 5] == 29).all()  # luma of red and of blue


def digit():
    """A blurred bar on black, 28 x 28."""
    bar = onp.tile(onp.array([90, 255, 255, 90], 'uint8'), (16, 1))
    return onp.pad(bar, ((3, 9), (12, 12)))


def ink(colour, opacity):
    """A colour on a transparent ground."""
    picture = Image.new('RGB', opacity.shape[::-1], colour)
    picture.putalpha(Image.fromarray(opacity))
    return picture


def transparent_16_bits(grey):
    picture = Image.fromarray(grey.astype('uint16') * 257)
    picture.info['transparency'] = 0
    return picture


SAVED = {
    '16 bits': lambda x: Image.fromarray(x.astype('uint16') * 257),
    '16 bits, black transparent': transparent_16_bits,
    'colours': lambda x: Image.fromarray(x).convert('RGB'),
    'palette': lambda x: Image.fromarray(x).convert('P'),
    'opaque': lambda x: Image.fromarray(x).convert('RGBA'),
    'white ink on nothing': lambda x: ink((255, 255, 255), x),
    'black ink on nothing': lambda x: ink((0, 0, 0), x),
    'grey and opacity': lambda x: ink((255, 255, 255), x).convert('LA'),
}


@pytest.mark.parametrize('kind', SAVED)
def test_the_same_digits_give_the_same_pixels_however_they_are_saved(tmp_path, kind):
    for i in range(2):
        picture = SAVED[kind](digit())
        picture.save(tmp_path / f'{i}.png', **picture.info)
    images, _ = MNIST.read_own(tmp_path)
    assert onp.array_equal(images, [[digit()]] * 2)


def test_a_digit_is_turned_as_its_camera_says(tmp_path):
    exif = Image.Exif()
    exif[0x0112] = 6  # to be turned by 90 degrees clockwise
    for i in range(2):
        Image.fromarray(onp.rot90(digit())).save(tmp_path / f'{i}.png', exif=exif)
    assert onp.array_equal(MNIST.read_own(tmp_path)[0], [[digit()]] * 2)


def test_a_zip_of_digits_gives_the_same_as_its_folder(tmp_path):
    folder = drawn(tmp_path / 'a', a__png=Image.fromarray(digit()), b__jpg=Image.new('L', (9, 9)))
    with zipfile.ZipFile(tmp_path / 'a.zip', 'w') as packed:
        for path in folder.iterdir():
            packed.write(path, path.name)
    images, labels = MNIST.read_own(tmp_path / 'a.zip')
    assert onp.array_equal(images, MNIST.read_own(folder)[0]) and labels is None


def test_digits_that_are_left_out_are_named(tmp_path, capsys):
    drawn(tmp_path, a__png=Image.fromarray(digit()), b__png=Image.fromarray(digit()))
    drawn(tmp_path, c__gif=Image.fromarray(digit()))
    (tmp_path / 'd.png').write_bytes((tmp_path / 'a.png').read_bytes()[:60])
    assert len(MNIST.read_own(tmp_path)[0]) == 2
    sentence = capsys.readouterr().err
    assert '2 left out' in sentence and 'c.gif' in sentence and 'd.png' in sentence


def test_digits_dark_on_light_are_read_as_they_are_and_told(tmp_path, capsys):
    paper = Image.fromarray(255 - digit())
    images, _ = MNIST.read_own(drawn(tmp_path, a__png=paper, b__png=paper))
    assert onp.array_equal(images, [[255 - digit()]] * 2)
    assert 'these are dark on light: invert them' in capsys.readouterr().err


def test_two_pictures_at_least_are_needed(tmp_path):
    drawn(tmp_path, a__png=Image.fromarray(digit()))
    sentence = 'holds 1 readable pictures, but at least 2 are needed'
    assert sentence in refused(MNIST.read_own, tmp_path)
    (tmp_path / 'one').write_bytes(idx_bytes(digit()[None]))
    assert sentence in refused(MNIST.read_own, tmp_path / 'one')


@pytest.mark.parametrize('cls', [MNIST, AvatarFaces])
def test_pictures_that_show_nothing_are_refused(tmp_path, cls):
    drawn(tmp_path, a__png=Image.new('L', (28, 28), 7), b__png=ink((9, 9, 9), 0 * digit()))
    assert 'Each of the 2 pictures in' in refused(cls.read_own, tmp_path)


def test_faces_are_read_for_avatars_too(tmp_path):
    face = Image.merge('RGB', [Image.fromarray(digit()).resize((40, 40))] * 3)
    images, labels = AvatarFaces.read_own(drawn(tmp_path, a__png=face, b__webp=face), 32)
    assert images.shape == (2, 3, 32, 32) and labels is None


def test_unreadable_pictures_end_with_a_sentence_that_names_them(tmp_path):
    assert 'holds 0 readable pictures' in refused(Small.read_own, tmp_path)
    missing = tmp_path / 'missing'
    assert f'{missing} is neither a file nor a folder' in refused(Small.read_own, missing)
    (tmp_path / 'a.png').write_bytes(b'no picture')
    assert 'none of JPEG, PNG, WEBP (a.png)' in refused(Small.read_own, tmp_path)


def test_a_single_picture_is_refused_and_the_folder_asked_for(tmp_path):
    drawn(tmp_path, a__png=Image.fromarray(digit()))
    for cls in (MNIST, AvatarFaces):
        sentence = refused(cls.read_own, tmp_path / 'a.png')
        assert f'{tmp_path}/a.png is a single picture: give a folder' in sentence


# Idx files of one's own


def own_idx(folder, name='my-images-idx3-ubyte', num=3):
    images = pictures(num, (6, 6))
    (folder / name).write_bytes(idx_bytes(images))
    return folder / name, images


@pytest.mark.parametrize(
    'images, labels, packed',
    [
        ('my-images-idx3-ubyte', 'my-labels-idx1-ubyte', False),
        ('my-images.idx3-ubyte', 'my-labels.idx1-ubyte', False),
        ('my-images-idx3-ubyte', 'my-labels-idx1-ubyte.gz', True),
        ('my-images-idx3-ubyte.gz', 'my-labels-idx1-ubyte', False),
    ],
)
def test_an_idx_file_brings_its_labels_if_they_lie_beside_it(tmp_path, images, labels, packed):
    path, expected = own_idx(tmp_path, images)
    read, none = Small.read_own(path)
    assert onp.array_equal(read[:, 0], expected) and none is None
    content = idx_bytes(onp.array([1, 2, 3], 'uint8'))
    (tmp_path / labels).write_bytes(gzip.compress(content) if packed else content)
    assert Small.read_own(path)[1].tolist() == [1, 2, 3]


@pytest.mark.parametrize('labels', [[1, 2], [1, 2, 3, 4], [1, 2, 26], [[1, 2, 3]]])
def test_labels_that_do_not_fit_are_refused(tmp_path, labels):
    path, _ = own_idx(tmp_path)
    (tmp_path / 'my-labels-idx1-ubyte').write_bytes(idx_bytes(onp.array(labels, 'uint8')))
    assert 'are no 3 digits from 0 to 9' in refused(Small.read_own, path)


def test_an_idx_file_of_another_shape_ends_with_a_sentence(tmp_path):
    (tmp_path / 'labels').write_bytes(idx_bytes(onp.zeros(5, 'uint8')))
    assert 'shape (5,), not pictures (N, 6, 6)' in refused(Small.read_own, tmp_path / 'labels')


@pytest.mark.parametrize(
    'content', [b'', b'text', b'\0\0\x0d\1\0\0\0\1\0\0\0\0', b'\x1f\x8b\x08 cut', b'\0\0\x08\3\0\0']
)
def test_a_file_of_ones_own_is_never_to_be_deleted(tmp_path, content):
    (tmp_path / 'digits').write_bytes(content)
    sentence = refused(MNIST.read_own, tmp_path / 'digits')
    assert f'{tmp_path}/digits is no whole idx file' in sentence and 'delete' not in sentence
    assert 'give a folder or a zip of pictures, or an idx file of bytes' in sentence


def test_a_damaged_zip_of_digits_is_named_as_a_zip(tmp_path):
    (tmp_path / 'a.zip').write_bytes(b'PK\3\4 and no more')
    assert f'{tmp_path}/a.zip is not a zip, or a damaged one' in refused(
        MNIST.read_own, tmp_path / 'a.zip'
    )
