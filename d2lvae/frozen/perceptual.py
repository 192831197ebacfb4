"""A loss that is a network, but does not learn: the features of a frozen net.

Between the pixels and a discriminator: Johnson et al. 2016 compare pictures by the features of a
classifier (their "feature reconstruction loss"), which was trained once, for another purpose.
"""

import mxnet as mx
from mxnet import autograd, np

from d2lvae.frozen.attributes import load_attribute_net
from d2lvae.layers import graph
from d2lvae.losses import feature_loss, sigmoid
from d2lvae.schedules import pbp_weight_at, phase
from d2lvae.training import Trainer, gradient


class PerceptualTrainer(Trainer):
    r"""A trainer of a VAE alone, which in combo epochs pays for the frozen net's features, too.

    $$D_{KL} \beta + w_\mathrm{PBP} L_\mathrm{PBP}
      + \frac{w}{2} \| \phi(x) - \phi(\hat x) \|^2$$

    w is `frozen_weight`, and $\phi$ what `AttributeNet.early` gives of a picture.
    """

    def compile(self):
        super().compile()
        self.features = load_attribute_net().early
        self.frozen_graph = graph(self.frozen_term, self.features)

    def frozen_term(self, logits, wanted, F=mx):
        """The feature loss (N,) of the decoder's logits; `wanted` are the real pictures'."""
        return feature_loss(self.features(sigmoid(logits, F)), wanted, F)

    def solo_step(self, X, eps, X_in):
        """One update of the VAE alone; the gradients of its losses meet at the decoder's logits."""
        if phase(self.p, self.epoch) == 'solo':
            return super().solo_step(X, eps, X_in)
        with autograd.record():
            kl, logits = self.kl_and_logits_graph(X_in, eps)
        pbp_grad, pbp = gradient(self.pbp_graph, logits, X.detach())
        frozen_grad, frozen = gradient(self.frozen_graph, logits, self.features(X))
        pbp_weight = pbp_weight_at(self.p, self.step, self.num_steps)
        logits_grad = pbp_weight * pbp_grad + self.p.frozen_weight * frozen_grad
        autograd.backward([kl, logits], [np.full_like(kl, self.p.kl_weight), logits_grad])
        self.vae_optim.step(len(X))
        return {
            'kl': kl.mean(),
            'pbp': pbp.mean(),
            'frozen': frozen.mean(),
            'grad_norm_pbp': self.norm_graph(pbp_grad),
            'grad_norm_frozen': self.norm_graph(frozen_grad),
        }
