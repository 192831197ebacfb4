"""A worker that trains the same networks with the study's combo step of 2019.

`python study.py train PARAMETERS STEPS`, as `ours.py`.
"""

import functools
import sys

from mxnet import autograd, np
from ours import train, trainer_of

from d2lvae.losses import ADVERSARIAL, sigmoid

DISC_LOSS, VAE_LOSS = ADVERSARIAL['non_saturating']


def study_step(trainer, X, *_):
    """Three passes through the VAE, each with noise of its own, no detach, and two waits.

    So the discriminator's update computes gradients of the VAE too, and the VAE's update those of
    the discriminator, and nobody uses them.
    """
    vae, disc = trainer.model, trainer.disc
    with autograd.record():
        parts = DISC_LOSS(disc(X.detach()), disc(sigmoid(reconstruction(vae, X))))
        disc_loss = sum(part.mean() for part in parts)
    disc_loss.backward()
    trainer.disc_optim.step(1)
    # One after the other: a transposed convolution that is passed twice in one recorded graph ends
    # with "could not execute a primitive" (MXNet 1.9.1 with oneDNN, when the gradients are added).
    with autograd.record():
        kl, pbp, _ = vae.elbo_terms(X.detach(), noise(vae, X))
        elbo = (kl + pbp).mean()
    elbo.backward()
    trained = [p for p in vae.collect_params().values() if p.grad_req != 'null']
    gradients = [p.grad().copy() for p in trained]
    with autograd.record():
        adversarial = VAE_LOSS(disc(sigmoid(reconstruction(vae, X)))).mean()
    adversarial.backward()
    for parameter, gradient in zip(trained, gradients):
        total = parameter.grad()
        total += gradient
    trainer.vae_optim.step(1)
    vae_loss = elbo + adversarial
    for loss in (disc_loss, vae_loss):
        loss.item()
    return {'disc': disc_loss, 'vae': vae_loss}


def reconstruction(vae, X):
    """Logits, with fresh noise."""
    return vae(X.detach(), noise(vae, X))


def noise(vae, X):
    return np.random.normal(size=(len(X), vae.latents))


def study_trainer_of(parameters, steps):
    """A trainer as `trainer_of` makes it, whose combo steps are the study's."""
    trainer = trainer_of(parameters, steps)
    trainer.combo_step = functools.partial(study_step, trainer)
    return trainer


if __name__ == '__main__':
    train(*sys.argv[2:], make=study_trainer_of)
