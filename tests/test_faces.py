"""Faces from a folder or a zip: what is read, what is left out, what is refused, what is kept."""

import io
import os
import struct
import tempfile
import warnings
import zipfile
from pathlib import Path

import mxnet as mx
import numpy as onp
import pytest
from PIL import Image
from test_data import refused
from tiny import python

from d2lvae import plots
from d2lvae.data import AnimeFaces, archive
from d2lvae.data import pictures as reader
from d2lvae.data.pictures import decode

RED, GREEN, BLUE, WHITE, BLACK = (
    (255, 0, 0),
    (0, 255, 0),
    (0, 0, 255),
    (255, 255, 255),
    (0, 0, 0),
)


def quarters(size=(64, 64), colours=(RED, GREEN, BLUE, WHITE)):
    """A picture of four colours: top left, top right, bottom left, bottom right."""
    (w, h), picture = size, Image.new('RGB', size)
    for i, colour in enumerate(colours):
        x, y = i % 2 * (w // 2), i // 2 * (h // 2)
        picture.paste(colour, (x, y, x + w - w // 2, y + h - h // 2))
    return picture


def corners(array):
    """Colours (R, G, B) close to the corners of (3, H, W), in the order of `quarters`."""
    h, w = array.shape[1:]
    return [
        tuple(array[:, y, x].tolist())
        for y, x in ((h // 8, w // 8), (h // 8, -w // 8), (-h // 8, w // 8), (-h // 8, -w // 8))
    ]


def packed(picture, kind='PNG', **options):
    content = io.BytesIO()
    picture.save(content, kind, **options)
    return content.getvalue()


def random_faces(num, size=(64, 64), seed=0):
    """Name to bytes of `num` different PNG pictures."""
    pixels = onp.random.default_rng(seed).integers(256, size=(num, *size[::-1], 3), dtype='uint8')
    return {f'faces/{i:03}.png': packed(Image.fromarray(p)) for i, p in enumerate(pixels)}


def write_zip(path, files, method=zipfile.ZIP_STORED):
    with zipfile.ZipFile(path, 'w', method) as archive:
        for name, content in files.items():
            archive.writestr(name, content)
    return path


def write_folder(path, files):
    for name, content in files.items():
        (path / name).parent.mkdir(parents=True, exist_ok=True)
        (path / name).write_bytes(content)
    return path


@pytest.fixture
def read(tmp_path):
    """Read faces with a cache of the test's own."""

    def read(path=None, *arguments, **options):
        return AnimeFaces(path, *arguments, root=tmp_path / 'data_root', **options)

    return read


@pytest.fixture
def zipped(tmp_path):
    return write_zip(tmp_path / 'some.zip', random_faces(20))


def all_of(data):
    """Every face, sorted, so that the order doesn't matter."""
    return onp.unique(onp.concatenate([data.train_images, data.held_out_images]), axis=0)


def pixels(files):
    return onp.stack([onp.asarray(Image.open(io.BytesIO(f))).transpose(2, 0, 1) for f in files])


# The right way up, and the right colours


def test_red_stays_red_and_left_stays_left_from_the_file_to_the_plot(read, tmp_path):
    files = {f'{i}.png': packed(quarters()) for i in range(10)}
    data = read(write_zip(tmp_path / 'a.zip', files))
    expected = [RED, GREEN, BLUE, WHITE]
    assert corners(data.train_images[0]) == corners(data.held_out_images[0]) == expected
    [X, *_] = data.shuffled_batches(4, onp.random.default_rng(0))
    assert X.shape == (4, 3, 64, 64) and corners(X[0].asnumpy() * 255) == expected
    shown = drawn(X.asnumpy(), tmp_path / 'plot.png')
    assert corners(shown) == expected


def drawn(X, path):
    """The first picture of a figure, cut out of its file, (3, H, W)."""
    plots.pictures([X], path=path)
    figure = onp.asarray(Image.open(path).convert('RGB'))
    left = figure[:, : figure.shape[1] // len(X)]
    ys, xs = onp.nonzero((left == 255).all(axis=2) == 0)
    return left[ys.min() : ys.max() + 1, xs.min() : xs.max() + 1].transpose(2, 0, 1)


def test_a_face_of_the_right_size_stays_byte_for_byte(read, zipped):
    files = random_faces(20)
    data = read(zipped)
    assert onp.array_equal(all_of(data), onp.unique(pixels(files.values()), axis=0))
    assert data.train_images.dtype == 'uint8' and data.shape == (3, 64, 64)


def test_a_jpeg_of_the_right_size_is_what_pillow_decodes():
    content = packed(quarters(), 'JPEG', quality=90)
    assert onp.array_equal(decode(content, 64), pixels([content])[0])


def test_a_larger_picture_is_cut_around_its_middle():
    wide = Image.new('RGB', (400, 200), BLACK)
    wide.paste(quarters((200, 200)), (100, 0))
    tall = Image.new('RGB', (200, 500), BLACK)
    tall.paste(quarters((200, 200)), (0, 150))
    for picture in (wide, tall, quarters((203, 203)), quarters((20, 20))):
        face = decode(packed(picture), 64)
        assert face.shape == (3, 64, 64) and corners(face) == [RED, GREEN, BLUE, WHITE]


def test_a_smaller_picture_has_no_jagged_lines():
    lines = onp.zeros((512, 512, 3), 'uint8')
    lines[::2] = 255  # finer than 64 lines can show
    face = decode(packed(Image.fromarray(lines)), 64)[:, 4:-4, 4:-4]
    assert 120 <= face.min() and face.max() <= 135


def test_another_size_can_be_asked_for(read, zipped):
    assert read(zipped, size=32).shape == (3, 32, 32)
    assert read(zipped).shape == (3, 64, 64)  # what is kept of one size is not taken for another


# Kinds of pictures


def test_grey_becomes_three_equal_channels():
    grey = onp.arange(64 * 64, dtype='uint8').reshape(64, 64)
    assert onp.array_equal(decode(packed(Image.fromarray(grey)), 64), [grey] * 3)


def test_16_bits_of_grey_keep_their_upper_half():
    grey = onp.arange(64 * 64, dtype='uint16').reshape(64, 64) * 16
    face = decode(packed(Image.fromarray(grey)), 64)
    assert onp.array_equal(face, [(grey >> 8).astype('uint8')] * 3)


def test_one_bit_is_black_or_white():
    face = decode(packed(quarters(colours=(BLACK, WHITE, WHITE, BLACK)).convert('1')), 64)
    assert corners(face) == [BLACK, WHITE, WHITE, BLACK]


@pytest.mark.parametrize('kind', ['PNG', 'WEBP'])
def test_what_is_transparent_becomes_white(kind):
    picture = quarters().convert('RGBA')
    alpha = onp.full((64, 64), 255, 'uint8')
    alpha[:32, :32], alpha[32:, :32] = 0, 51
    picture.putalpha(Image.fromarray(alpha))
    face = decode(packed(picture, kind, lossless=True), 64)
    assert corners(face) == [WHITE, GREEN, (204, 204, 255), WHITE]


def test_transparent_grey_becomes_white():
    picture = Image.new('LA', (64, 64), (0, 0))
    picture.paste((7, 255), (32, 0, 64, 64))
    assert corners(decode(packed(picture), 64)) == [WHITE, (7, 7, 7)] * 2


def test_a_palette_gives_its_colours():
    assert corners(decode(packed(quarters().convert('P')), 64)) == [RED, GREEN, BLUE, WHITE]


def test_a_transparent_colour_of_a_palette_becomes_white():
    picture = quarters().quantize(4)
    red = picture.getpixel((0, 0))
    face = decode(packed(picture, transparency=red), 64)
    assert corners(face) == [WHITE, GREEN, BLUE, WHITE]


def test_cmyk_becomes_rgb():
    face = decode(packed(quarters().convert('CMYK'), 'JPEG', quality=100), 64)
    for found, colour in zip(corners(face), (RED, GREEN, BLUE, WHITE)):
        assert found == pytest.approx(colour, abs=8)


def test_webp_is_read():
    face = decode(packed(quarters(), 'WEBP', lossless=True), 64)
    assert corners(face) == [RED, GREEN, BLUE, WHITE]


@pytest.mark.parametrize('kind', ['JPEG', 'PNG', 'WEBP'])
def test_a_picture_is_turned_as_its_camera_says(kind):
    exif = Image.Exif()
    exif[0x0112] = 6  # to be turned by 90 degrees clockwise
    lying = quarters((80, 64)).transpose(Image.Transpose.ROTATE_90)
    face = decode(packed(lying, kind, exif=exif, quality=95), 64)
    assert [onp.argmax(c) for c in corners(face)[:3]] == [0, 1, 2]
    unturned = decode(packed(lying, kind, quality=95), 64)
    assert onp.argmax(corners(unturned)[0]) == 1


@pytest.mark.parametrize('kind', ['JPEG', 'PNG', 'WEBP'])
def test_camera_data_without_sense_do_not_spoil_a_picture(kind):
    content = packed(quarters(), kind, exif=b'Exif\0\0nonsense', quality=95)
    assert [onp.argmax(c) for c in corners(decode(content, 64))[:3]] == [0, 1, 2]


# Folders and zips


def test_a_folder_gives_the_same_as_its_zip(read, tmp_path):
    files = {f'{i % 3}/{name}': c for i, (name, c) in enumerate(random_faces(20).items())}
    from_zip = read(write_zip(tmp_path / 'a.zip', files))
    from_folder = read(write_folder(tmp_path / 'b', files))
    assert onp.array_equal(from_zip.train_images, from_folder.train_images)
    assert from_zip.fingerprint == from_folder.fingerprint


@pytest.mark.parametrize('method', [zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED])
def test_the_order_in_a_zip_does_not_matter(read, tmp_path, zipped, method):
    files = dict(reversed(random_faces(20).items()))
    assert (
        read(write_zip(tmp_path / 'b.zip', files, method)).fingerprint == read(zipped).fingerprint
    )


def test_the_name_is_anime_or_that_of_the_path(read, tmp_path, zipped, monkeypatch):
    assert read(zipped).name == 'some'
    folder = write_folder(tmp_path / 'my.faces', random_faces(10))
    assert read(str(folder)).name == 'my.faces'
    monkeypatch.chdir(folder)
    assert read('.').name == 'my.faces'


def test_without_a_path_the_zip_in_the_data_folder_comes_before_the_folder(read, tmp_path):
    root = tmp_path / 'data_root'
    write_folder(root / 'anime_faces', random_faces(10))
    data = read()
    assert data.name == 'anime' and data.source == '10 faces in anime_faces'
    write_zip(root / 'anime_faces.zip', random_faces(20))
    assert read().source == '20 faces in anime_faces.zip'


def test_without_any_faces_the_sentence_says_what_to_put_where(read, tmp_path):
    sentence = refused(read)
    assert (
        f'put anime_faces.zip, or a folder anime_faces with pictures, into {tmp_path}' in sentence
    )
    assert 'dataset=avatars' in sentence


def test_what_is_no_picture_is_not_looked_at(read, tmp_path, capsys):
    others = {
        'faces/notes.txt': b'',
        'faces/.hidden.png': b'',
        '.git/a.png': b'',
        '__MACOSX/faces/000.png': b'',
        'faces/Thumbs.db': b'',
    }
    for path in (
        write_zip(tmp_path / 'a.zip', others | random_faces(10)),
        write_folder(tmp_path / 'b', others | random_faces(10)),
    ):
        data = read(path)
        assert data.skipped == [] and capsys.readouterr() == ('', '')
        assert data.source.startswith('10 faces')


def test_suffixes_may_be_in_capitals(read, tmp_path):
    files = {name.replace('.png', '.PNG'): c for name, c in random_faces(10).items()}
    assert read(write_zip(tmp_path / 'a.zip', files)).source.startswith('10 faces')


# Files that are left out


def spoilt():
    """Name to bytes of files that are no picture, and what is said of each."""
    whole, bomb = packed(quarters((200, 200)), 'JPEG'), png_of_size(20000, 20000)
    return {
        'cut.jpg': (whole[: len(whole) // 2], 'truncated'),
        'empty.png': (b'', 'none of JPEG, PNG, WEBP'),
        'gif.png': (packed(quarters(), 'GIF'), 'none of JPEG, PNG, WEBP'),
        'huge.png': (bomb, 'more than 89 megapixels: make it smaller'),
        'large.png': (png_of_size(10000, 10000), 'more than 89 megapixels: make it smaller'),
        'text.jpg': (b'no picture', 'none of JPEG, PNG, WEBP'),
        'tiny.png': (packed(quarters((15, 400))), 'only 15 x 400 pixels'),
    }


def png_of_size(width, height):
    """A PNG whose header promises more than it holds."""
    content = packed(Image.new('L', (1, 1)))
    header = b'IHDR' + struct.pack('>II', width, height) + content[24:29]
    crc = struct.pack('>I', zipfile.crc32(header))
    return content[:12] + header + crc + content[33:]


@pytest.mark.parametrize('write', [write_zip, write_folder])
def test_files_that_cannot_be_read_are_left_out_and_named(read, tmp_path, capsys, write):
    strange = {name: content for name, (content, _) in spoilt().items()}
    path = write(tmp_path / 'some', strange | random_faces(12))
    with warnings.catch_warnings():
        warnings.simplefilter('error')
        data = read(path)
    assert data.source.startswith('12 faces')
    assert [name for name, _ in data.skipped] == sorted(strange)
    for name, reason in data.skipped:
        assert spoilt()[name][1] in reason and str(tmp_path) not in reason and '0x' not in reason
    printed, sentence = capsys.readouterr()
    assert not printed and sentence.count('\n') == 1
    assert f'{path.name}: 7 left out: ' in sentence and '(cut.jpg)' in sentence
    assert 'none of JPEG, PNG, WEBP (empty.png, gif.png, text.jpg)' in sentence


def test_what_was_left_out_is_named_from_the_cache_too(read, tmp_path, capsys):
    path = write_zip(tmp_path / 'a.zip', {'text.jpg': b'no picture'} | random_faces(12))
    skipped, sentence = read(path).skipped, capsys.readouterr().err
    assert read(path).skipped == skipped and capsys.readouterr().err == sentence != ''


def test_the_warning_is_one_line_on_standard_error_without_a_path(tmp_path):
    path = write_zip(tmp_path / 'a.zip', {'text.jpg': b'no picture'} | random_faces(12))
    code = f'from d2lvae.data import AnimeFaces; AnimeFaces({str(path)!r}, root={str(tmp_path)!r})'
    stdout, stderr = python('-c', code, runs=tmp_path).communicate(timeout=600)
    assert stdout == '' and stderr.count('\n') == 1
    assert stderr == 'a.zip: 1 left out: none of JPEG, PNG, WEBP (text.jpg).\n'


def test_a_member_with_a_false_checksum_is_left_out(read, tmp_path):
    files = random_faces(12)
    path = write_zip(tmp_path / 'a.zip', files)
    content, victim = path.read_bytes(), files['faces/003.png']
    position = content.index(victim) + len(victim) // 2
    path.write_bytes(content[:position] + bytes([content[position] ^ 1]) + content[position + 1 :])
    [(name, reason)] = read(path).skipped
    assert name == 'faces/003.png' and 'CRC' in reason


@pytest.mark.parametrize('method', [zipfile.ZIP_DEFLATED, zipfile.ZIP_LZMA, zipfile.ZIP_BZIP2])
def test_a_damaged_member_without_a_suffix_is_left_out(read, tmp_path, method):
    path = write_zip(tmp_path / 'a.zip', random_faces(12))
    with zipfile.ZipFile(path, 'a', method) as added:
        added.writestr('notes', bytes(range(256)) * 40)
        start = added.getinfo('notes').header_offset + 30 + len('notes')
    content = bytearray(path.read_bytes())
    content[start : start + 20] = b'\xff' * 20
    path.write_bytes(content)
    [(name, reason)] = read(path).skipped
    assert name == 'notes' and reason


def test_a_lack_of_memory_is_not_taken_for_a_fault_of_the_file(read, zipped, monkeypatch):
    def decode(*_):
        raise MemoryError

    monkeypatch.setattr(reader, 'decode', decode)
    with pytest.raises(MemoryError):
        read(zipped)


# What is refused


def test_a_path_to_nothing_is_refused(read, tmp_path):
    sentence = refused(read, tmp_path / 'none.zip')
    assert f'{tmp_path}/none.zip is neither a file nor a folder' in sentence


@pytest.mark.parametrize('spoil', [lambda c: b'', lambda c: b'no zip', lambda c: c[:-100]])
def test_what_is_no_whole_zip_is_refused(read, zipped, spoil):
    zipped.write_bytes(spoil(zipped.read_bytes()))
    assert f'{zipped} is not a zip, or a damaged one' in refused(read, zipped)


def test_an_empty_zip_or_folder_is_refused(read, tmp_path):
    for path in (write_zip(tmp_path / 'a.zip', {}), write_folder(tmp_path / 'b', {'b.txt': b''})):
        path.parent.mkdir(exist_ok=True)
        sentence = refused(read, path)
        assert f'{path} holds 0 readable pictures, but at least 10 are needed' in sentence
        assert 'add more (JPEG, PNG, WEBP are read)' in sentence


def test_too_few_faces_are_refused_with_their_number_and_the_reasons(read, tmp_path):
    files = {'text.jpg': b'no picture'} | random_faces(9)
    sentence = refused(read, write_zip(tmp_path / 'a.zip', files))
    assert 'holds 9 readable pictures (1 left out: none of' in sentence
    assert not (tmp_path / 'data_root').exists()


def test_more_faces_than_there_are_end_with_their_number(read, zipped):
    assert (
        'num_train is 17, but there are 16 pictures to train with (20 faces in some.zip): '
        'give num_train a number up to 16, or 0 for all' in refused(read, zipped, 17)
    )
    assert 'num_held_out is 5, but there are 4 pictures to hold out' in refused(read, zipped, 0, 5)


@pytest.mark.parametrize(
    'name', ['../a.png', 'faces/../../a.txt', '/a.png', '..\\a.png', 'C:\\a.png', '../']
)
def test_a_zip_that_reaches_outside_its_folder_is_refused(read, tmp_path, name):
    path = write_zip(tmp_path / 'a.zip', random_faces(12) | {name: b''})
    sentence = refused(read, path)
    assert 'reaches outside of its folder' in sentence and name in sentence


def test_names_with_dots_or_a_colon_inside_are_harmless(read, tmp_path):
    times = {'a:00.png': photo(), '12:30/b.png': photo(), 'C:d.png': photo()}
    harmless = times | {'a..b.txt': b'', '..c/d.txt': b''}
    path = write_zip(tmp_path / 'a.zip', random_faces(9) | harmless)
    assert read(path).source.startswith('12 faces')


@pytest.mark.parametrize('name', ['{i}.png', '{i}'])
def test_an_encrypted_zip_is_refused(read, tmp_path, name):
    zipped = write_zip(tmp_path / 'a.zip', {name.format(i=i): photo(i) for i in range(10)})
    content = bytearray(zipped.read_bytes())
    for mark, offset in ((b'PK\3\4', 6), (b'PK\1\2', 8)):
        position = content.find(mark)
        while position >= 0:
            content[position + offset] |= 1
            position = content.find(mark, position + 1)
    zipped.write_bytes(content)
    assert f'{zipped} is encrypted: unpack it' in refused(read, zipped)


def test_a_zip_packed_in_another_way_is_refused(read, tmp_path):
    path = write_zip(tmp_path / 'a.zip', random_faces(12), zipfile.ZIP_LZMA)
    assert 'packed in a way that is not read here' in refused(read, path)


def test_a_member_that_unpacks_to_far_more_is_refused(read, tmp_path):
    bomb = {'bomb.png': bytes(2**21)}
    path = write_zip(tmp_path / 'a.zip', random_faces(12) | bomb, zipfile.ZIP_DEFLATED)
    sentence = refused(read, path)
    assert 'its member bomb.png would unpack to 2 MB' in sentence
    # stored, the same bytes are only no picture
    path = write_zip(tmp_path / 'b.zip', random_faces(12) | bomb)
    assert [name for name, _ in read(path).skipped] == ['bomb.png']


def test_a_member_or_a_zip_over_the_limit_is_refused(read, zipped, monkeypatch):
    monkeypatch.setattr(archive, 'MAX_ZIP', 20 * 12000)
    assert 'its pictures would unpack to more than' in refused(read, zipped)
    monkeypatch.setattr(archive, 'MAX_FILE', 12000)
    assert 'its member faces/000.png would unpack to 0 MB' in refused(read, zipped)


def test_a_member_with_a_false_size_is_not_unpacked_further(read, tmp_path, monkeypatch):
    size = 50 * 2**20
    path = write_zip(tmp_path / 'a.zip', {'bomb.png': bytes(size)}, zipfile.ZIP_DEFLATED)
    path.write_bytes(path.read_bytes().replace(struct.pack('<I', size), struct.pack('<I', 1000)))
    [bomb], _ = archive.pictures_in(path)
    monkeypatch.setattr(archive, 'MAX_FILE', 2**20)
    asked = []
    decompressobj = zipfile.zlib.decompressobj

    class Watched:
        def __init__(self, *arguments):
            self.inner = decompressobj(*arguments)

        def decompress(self, content, most=0):
            asked.append(most)
            return self.inner.decompress(content, most)

        def __getattr__(self, name):
            return getattr(self.inner, name)

    monkeypatch.setattr(zipfile.zlib, 'decompressobj', Watched)
    with pytest.raises(zipfile.BadZipFile):
        bomb.read()
    assert asked and 0 < max(asked) <= 2**20 + 1


def test_a_file_over_the_limit_in_a_folder_is_left_out(read, tmp_path, monkeypatch):
    large = {'large.png': packed(quarters()) + bytes(20000)}
    path = write_folder(tmp_path / 'a', random_faces(12) | large)
    monkeypatch.setattr(archive, 'MAX_FILE', 15000)
    assert read(path).skipped == [('large.png', 'larger than 0 MB')]


# The split


def ids(data):
    """Which of the files each face of either part is."""
    numbers = {f.tobytes(): i for i, f in enumerate(pixels(random_faces(50, (16, 16)).values()))}
    return [
        [numbers[f.tobytes()] for f in part] for part in (data.train_images, data.held_out_images)
    ]


@pytest.fixture
def fifty(tmp_path):
    return write_zip(tmp_path / 'fifty.zip', random_faces(50, (16, 16)))


def test_four_fifths_are_for_training_and_the_rest_held_out(read, fifty):
    training, held_out = ids(read(fifty, size=16))
    assert len(training) == 40 and len(held_out) == 10
    assert sorted(training + held_out) == list(range(50))
    assert training != sorted(training)


def test_fewer_faces_are_the_first_ones_of_the_same_split(read, fifty):
    training, held_out = ids(read(fifty, size=16))
    few, fewer = ids(read(fifty, 20, 8, size=16)), ids(read(fifty, 10, 4, size=16))
    assert few == [training[:20], held_out[:8]] and fewer == [training[:10], held_out[:4]]


def test_the_split_is_the_same_in_every_run(read, fifty):
    expected = ids(read(fifty, size=16))
    assert expected[1] == [7, 39, 49, 5, 14, 29, 41, 33, 15, 31]
    for seed in (1, 2):
        onp.random.seed(seed)
        mx.random.seed(seed)
        assert ids(read(fifty, size=16)) == expected


def test_faces_have_no_labels(read, zipped):
    data = read(zipped, 10, 4)
    assert data.train_labels is None and data.held_out_labels is None


# The cache


@pytest.fixture
def decoded(monkeypatch):
    """Counts the files that are decoded."""
    counted = []

    def counting(content, *arguments):
        counted.append(content)
        return decode(content, *arguments)

    monkeypatch.setattr(reader, 'decode', counting)
    return counted


@pytest.mark.parametrize('write', [write_zip, write_folder])
def test_the_second_time_nothing_is_decoded(read, tmp_path, decoded, write):
    path = write(tmp_path / 'some', random_faces(12))
    first = read(path)
    assert len(decoded) == 12
    again = read(path)
    assert len(decoded) == 12 and again.fingerprint == first.fingerprint
    moved = path.rename(tmp_path / 'elsewhere')
    assert read(moved).fingerprint == first.fingerprint and len(decoded) == 12


@pytest.mark.parametrize('write', [write_zip, write_folder])
def test_another_content_is_decoded_anew(read, tmp_path, decoded, write):
    files = random_faces(12)
    path = write(tmp_path / 'some', files)
    first = read(path)
    write(path, files | {'faces/003.png': packed(quarters())})
    assert read(path).fingerprint != first.fingerprint and len(decoded) == 24


def test_another_name_or_a_file_less_is_decoded_anew(read, tmp_path, decoded):
    path = write_folder(tmp_path / 'some', random_faces(12))
    first = read(path)
    (path / 'faces' / '000.png').rename(path / 'faces' / '000x.png')  # in the same place
    assert read(path).fingerprint == first.fingerprint and len(decoded) == 24
    (path / 'faces' / '000x.png').rename(path / 'faces' / 'x.png')
    assert read(path).fingerprint != first.fingerprint and len(decoded) == 36
    (path / 'faces' / 'x.png').unlink()
    assert read(path).source.startswith('11 faces') and len(decoded) == 47


def test_another_decoder_decodes_anew(read, zipped, decoded, monkeypatch):
    read(zipped)
    monkeypatch.setattr(reader, 'DECODER', reader.DECODER + 1)
    read(zipped)
    assert len(decoded) == 40


def flipped(content):
    return content[:-1] + bytes([content[-1] ^ 1])


@pytest.mark.parametrize('suffix', ['npy', 'json'])
@pytest.mark.parametrize(
    'damage', [lambda c: b'', lambda c: c[: len(c) // 2], flipped, lambda c: b'[]', None]
)
def test_a_damaged_cache_is_made_anew(read, zipped, tmp_path, decoded, suffix, damage):
    first = read(zipped)
    [path] = (tmp_path / 'data_root' / 'cache').glob(f'*.{suffix}')
    whole = path.read_bytes()
    if damage:
        path.write_bytes(damage(whole))
    else:
        path.unlink()
    assert read(zipped).fingerprint == first.fingerprint and len(decoded) == 40
    assert path.read_bytes() == whole
    assert read(zipped).fingerprint == first.fingerprint and len(decoded) == 40


def test_a_full_disk_ends_with_a_sentence_and_leaves_nothing(tmp_path, zipped):
    code = (
        'import resource\n'
        'from d2lvae.data import AnimeFaces\n'
        'from d2lvae.base.errors import CourseError\n'
        'resource.setrlimit(resource.RLIMIT_FSIZE, (1000, 1000))\n'
        f'try: AnimeFaces({str(zipped)!r}, root={str(tmp_path)!r})\n'
        'except CourseError as e: print(e)'
    )
    stdout, stderr = python('-c', code, runs=tmp_path).communicate(timeout=600)
    assert 'The disk is full' in stdout and stdout.count('\n') == 1 and stderr == ''
    assert list((tmp_path / 'cache').iterdir()) == []


def test_a_cache_that_cannot_be_written_costs_time_alone(read, zipped, tmp_path, decoded, capsys):
    (tmp_path / 'data_root').mkdir()
    (tmp_path / 'data_root' / 'cache').write_text('in the way')
    assert read(zipped).fingerprint == read(zipped).fingerprint and len(decoded) == 40
    sentence = capsys.readouterr().err
    assert f'{tmp_path}/data_root/cache cannot be written' in sentence and sentence.count('\n') == 1


def test_two_processes_that_start_at_once_read_the_same(tmp_path, zipped):
    code = (
        'from d2lvae.data import AnimeFaces\n'
        f'print(AnimeFaces({str(zipped)!r}, root={str(tmp_path)!r}).fingerprint)'
    )
    processes = [python('-c', code, runs=tmp_path) for _ in range(2)]
    outputs = [process.communicate(timeout=600) for process in processes]
    assert outputs[0] == outputs[1] and outputs[0][1] == ''
    assert len(list((tmp_path / 'cache').iterdir())) == 2


def test_what_is_kept_is_read_only_on_the_disk_and_writable_in_memory(read, zipped):
    read(zipped)
    data = read(zipped)
    data.train_images[0] = 0  # a copy: what is kept doesn't change
    assert read(zipped).train_images[0].any()


# What of a folder is read


def photo(i=0):
    return packed(quarters((40 + i, 40)))


@pytest.mark.parametrize('name', ['a.jfif', 'a.JPE', 'a', 'a.bak', 'a.jpg.download', 'a.txt'])
def test_a_picture_is_known_by_its_content_whatever_its_name(read, tmp_path, name):
    files = random_faces(10) | {name: packed(quarters(), 'JPEG')}
    for path in (write_zip(tmp_path / 'a.zip', files), write_folder(tmp_path / 'b', files)):
        data = read(path)
        assert data.source.startswith('11 faces') and data.skipped == []


def other_formats():
    """Name to bytes of pictures in formats that aren't read, some without their suffix."""
    kinds = {'a.bmp': 'BMP', 'b.gif': 'GIF', 'c': 'GIF', 'd.TIF': 'TIFF', 'e': 'TIFF', 'f': 'AVIF'}
    files = {name: packed(quarters(), kind) for name, kind in kinds.items()}
    return files | {'g.heic': b'\0\0\0\x18ftypheic', 'h.svg': b'<svg/>', 'i.jfif': b'damaged'}


def test_pictures_in_other_formats_are_named(read, tmp_path, capsys):
    files = random_faces(10) | other_formats() | {'notes.txt': b'GIF are not read'}
    for path in (write_zip(tmp_path / 'a.zip', files), write_folder(tmp_path / 'b', files)):
        assert dict(read(path).skipped) == dict.fromkeys(other_formats(), archive.NO_PICTURE)
        assert '9 left out: none of JPEG, PNG, WEBP (a.bmp, b.gif, c and 6 more)' in (
            capsys.readouterr().err
        )


def test_hidden_pictures_and_packed_ones_are_named_but_not_the_systems_files(read, tmp_path):
    files = random_faces(10) | {
        '.hidden.png': photo(),
        '.more/a.jpg': photo(),
        '._000.png': b'\0\5\x16\7 what macOS keeps',
        '__MACOSX/._000.png': b'\0\5\x16\7',
        'more.zip': b'PK',
    }
    expected = {'.hidden.png': 'hidden', '.more/a.jpg': 'hidden', 'more.zip': archive.NO_PICTURE}
    for path in (write_zip(tmp_path / 'a.zip', files), write_folder(tmp_path / 'b', files)):
        assert dict(read(path).skipped) == expected


def test_a_file_that_is_no_longer_left_out_is_read_in_spite_of_the_cache(read, zipped, monkeypatch):
    with zipfile.ZipFile(zipped, 'a') as added:
        added.writestr('new.jfif', packed(quarters(), 'JPEG'))
    monkeypatch.setattr(archive, 'FORMATS', {'PNG': archive.FORMATS['PNG']})
    assert read(zipped).source.startswith('20 faces')
    monkeypatch.undo()
    assert read(zipped).source.startswith('21 faces')


# Links


def test_linked_folders_are_read(read, tmp_path):
    write_folder(tmp_path / 'real', random_faces(10))
    folder = write_folder(tmp_path / 'a', {'b/face.png': photo()})
    (folder / 'b' / 'linked').symlink_to(tmp_path / 'real')
    data = read(folder)
    assert data.source.startswith('11 faces') and data.skipped == []
    (tmp_path / 'link').symlink_to(folder)
    assert read(tmp_path / 'link').fingerprint == data.fingerprint


def test_each_folder_is_read_once_though_links_lead_in_circles(read, tmp_path):
    folder = write_folder(tmp_path / 'a', random_faces(10))
    (folder / 'again').symlink_to('faces')
    (folder / 'faces' / 'circle').symlink_to(folder)
    data = read(folder)
    assert data.source.startswith('10 faces')
    again = 'a link to a folder that is read already'
    assert data.skipped == [('again', again), ('faces/circle', again)]


def test_links_to_nothing_and_what_is_no_file_are_named(read, tmp_path):
    folder = write_folder(tmp_path / 'a', random_faces(10))
    (folder / 'gone').symlink_to(tmp_path / 'unmounted')
    (folder / 'gone.png').symlink_to(tmp_path / 'gone.png')
    (folder / 'itself.png').symlink_to('itself.png')
    (folder / '.#edited').symlink_to('somebody')  # Emacs's lock
    os.mkfifo(folder / 'pipe.png')
    assert read(folder).skipped == [
        ('gone', 'a link to nothing'),
        ('gone.png', 'a link to nothing'),
        ('itself.png', 'Too many levels of symbolic links'),
        ('pipe.png', 'no regular file'),
    ]


def test_a_link_to_nothing_in_the_place_of_the_faces_is_named(read, tmp_path):
    (tmp_path / 'data_root').mkdir()
    (tmp_path / 'data_root' / 'anime_faces').symlink_to(tmp_path / 'unmounted')
    assert 'anime_faces is a link to nothing' in refused(read)


@pytest.mark.parametrize('path', ['', 'y' * 300, '~nobody_of_this_name/faces', 'a\0b'])
def test_a_path_that_cannot_be_is_refused(read, path):
    assert 'give' in refused(read, path)
    assert 'give' in refused(AnimeFaces.read_own, path)


@pytest.mark.parametrize('suffix', ['', '.zip'])
def test_a_name_that_no_folder_of_results_can_carry_is_refused(read, tmp_path, suffix):
    write = write_zip if suffix else write_folder
    path = write(tmp_path / f'{"ü" * 80}{suffix}', random_faces(10))
    assert 'too long a name' in refused(read, path)
    (tmp_path / 'short').symlink_to(path)
    assert len(read(tmp_path / 'short').train_images) == 8


# Permissions


@pytest.fixture
def ordinary():
    """A folder of an ordinary user, whom permissions concern, even if root runs the tests."""
    Image.init()  # imports while we are still allowed to
    user = os.geteuid()
    with tempfile.TemporaryDirectory() as name:
        Path(name).chmod(0o777)
        os.seteuid(user or 65534)
        try:
            yield Path(name)
        finally:
            os.seteuid(user)
            for path in (p for _ in range(3) for p in list(Path(name).rglob('*'))):
                path.chmod(0o777)


@pytest.mark.parametrize('mode', [0o000, 0o444, 0o111])
def test_a_folder_that_may_not_be_read_ends_with_a_sentence(ordinary, mode):
    folder = write_folder(ordinary / 'a', random_faces(10))
    folder.chmod(mode)
    for path in (folder, folder / 'faces') if mode == 0 else (folder,):
        sentence = refused(AnimeFaces, path, 0, 0, 64, ordinary)
        assert 'Permission denied' in sentence and str(path) in sentence


def test_a_zip_that_may_not_be_read_ends_with_a_sentence(ordinary):
    path = write_zip(ordinary / 'a.zip', random_faces(10))
    path.chmod(0)
    sentence = refused(AnimeFaces, path, 0, 0, 64, ordinary)
    assert f'{path} cannot be read (Permission denied): make it readable' in sentence


def test_folders_and_files_that_may_not_be_read_are_named(ordinary):
    more = {'b/1.png': photo(1), 'c/2.png': photo(2), '3.png': photo(3), 'no_suffix': photo(4)}
    folder = write_folder(ordinary / 'a', random_faces(10) | more)
    for name, mode in (('b', 0), ('c', 0o444), ('3.png', 0), ('no_suffix', 0)):
        (folder / name).chmod(mode)
    data = AnimeFaces(folder, root=ordinary)
    names = ['3.png', 'b', 'c/2.png', 'no_suffix']
    assert data.skipped == [(name, 'Permission denied') for name in names]
    (folder / '3.png').chmod(0o644)
    assert AnimeFaces(folder, root=ordinary).source.startswith('11 faces')


def test_pictures_are_read_though_the_cache_may_not_be_written(ordinary, capsys):
    folder = write_folder(ordinary / 'a', random_faces(10))
    (ordinary / 'cache').mkdir()
    (ordinary / 'cache').chmod(0o555)
    assert AnimeFaces(folder, root=ordinary).source.startswith('10 faces')
    assert 'cache cannot be written (Permission denied)' in capsys.readouterr().err
