"""The drawn faces: that they are always the same, and that neither part depends on the other."""

import hashlib

import numpy as onp
import pytest
from tiny import python

from d2lvae.base.paths import DATA, ROOT
from d2lvae.data import AvatarFaces, avatars


@pytest.fixture
def drawn(monkeypatch):
    """Lists the texts that are drawn; a block is small, so that a test takes a moment."""
    texts, draw = [], avatars.draw

    def listing(text, size):
        texts.append(text)
        return draw(text, size)

    monkeypatch.setattr(avatars, 'draw', listing)
    monkeypatch.setattr(avatars, 'BLOCK', 4)
    return texts


@pytest.fixture
def few(tmp_path):
    """Avatars with a cache of the test's own."""
    return lambda *arguments, **options: AvatarFaces(*arguments, root=tmp_path, **options)


def test_there_are_800_and_200_different_faces_without_labels():
    data = AvatarFaces()
    assert data.train_images.shape == (800, 3, 64, 64)
    assert data.held_out_images.shape == (200, 3, 64, 64)
    assert data.train_images.dtype == data.held_out_images.dtype == 'uint8'
    assert data.train_labels is None and data.held_out_labels is None
    assert data.name == 'avatars' and data.shape == (3, 64, 64)
    both = onp.concatenate([data.train_images, data.held_out_images]).reshape(1000, -1)
    assert len(onp.unique(both, axis=0)) == 1000


def test_faces_fill_the_frame_before_backgrounds_of_eight_colours():
    images = AvatarFaces().train_images
    corners = images[:, :, 0, 0]
    assert len(onp.unique(corners, axis=0)) == 8
    filled = (images != corners[:, :, None, None]).any(axis=1)
    assert filled.mean() > 0.5
    assert filled[:, 16:56, 16:48].mean() > 0.95


# What a text becomes is computed in Python alone, so it is the same on every CPU. The rasteriser
# takes sines and powers from the C library, whose last digit is not: so its pixels are compared
# within this machine, and only roughly with those of another.


@pytest.mark.parametrize(
    'text, digest',
    [
        ('train-0', '8ca305bb7d104b70f628467fbff8d3e83bff4403f28f734541128cc3bb6b9a11'),
        ('held-out-0', 'b8d1719e0225e60c5d1a4da63900b36f51c594b4abc86b6c9b1103c59d418d90'),
    ],
)
def test_a_text_is_always_the_same_drawing(text, digest):
    assert hashlib.sha256(avatars.svg(text).encode()).hexdigest() == digest


def test_a_drawing_has_the_colours_that_it_had_elsewhere():
    face = avatars.draw('train-0', 64)
    assert face[:, 0, 0].tolist() == [192, 174, 222]
    assert face.mean(axis=(1, 2)) == pytest.approx([152.0, 117.9, 137.9], abs=0.5)


def test_another_process_draws_the_same_bytes():
    code = (
        'import sys; from d2lvae.data import avatars\n'
        'sys.stdout.write("".join(avatars.draw(f"train-{i}", 64).tobytes().hex() for i in (7, 3)))'
    )
    stdout, stderr = python('-c', code, runs=DATA).communicate(timeout=600)
    assert stderr == ''
    assert stdout == ''.join(avatars.draw(f'train-{i}', 64).tobytes().hex() for i in (7, 3))


def test_red_hair_is_red_and_a_mouth_below_the_eyes():
    face = avatars.draw('train-8', 64)  # red hair on a grey ground
    red = (face[0] > 150) & (face[1] < 60) & (face[2] < 60)
    assert red[:32].sum() > 300 and red[40:].sum() < 20


# Parts, numbers and the cache


def test_each_face_follows_from_its_part_and_number(few, drawn):
    data = few(5, 2)
    assert drawn[:5] == [f'train-{i}' for i in range(5)]
    for i, face in enumerate(data.train_images):
        assert onp.array_equal(face, avatars.draw(f'train-{i}', 64))
    for i, face in enumerate(data.held_out_images):
        assert onp.array_equal(face, avatars.draw(f'held-out-{i}', 64))


def test_neither_part_depends_on_the_size_of_the_other(few, drawn):
    small, large = few(3, 6), few(9, 2)
    assert onp.array_equal(small.train_images, large.train_images[:3])
    assert onp.array_equal(small.held_out_images[:2], large.held_out_images)
    assert small.train_images.shape[0] == 3 and large.train_images.shape[0] == 9


def test_what_was_drawn_is_kept_and_only_the_rest_drawn(few, drawn):
    first = few(4, 4)
    assert len(drawn) == 8
    assert few(4, 4).fingerprint == first.fingerprint and len(drawn) == 8
    few(2, 3)
    assert len(drawn) == 8
    few(7, 4)
    assert drawn[8:] == [f'train-{i}' for i in range(4, 8)]


def test_a_damaged_block_is_drawn_anew(few, drawn, tmp_path):
    first = few(4, 4)
    path = next((tmp_path / 'cache').glob('*train-0-*.npy'))
    whole = path.read_bytes()
    path.write_bytes(whole[:-1] + bytes([whole[-1] ^ 1]))
    assert few(4, 4).fingerprint == first.fingerprint
    assert drawn[8:] == [f'train-{i}' for i in range(4)] and path.read_bytes() == whole


@pytest.mark.parametrize(
    'name, value', [('OPTIONS', {'scale': 1.0}), ('PACKAGES', ('dicebear-core',))]
)
def test_another_way_to_draw_draws_anew(few, drawn, monkeypatch, name, value):
    few(1, 1)
    monkeypatch.setattr(avatars, name, value)
    few(1, 1)
    assert len(drawn) == 16


def test_another_size_is_drawn_in_that_size(few, drawn):
    assert few(1, 1, size=32).shape == (3, 32, 32)
    assert few(1, 1, size=64).shape == (3, 64, 64)


def test_a_cache_that_cannot_be_written_costs_time_alone(few, drawn, tmp_path, capsys):
    (tmp_path / 'cache').write_text('in the way')
    assert few(1, 1).fingerprint == few(1, 1).fingerprint and len(drawn) == 16
    assert f'{tmp_path}/cache cannot be written' in capsys.readouterr().err


def test_the_artist_is_named():
    assert 'Lisa Wischofsky' in AvatarFaces.__doc__ and 'CC BY 4.0' in AvatarFaces.__doc__
    [line] = [x for x in (ROOT / 'NOTICE.md').read_text().splitlines() if 'Wischofsky' in x]
    assert 'https://creativecommons.org/licenses/by/4.0/' in line
