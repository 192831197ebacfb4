"""The trainer: solo epochs (the VAE alone), then combo epochs (VAE and discriminator)."""

import math

import mxnet as mx
import numpy as onp
from d2l import mxnet as d2l
from mxnet import autograd, gluon, np
from tqdm import tqdm

from d2lvae import layers
from d2lvae.augment import jittered, mirrored
from d2lvae.base.errors import CourseError
from d2lvae.base.machine import Clock
from d2lvae.layers import Graph
from d2lvae.losses import PBP_LOSSES, adversarial_loss, discriminator_loss, sigmoid, summed

SYNC_EVERY = 50  # steps: bounds the queue of MXNet's engine, and how late a NaN is seen
AUGMENTED_PART = 0.8  # of the epochs; the rest settles on the pictures as they are
MAX_RATIO = 1e4  # of the gradients, in the code of Esser et al. 2021
SMOOTHING = 0.99  # of that ratio from step to step


class Trainer(d2l.Trainer):
    """Trains a VAE, and a discriminator against it, with Adam.

    Parameters
    ----------
    num_epochs : int
        Passes over the training pictures.
    solo_epochs : int
        The first so many train the VAE alone, with PBP weight 1; the rest are combo epochs.
    lr, lr_schedule : float, {'constant', 'cosine'}
        Learning rate of both networks; 'cosine' lets it fall to 0 over the whole run
        (Loshchilov and Hutter 2017, without restarts).
    beta1 : float
        Adam's decay of the mean gradient, for both networks; 0.5 is usual where two networks chase
        each other (Radford et al. 2016).
    disc_weight, pbp_weight : float
        Weights of the adversarial and the pixel-by-pixel loss in combo epochs.
    pbp_decay, pbp_decay_every : float
        The PBP weight is multiplied by the first after every so many combo epochs, which need not
        be a whole number.
    disc_weighting : {'fixed', 'adaptive'}
        'adaptive': the adversarial loss weighs `disc_weight` times how much smaller its gradient is
        than that of the PBP loss (`smoothed_ratio`).
    disc_warmup_epochs : int
        The last so many solo epochs train the discriminator too; the VAE does not notice.
    disc_ramp_epochs : float
        Over the first so many combo epochs the disc weight rises in proportion to the steps.
    binarise_input : bool
        The encoder sees the picture with each pixel drawn from Bernoulli(pixel).
    augment : float
        Standard deviation in pixels of random shifts of the training pictures, with turns and
        zooms in proportion (`data.jittered`); the last fifth of the epochs sees them as they are.
    flip : bool
        Each training picture is mirrored left to right with probability 1/2.
    kl_weight : float
        Weight of the KL divergence in all epochs: the beta of Higgins et al. 2017.
    seed : int
        Everything random derives from (seed, epoch, step).
    """

    def __init__(
        self,
        num_epochs,
        solo_epochs=0,
        batch_size=64,
        lr=1e-3,
        lr_schedule='constant',
        beta1=0.9,
        disc_weight=1.0,
        pbp_weight=1.0,
        pbp_decay=1.0,
        pbp_decay_every=25.0,
        disc_weighting='fixed',
        disc_warmup_epochs=0,
        disc_ramp_epochs=0.0,
        binarise_input=False,
        augment=0.0,
        flip=False,
        kl_weight=1.0,
        seed=0,
    ):
        super().__init__(num_epochs)
        self.save_hyperparameters()

    # Schedules

    def phase(self, epoch):
        return 'solo' if self.disc is None or epoch < self.solo_epochs else 'combo'

    def pbp_weight_at(self, step):
        """PBP weight at a step (from 0) of the whole run: 1 while solo, then decayed.

        What counts are *combo* epochs; the study counted the solo ones too.
        """
        if self.phase(step // self.num_steps) == 'solo':
            return 1.0
        combo_steps = step - self.solo_epochs * self.num_steps
        return self.pbp_weight * self.pbp_decay ** (
            combo_steps // max(1, round(self.pbp_decay_every * self.num_steps))
        )

    def disc_weight_at(self, step):
        """Disc weight at a step (from 0) of the whole run: 0 while solo, then up the ramp."""
        combo_steps = step + 1 - self.solo_epochs * self.num_steps
        ramp_steps = max(1, self.disc_ramp_epochs * self.num_steps)
        return self.disc_weight * min(1.0, max(0.0, combo_steps / ramp_steps))

    def lr_at(self, step):
        """Learning rate at a step (from 0) of the whole run."""
        if self.lr_schedule == 'constant':
            return self.lr
        return self.lr * (1 + math.cos(math.pi * step / (self.num_epochs * self.num_steps))) / 2

    # Training

    def prepare(self, model, data, disc=None):
        """Bind networks and data without training; the optimisers start afresh."""
        self.data, self.disc = data, disc
        self.epoch = self.step = 0
        self.num_steps = len(data.train_images) // self.batch_size
        if not self.num_steps:
            raise CourseError(
                f'There are fewer training pictures ({len(data.train_images)}) than '
                f'batch_size ({self.batch_size}): lower it or use more pictures.'
            )
        model.trainer = self
        self.model = model
        self.vae_optim = adam(model, self.beta1)
        self.disc_optim = disc and adam(disc, self.beta1)
        self.ratio = None
        self.compile()

    def compile(self):
        """The parts of a step as graphs, or small networks would wait for Python."""
        model, disc = self.model, self.disc
        self.elbo_terms = Graph(model.elbo_terms, model.encoder, model.decoder)
        self.kl_and_logits = Graph(model.kl_and_logits, model.encoder, model.decoder)
        self.pbp_loss, self.norm = Graph(PBP_LOSSES[model.pbp_loss]), Graph(norm)
        if disc:
            self.separate = layers.has_batch_norm(disc)
            self.verdict = Graph(self.judged, disc)
            self.adversarial_loss = Graph(self.deceived, disc)

    def fit(self, model, data, disc=None, store=None):
        """Train, from where `store` left off if it is given; see `experiment.Checkpoint`."""
        self.prepare(model, data, disc)
        statistics = store.restore(self) if store else []
        if statistics and statistics[-1].get('ratio'):
            self.ratio = np.array(statistics[-1]['ratio'])
        with tqdm(
            total=self.num_epochs * self.num_steps,
            unit='step',
            disable=None,
            initial=len(statistics) * self.num_steps,
        ) as self.progress:
            for epoch in range(len(statistics), self.num_epochs):
                self.epoch = epoch
                statistics.append(self.fit_epoch())
                if store:
                    store.save(self, statistics)
        return statistics

    def fit_epoch(self):
        """One pass over the training pictures; its row of means for the statistics."""
        clock, phase = Clock(), self.phase(self.epoch)
        step_of = self.solo_step if phase == 'solo' else self.combo_step
        self.progress.set_description(f'epoch {self.epoch + 1}/{self.num_epochs} {phase}')
        batches = self.data.shuffled_batches(self.batch_size, self.rng())
        rngs = [self.rng(step) for step in range(self.num_steps)]
        totals, queue = {}, []
        for step, (X, eps, rng) in enumerate(zip(batches, self.latent_noise(rngs), rngs)):
            self.step = self.epoch * self.num_steps + step
            lr = self.lr_at(self.step)
            self.vae_optim.set_learning_rate(lr)
            if self.disc:
                self.disc_optim.set_learning_rate(lr)
            X, X_in = self.noisy(X, rng)
            queue.append(step_of(X, eps, X_in))
            if len(queue) == SYNC_EVERY or step == self.num_steps - 1:
                self.add_up(totals, queue, first_step=step + 1 - len(queue))
                queue = []
        row = {name: total / self.num_steps for name, total in totals.items()}
        seconds, alone = clock.read()
        return {
            'epoch': self.epoch,
            'phase': phase,
            'pbp_weight': self.mean(self.pbp_weight_at),
            'disc_weight': self.mean(self.disc_weight_at) if phase == 'combo' else None,
            **row,
            **({} if self.ratio is None else {'ratio': self.ratio.item()}),
            'lr': lr,
            'seconds': seconds,
            'alone': alone,
        }

    def mean(self, value_at):
        """Mean of a schedule over this epoch's steps."""
        first = self.epoch * self.num_steps
        return onp.mean([value_at(step) for step in range(first, first + self.num_steps)])

    def add_up(self, totals, queue, first_step):
        """Wait for the queued steps, add their terms to the totals, show them; stop at a NaN."""
        values = np.stack([np.stack(list(terms.values())) for terms in queue]).asnumpy()
        for step, value in enumerate(values, first_step):
            for name, number in zip(queue[0], value):
                if not math.isfinite(number):
                    raise CourseError(
                        f'Training broke down: {name} is {number} at step {step} of '
                        f'epoch {self.epoch} (from 0). Lower lr or the weights.'
                    )
        for name, number in zip(queue[0], values.sum(axis=0, dtype='float64')):
            totals[name] = totals.get(name, 0.0) + float(number)
        self.progress.update(len(queue))
        self.progress.set_postfix(
            {
                name: f'{x:.4g}'
                for name, x in zip(queue[0], values[-1])
                if name in ('kl', 'pbp', 'adversarial', 'disc_accuracy')
            }
        )

    # Noise

    def rng(self, *step):
        """The generator of an epoch (its order) or of one of its steps."""
        return onp.random.default_rng((self.seed, self.epoch, *step))

    def latent_noise(self, rngs):
        """The noise of an epoch's latents (steps, N, latents), copied at once: a copy waits for all
        steps before it.
        """
        shape = self.batch_size, self.model.latents
        return np.array(onp.stack([rng.standard_normal(shape, dtype='float32') for rng in rngs]))

    def noisy(self, X, rng):
        """The pictures of a step, and what the encoder sees of them."""
        if self.augment and self.epoch < AUGMENTED_PART * self.num_epochs:
            X = jittered(X, self.augment, rng)
        if self.flip:
            X = mirrored(X, rng)
        if not self.binarise_input:
            return X, X
        return X, (np.array(rng.random(X.shape, dtype='float32')) < X).astype('float32')

    # Steps

    def solo_step(self, X, eps, X_in):
        """One update of the VAE alone, and one of the discriminator if it is warming up."""
        with autograd.record():
            kl, pbp, logits = self.elbo_terms(X, eps, X_in)
        autograd.backward([kl, pbp], [np.full_like(kl, self.kl_weight), np.ones_like(pbp)])
        self.vae_optim.step(len(X))
        terms = {'kl': kl.mean(), 'pbp': pbp.mean()}
        if self.disc and 0 < self.solo_epochs - self.epoch <= self.disc_warmup_epochs:
            terms |= self.disc_step(X.detach(), sigmoid(logits.detach()))
        return terms

    def combo_step(self, X, eps, X_in):
        """One update of the discriminator, then one of the VAE, from one pass through the VAE.

        The gradients of the PBP and of the adversarial loss meet at the decoder's logits: there
        they are measured, weighted and added, and go back through the VAE together.
        An array that enters two recorded graphs loses its record when the first one is
        back-propagated (MXNet 1.9.1): each graph gets an alias of its own by `detach`.
        """
        with autograd.record():
            kl, logits = self.kl_and_logits(X_in, eps)
        terms = self.disc_step(X.detach(), sigmoid(logits.detach()))
        pbp_grad, pbp = gradient(self.pbp_loss, logits, X.detach())
        adversarial_grad, adversarial = gradient(self.adversarial_loss, logits)
        norms = self.norm(pbp_grad), self.norm(adversarial_grad)
        disc_weight = self.disc_weight_at(self.step)
        if self.disc_weighting == 'adaptive':
            disc_weight = terms['disc_weight'] = disc_weight * self.smoothed_ratio(*norms)
        push = self.pbp_weight_at(self.step) * pbp_grad + disc_weight * adversarial_grad
        autograd.backward([kl, logits], [np.full_like(kl, self.kl_weight), push])
        self.vae_optim.step(len(X))
        return {
            'kl': kl.mean(),
            'pbp': pbp.mean(),
            'adversarial': adversarial.mean(),
            **terms,
            'grad_norm_pbp': norms[0],
            'grad_norm_adversarial': norms[1],
        }

    def smoothed_ratio(self, pbp_norm, adversarial_norm):
        r"""How much smaller the adversarial gradient is, an average over the last 100 steps or so.

        $$\lambda = \|\nabla L_\mathrm{PBP}\| / (\|\nabla L_\mathrm{adv}\| + 10^{-6})$$

        Esser et al. 2021, equation 7. They measure the gradients at the decoder's last weights; at
        its logits, where the two meet, they cost nothing.
        """
        ratio = np.clip(pbp_norm / (adversarial_norm + 1e-6), 0, MAX_RATIO)
        if self.ratio is not None:
            ratio = SMOOTHING * self.ratio + (1 - SMOOTHING) * ratio
        self.ratio = ratio
        return ratio

    def disc_step(self, X, X_hat):
        """One update of the discriminator on real pictures and on detached reconstructions."""
        layers.power_iteration(self.disc)
        with autograd.record():
            disc_real, disc_fake, accuracy = self.verdict(X, X_hat)
        autograd.backward([disc_real, disc_fake])
        self.disc_optim.step(1)
        return {'disc_real': disc_real, 'disc_fake': disc_fake, 'disc_accuracy': accuracy}

    def judge(self, X, X_hat, F=mx):
        """The discriminator's logits of real and of fake pictures, in one pass if it can be.

        With batch norm it can't: each picture's logit would depend on the other kind's statistics.
        """
        if self.separate:
            return self.disc(X), self.disc(X_hat)
        return F.np.split(self.disc(F.np.concatenate([X, X_hat])), [self.batch_size])

    def judged(self, X, X_hat, F=mx):
        """The two parts of the discriminator's loss, and how often it is right: means."""
        real, fake = self.judge(X, X_hat, F)
        disc_real, disc_fake = discriminator_loss(real, fake, F)
        accuracy = (F.np.mean(real > 0) + F.np.mean(fake <= 0)) / 2
        return F.np.mean(disc_real), F.np.mean(disc_fake), accuracy

    def deceived(self, logits, F=mx):
        """The adversarial loss (N,) of the decoder's logits."""
        return adversarial_loss(self.disc(sigmoid(logits, F)), F)


def adam(net, beta1=0.9):
    """Adam (Kingma and Ba 2015) for a network's parameters.

    They go in as a list: of a dictionary, Gluon's Trainer sorts the keys, in which Gluon counts all
    layers made so far, so that the order of the saved states would change from process to process.
    """
    parameters = list(net.collect_params().values())
    return gluon.Trainer(parameters, 'adam', {'beta1': beta1}, kvstore=None)


def gradient(loss, logits, *others):
    """Gradient of a loss (N,) with respect to the logits alone, and the loss.

    The loss may take other arrays after them. The cut keeps the networks' own parameters out of it:
    no gradient reaches them.
    """
    y = logits.detach()
    y.attach_grad()
    with autograd.record():
        value = loss(y, *others)
    return autograd.grad([value], [y])[0].as_np_ndarray(), value


def norm(gradient, F=mx):
    """Euclidean norm of each picture's gradient, mean over the batch."""
    return F.np.mean(F.np.sqrt(summed(F.np.square(gradient), F)))
