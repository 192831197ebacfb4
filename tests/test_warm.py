"""Warm starts: what is kept is what was trained, and as good as is said."""

import pytest
from tiny import image_data

from d2lvae import metrics
from d2lvae.data import MNIST, AvatarFaces, to_float
from d2lvae.frozen import warm
from d2lvae.vae import make_vae

SIZES = {'name': 'DenseVAE', 'shape': (1, 6, 5), 'latents': 2, 'hidden_layers': 1}


@pytest.mark.parametrize('name', warm.WARM_STARTS)
def test_a_kept_file_is_small_enough_for_git_and_fits_its_entry(name):
    assert warm.file_of(name).stat().st_size < 2_000_000
    assert warm.fits(name, warm.load_warm(name))


def test_the_warm_digits_are_plain_ones_blurred_but_faithful():
    X = to_float(MNIST(num_held_out=500).held_out_images)
    X_hat = metrics.reconstruct(warm.load_warm('digits'), X)
    assert metrics.psnr(X, X_hat) > 18.1
    assert 0.2 < metrics.sharpness_ratio(X, X_hat) < 0.4


def test_the_warm_avatars_are_plain_ones_blurred_but_faithful():
    X = to_float(AvatarFaces(200, 200, size=32).held_out_images)
    X_hat = metrics.reconstruct(warm.load_warm('avatars'), X)
    assert metrics.psnr(X, X_hat) > 21
    assert 0.2 < metrics.sharpness_ratio(X, X_hat) < 0.35


def test_what_is_kept_is_what_was_trained(tmp_path, monkeypatch):
    data = image_data()
    entry = {}, SIZES, {'num_epochs': 2, 'batch_size': 8}
    monkeypatch.setattr(warm, 'WARM_STARTS', {'tiny': entry})
    monkeypatch.setattr(warm, 'file_of', lambda name: tmp_path / name)
    monkeypatch.setattr(warm, 'load_data', lambda: data)
    trained, before = warm.train_warm('tiny'), warm.fresh('tiny')
    X = to_float(data.held_out_images)
    drawn = metrics.reconstruct(warm.load_warm('tiny'), X)
    assert drawn == pytest.approx(metrics.reconstruct(trained, X), abs=2e-3)
    assert abs(drawn - metrics.reconstruct(before, X)).max() > 0.01


def test_other_sizes_do_not_fit():
    assert warm.fits('digits', warm.fresh('digits'))
    assert not warm.fits('digits', make_vae('DenseVAE', (1, 28, 28), hidden_nodes=400))
