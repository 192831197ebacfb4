"""The trainer: solo epochs (the VAE alone), then combo epochs (VAE and discriminator)."""

import mxnet as mx
import numpy as onp
from d2l import mxnet as d2l
from mxnet import autograd, gluon, np

from d2lvae.augment import STILL, Move, binarised, jittered, mirrored
from d2lvae.base.errors import CourseError
from d2lvae.base.totals import Totals
from d2lvae.layers import graph, has_batch_norm, power_iteration
from d2lvae.losses import ADVERSARIAL, PBP_LOSSES, sigmoid, summed
from d2lvae.schedules import disc_weight_at, lr_at, pbp_weight_at, phase

AUGMENTED_PART = 0.8  # of the epochs; the rest settles on the pictures as they are
MAX_RATIO = 1e4  # of the gradients, in the code of Esser et al. 2021
SMOOTHING = 0.99  # of that ratio from step to step
MOVES = 2  # the random stream of what moves before the discriminator; 1 is `prior_noise`'s


class Trainer(d2l.Trainer):
    """Trains a VAE, and a discriminator against it, with Adam.

    `p` are `choices.TrainingParameters`; everything random derives from (`seed`, epoch, step).
    """

    def __init__(self, p, seed=0):
        super().__init__(p.num_epochs)
        self.p, self.seed = p, seed

    def prepare(self, model, data, disc=None):
        """Bind networks and data; the optimisers start afresh.

        Without a discriminator all epochs are solo, but for a matched plain run (`disc_weight` 0),
        whose combo epochs keep their PBP weight.
        """
        self.data, self.disc, self.model = data, disc, model
        if disc is None and self.p.trains_disc:
            self.p = self.p.changed(solo_epochs=self.p.num_epochs)
        self.epoch = self.step = 0
        self.num_steps = len(data.train_images) // self.p.batch_size
        if not self.num_steps:
            raise CourseError(
                f'There are fewer training pictures ({len(data.train_images)}) than '
                f'batch_size ({self.p.batch_size}): lower it or use more pictures.'
            )
        self.vae_optim = adam(model, self.p.beta1)
        self.disc_optim = None if disc is None else adam(disc, self.p.beta1)
        self.ratio, self.move = None, STILL
        self.compile()

    def compile(self):
        """The parts of a step as graphs, or small networks would wait for Python."""
        model, disc = self.model, self.disc
        self.elbo_graph = graph(model.elbo_terms, model.encoder, model.decoder)
        self.kl_and_logits_graph = graph(model.kl_and_logits, model.encoder, model.decoder)
        self.pbp_graph, self.norm_graph = graph(PBP_LOSSES[model.pbp_loss]), graph(norm)
        if disc is not None:
            self.disc_loss, self.vae_loss = ADVERSARIAL[self.p.adversarial_loss]
            self.disc_graph = graph(self.disc_terms, disc)
            self.adversarial_graph = graph(self.adversarial_term, disc)

    def fit(self, model, data, disc=None):
        """Train from the start to the end; a row of statistics for each epoch."""
        self.prepare(model, data, disc)
        return list(self.epochs())

    def epochs(self, first=0, stop=None, report=lambda steps, terms: None):
        """Train epochs from `first` up to `stop`, or all; yields the row of statistics of each.

        `report` is told how many steps more are done, and the loss terms of the last one.
        """
        for epoch in range(first, stop or self.p.num_epochs):
            self.epoch = epoch
            yield self.fit_epoch(report)

    def fit_epoch(self, report=lambda steps, terms: None):
        """One pass over the training pictures; its row."""
        alone = self.disc is None or phase(self.p, self.epoch) == 'solo'
        step_of = self.solo_step if alone else self.combo_step
        batches = self.data.shuffled_batches(self.p.batch_size, self.rng())
        rngs = [self.rng(step) for step in range(self.num_steps)]
        totals = Totals(self.epoch, self.num_steps, report)
        for step, (X, eps, rng) in enumerate(zip(batches, self.latent_noise(rngs), rngs)):
            self.step = self.epoch * self.num_steps + step
            lr = lr_at(self.p, self.step, self.num_steps)
            for optimiser in filter(None, (self.vae_optim, self.disc_optim)):
                optimiser.set_learning_rate(lr)
            X, X_in = self.noisy(X, rng)
            self.move = Move.drawn(self.p.disc_shift, self.rng(step, MOVES))
            totals.add(step_of(X, eps, X_in))
        return self.row(totals.means(), lr)

    def row(self, means, lr):
        """The statistics of the epoch that has just ended."""
        steps = range(self.epoch * self.num_steps, (self.epoch + 1) * self.num_steps)
        pbp_weights = [pbp_weight_at(self.p, step, self.num_steps) for step in steps]
        disc_weights = [disc_weight_at(self.p, step, self.num_steps) for step in steps]
        kind = phase(self.p, self.epoch)
        return {
            'epoch': self.epoch,
            'phase': kind,
            'pbp_weight': float(onp.mean(pbp_weights)),
            'disc_weight': float(onp.mean(disc_weights)) if kind == 'combo' else None,
            **means,
            **({} if self.ratio is None else {'ratio': self.ratio.item()}),
            'lr': lr,
        }

    def rng(self, *step):
        """The generator of an epoch (its order) or of one of its steps."""
        return onp.random.default_rng((self.seed, self.epoch, *step))

    def latent_noise(self, rngs):
        """The noise of an epoch's latents (steps, N, latents): each copy waits for all steps."""
        shape = self.p.batch_size, self.model.latents
        return np.array(onp.stack([rng.standard_normal(shape, dtype='float32') for rng in rngs]))

    def noisy(self, X, rng):
        """The pictures of a step, and what the encoder sees of them."""
        if self.p.augment and self.epoch < AUGMENTED_PART * self.p.num_epochs:
            X = jittered(X, self.p.augment, rng)
        if self.p.flip:
            X = mirrored(X, rng)
        return X, binarised(X, rng) if self.p.binarise_input else X

    def solo_step(self, X, eps, X_in):
        """One update of the VAE alone, and one of the discriminator if it is warming up."""
        with autograd.record():
            kl, pbp, logits = self.elbo_graph(X, eps, X_in)
        pbp_weight = pbp_weight_at(self.p, self.step, self.num_steps)
        weights = [np.full_like(kl, self.p.kl_weight), np.full_like(pbp, pbp_weight)]
        autograd.backward([kl, pbp], weights)
        self.vae_optim.step(len(X))
        terms = {'kl': kl.mean(), 'pbp': pbp.mean()}
        if self.disc is not None and self.p.common_epochs <= self.epoch < self.p.solo_epochs:
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
            kl, logits = self.kl_and_logits_graph(X_in, eps)
        terms = self.disc_step(X.detach(), sigmoid(logits.detach()))
        pbp_grad, pbp = gradient(self.pbp_graph, logits, X.detach())
        adversarial_grad, adversarial = self.adversarial_gradient(logits)
        norms = self.norm_graph(pbp_grad), self.norm_graph(adversarial_grad)
        disc_weight = self.weighted(terms, *norms)
        pbp_weight = pbp_weight_at(self.p, self.step, self.num_steps)
        logits_grad = pbp_weight * pbp_grad + disc_weight * adversarial_grad
        autograd.backward([kl, logits], [np.full_like(kl, self.p.kl_weight), logits_grad])
        self.vae_optim.step(len(X))
        return {
            'kl': kl.mean(),
            'pbp': pbp.mean(),
            'adversarial': adversarial.mean(),
            **terms,
            'grad_norm_pbp': norms[0],
            'grad_norm_adversarial': norms[1],
        }

    def disc_step(self, X, X_hat):
        """One update of the discriminator on real pictures and on detached reconstructions."""
        power_iteration(self.disc)
        X, X_hat = self.move.there(X), self.move.there(X_hat)
        with autograd.record():
            disc_real, disc_fake, accuracy = self.disc_graph(X, X_hat)
        autograd.backward([disc_real, disc_fake])
        self.disc_optim.step(1)
        return {'disc_real': disc_real, 'disc_fake': disc_fake, 'disc_accuracy': accuracy}

    def adversarial_gradient(self, logits):
        """Gradient of the adversarial loss at the decoder's logits, and the loss (N,)."""
        grad, adversarial = gradient(self.adversarial_graph, self.move.there(logits.detach()))
        return self.move.back(grad), adversarial

    def weighted(self, terms, pbp_norm, adversarial_norm):
        """The weight of the adversarial loss in this step; an adaptive one is added to `terms`."""
        disc_weight = disc_weight_at(self.p, self.step, self.num_steps)
        if self.p.disc_weighting == 'adaptive':
            disc_weight = disc_weight * self.smoothed_ratio(pbp_norm, adversarial_norm)
            terms['disc_weight'] = disc_weight
        return disc_weight

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

    def disc_logits(self, X, X_hat, F=mx):
        """The discriminator's logits of real and of fake pictures.

        In one pass, but with batch norm, where each kind would depend on the other's statistics.
        """
        if has_batch_norm(self.disc):
            return self.disc(X), self.disc(X_hat)
        return F.np.split(self.disc(F.np.concatenate([X, X_hat])), [self.p.batch_size])

    def disc_terms(self, X, X_hat, F=mx):
        """The two parts of the discriminator's loss, and how often it is right: means."""
        real, fake = self.disc_logits(X, X_hat, F)
        disc_real, disc_fake = self.disc_loss(real, fake, F)
        accuracy = (F.np.mean(real > 0) + F.np.mean(fake <= 0)) / 2
        return F.np.mean(disc_real), F.np.mean(disc_fake), accuracy

    def adversarial_term(self, logits, F=mx):
        """The adversarial loss (N,) of the decoder's logits."""
        return self.vae_loss(self.disc(sigmoid(logits, F)), F)


def adam(net, beta1=0.9):
    """Adam (Kingma and Ba 2015) for a network's parameters."""
    # Of a dictionary Gluon sorts the keys, in which it counts all layers made so far: the order of
    # the saved states would change from process to process.
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
