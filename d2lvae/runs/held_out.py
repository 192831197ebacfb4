"""Every number of one VAE on held-out pictures."""

from d2lvae.distances import SET_DISTANCES, check_pictures, sliced_wassersteins
from d2lvae.metrics import (
    active_units,
    fidelity,
    log_likelihood,
    noise_control,
    prior_samples,
    psnr,
    reconstructions,
    sharpness,
    spectrum_distance,
    ssim,
    template_share,
)

CONTROL = 'control_{}'  # names of the control's numbers


def held_out_metrics(
    vae, X, labels=None, control=None, features=None, reference=None, log_likelihood_samples=500
):
    """All numbers of one VAE on held-out pictures, a dict from name to float.

    Every distance between sets is to `X`: `swd_samples` and, by the features, `frechet_samples` or
    `kernel_samples` of as many samples of the prior, `*_floor` of the training pictures in
    `reference`, which is about what a perfect sampler would score. Reconstructions are paired with
    `X` and may go below the floor. With few pictures the Frechet distance is biased upwards; all
    three come from equally many, so that the floor shows the bias.

    Parameters
    ----------
    vae : d2lvae.vae.VAE
    X : numpy.ndarray
        Held-out pictures (N, C, H, W), float32 in [0, 1].
    labels : numpy.ndarray, optional
        (N,); with a digit classifier for `features`, gives the digit accuracies.
    control : numpy.ndarray, optional
        The plain VAE's reconstructions of X from the posterior's mean; gives the control's numbers.
    features : d2lvae.frozen.digits.DigitClassifier or d2lvae.frozen.faces.FaceFeatures, optional
        Gives the distances between sets of features that it names in `distance`.
    reference : numpy.ndarray, optional
        As many training pictures as X has; gives the floors.
    log_likelihood_samples : int
        0 leaves the log-likelihood out, which is that of binary pixels; it is left out too if the
        VAE was not trained with the binary cross-entropy or pictures have colours, which have no
        binary form that would mean anything.

    Raises
    ------
    ValueError
        If shapes or ranges are wrong, or noise does not reach the sharpness of the reconstructions.
    """
    check_pictures(X)
    found, samples = reconstructions(vae, X), prior_samples(vae, len(X))
    metrics = picture_metrics(X, found, samples, labels, control, features, reference)
    if vae.pbp_loss == 'bce' and X.shape[1] == 1 and log_likelihood_samples:
        metrics['log_likelihood'] = log_likelihood(vae, X, log_likelihood_samples)
    return metrics


def picture_metrics(X, found, samples, labels=None, control=None, features=None, reference=None):
    """`held_out_metrics` but for the log-likelihood, of pictures, whatever has made them.

    `found` are the `Reconstructions` of X, `samples` as many samples of the prior.
    """
    mu, kl, pbp, X_hat, X_sampled = found
    metrics = {
        'kl': kl,
        'pbp': pbp,
        'held_out_loss': kl + pbp,
        'active_units': active_units(mu),
        'sharpness_real': sharpness(X),
        **fidelity(X, X_hat),
        'template_share': template_share(X, X_hat),
    }
    metrics |= {f'{name}_sampled': v for name, v in fidelity(X, X_sampled).items()}
    metrics['sample_sharpness_ratio'] = sharpness(samples) / metrics['sharpness_real']
    sets = {'{}_reconstructions': X_hat, '{}_samples': samples}
    if reference is not None:
        sets['{}_floor'] = reference
    if control is not None:
        sets[CONTROL] = noise_control(control, metrics['sharpness'])
        metrics |= control_fidelity(X, sets[CONTROL])
    metrics |= set_distances(X, sets, features)
    if labels is not None and features is not None and features.knows_labels:
        metrics |= digit_accuracies(sets, labels, features)
    return {name: float(value) for name, value in metrics.items()}


def control_fidelity(X, noisy):
    """How good the noise control `noisy`, equally sharp, is in place of reconstructions of X."""
    return {
        'control_psnr': psnr(X, noisy),
        'control_ssim': ssim(X, noisy),
        'control_spectrum_distance': spectrum_distance(X, noisy),
    }


def set_distances(X, sets, features=None):
    """Distances of X from other sets, {name of a metric, with {} for the distance: pictures}."""
    distances = sliced_wassersteins(X, list(sets.values()))
    metrics = {name.format('swd'): d for name, d in zip(sets, distances, strict=True)}
    if features is not None:
        real = features.features(X)
        for name, A in sets.items():
            # Where there are labels, the share of right ones says more of the control.
            if name != CONTROL or not features.knows_labels:
                distance = SET_DISTANCES[features.distance](real, features.features(A))
                metrics[name.format(features.distance)] = distance
    return metrics


def digit_accuracies(sets, labels, features):
    """Shares of right digits among the reconstructions and, if there is one, in the control."""
    metrics = {'digit_accuracy': features.accuracy(sets['{}_reconstructions'], labels)}
    if CONTROL in sets:
        metrics[CONTROL.format('digit_accuracy')] = features.accuracy(sets[CONTROL], labels)
    return metrics
