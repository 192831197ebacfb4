"""Live runs: from a warm start, timed, and measured as finished runs are."""

import numpy as onp
import pytest

from d2lvae import metrics
from d2lvae.base.errors import CourseError
from d2lvae.data import to_float
from d2lvae.frozen import warm
from d2lvae.runs import live
from d2lvae.runs.experiment import Experiment

EXPERIMENT = Experiment(
    discriminator='DenseLogReg', disc_weight=50.0, num_train=128, num_held_out=20, num_epochs=2
)


def test_a_live_run_begins_at_the_warm_start_and_ends_with_its_metrics():
    data = EXPERIMENT.data()
    still = live.run(EXPERIMENT.changed(disc_weight=0.0, lr=1e-9, num_epochs=1), 'digits', data)
    run = live.run(EXPERIMENT, 'digits', data, plain=still)
    X = to_float(data.held_out_images)
    X_hat = metrics.reconstruct(warm.load_warm('digits'), X)
    onp.testing.assert_allclose(still.reconstructions, X_hat, atol=1e-4)
    assert run.statistics['phase'].tolist() == ['combo', 'combo']
    assert (run.statistics['seconds'] > 0).all() and run.statistics['disc_accuracy'].notna().all()
    found = run.summary['metrics']
    assert found['psnr']['values'] == [metrics.psnr(X, run.reconstructions)]
    assert {'control_ssim', 'digit_accuracy'} <= set(found) and 'log_likelihood' not in found
    assert abs(run.reconstructions - X_hat).max() > 0.01


def test_pictures_of_another_shape_are_refused():
    data = Experiment(dataset='avatars', image_size=32, num_train=64, num_held_out=2).data()
    with pytest.raises(CourseError, match=r'digits of shape \(1, 28, 28\).*\(3, 32, 32\)'):
        live.run(EXPERIMENT, 'digits', data)
