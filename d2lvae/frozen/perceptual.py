"""A loss that is a network, but does not learn: the features of a frozen net.

Between the pixels and a discriminator: Johnson et al. 2016 compare pictures by the features of a
classifier (their "feature reconstruction loss"), which was trained once, for another purpose.
"""

import mxnet as mx

from d2lvae.frozen.attributes import load_attribute_net
from d2lvae.layers import graph
from d2lvae.losses import feature_loss, sigmoid
from d2lvae.schedules import phase
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
        """One update of the VAE alone: in combo epochs a `combo_step` with the net in D's place."""
        if phase(self.p, self.epoch) == 'solo':
            return super().solo_step(X, eps, X_in)
        terms = self.combo_step(X, eps, X_in)
        return {name.replace('adversarial', 'frozen'): term for name, term in terms.items()}

    def disc_step(self, X, X_hat):
        """No update, for the net does not learn; only its features of the real pictures."""
        self.wanted = self.features(X)
        return {}

    def adversarial_gradient(self, logits):
        return gradient(self.frozen_graph, logits, self.wanted)

    def weighted(self, terms, pbp_norm, frozen_norm):
        return self.p.frozen_weight
