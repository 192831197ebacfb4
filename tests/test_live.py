"""Live runs: from a warm start, timed, and measured as finished runs are."""

import numpy as onp

from d2lvae import metrics
from d2lvae.base import paths
from d2lvae.data import to_float
from d2lvae.frozen import warm
from d2lvae.runs import live
from d2lvae.runs.experiment import Experiment

EXPERIMENT = Experiment(
    latents=8,
    hidden_nodes=300,
    discriminator='DenseLogReg',
    disc_weight=50.0,
    num_train=128,
    num_held_out=20,
    num_epochs=2,
)


def test_a_live_run_begins_at_the_warm_start_and_ends_with_its_metrics():
    data = EXPERIMENT.data()
    still = live.run(EXPERIMENT.changed(disc_weight=0.0, lr=1e-9, num_epochs=1), data)
    run = live.run(EXPERIMENT, data, plain=still)
    X = to_float(data.held_out_images)
    X_hat = metrics.reconstruct(warm.load_warm('digits'), X)
    onp.testing.assert_allclose(still.reconstructions, X_hat, atol=1e-4)
    assert run.statistics['phase'].tolist() == ['combo', 'combo']
    assert (run.statistics['seconds'] > 0).all() and run.statistics['disc_accuracy'].notna().all()
    found = run.summary['metrics']
    assert found['psnr']['values'] == [metrics.psnr(X, run.reconstructions)]
    assert {'control_ssim', 'digit_accuracy'} <= set(found) and 'log_likelihood' not in found
    assert abs(run.reconstructions - X_hat).max() > 0.01


def test_sizes_of_ones_own_are_trained_from_the_start(tmp_path, monkeypatch):
    monkeypatch.setattr(paths, 'RUNS', tmp_path)
    own = EXPERIMENT.changed(hidden_nodes=16)
    vae, disc, statistics = live.train(own, own.data())
    assert statistics['seconds'].notna().all() and disc is not None
    X = to_float(own.data().held_out_images)
    kept, _ = own.load(0, own.data().shape)
    assert (metrics.reconstruct(vae, X) == metrics.reconstruct(kept, X)).all()
