"""Says the sizes of this package's networks and the losses of their first steps, case by case."""

from cases import CASES, shape
from fixed import NUM, batches, weights
from mxnet import np
from ours import trainer_of
from worker import say


def first_losses(parameters):
    """Number of each network's trainable parameters, and each step's losses, by name."""
    trainer = trainer_of(parameters | {'batch_size': NUM}, steps=1)
    step = trainer.combo_step if trainer.disc else trainer.solo_step
    nets = [net for net in (trainer.model, trainer.disc) if net]
    sizes, losses = [fill(net) for net in nets], []
    for X, eps in batches(shape(parameters), parameters['latents']):
        X = np.array(X)
        terms = step(X, np.array(eps), X)
        if trainer.disc:
            terms['disc'] = terms['disc_real'] + terms['disc_fake']
        names = ('kl', 'pbp', 'adversarial', 'disc')
        losses.append({name: terms[name].item() for name in names if name in terms})
    return {'parameters': sizes, 'losses': losses}


def fill(net):
    """Give every trainable parameter its fixed values; how many numbers these are."""
    parameters = [p for p in net.collect_params().values() if p.grad_req != 'null']
    for parameter, values in zip(parameters, weights([p.shape for p in parameters])):
        parameter.set_data(np.array(values))
    return sum(p.data().size for p in parameters)


if __name__ == '__main__':
    say({name: first_losses(parameters) for name, parameters in CASES.items()})
