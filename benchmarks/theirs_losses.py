"""Says what `ours_losses.py` says, of the same networks in PyTorch."""

import torch
from cases import CASES, shape
from fixed import NUM, batches, weights
from theirs import Training
from worker import say


def first_losses(parameters):
    """Number of each network's parameters, and each step's losses, by name."""
    training = Training(parameters | {'batch_size': NUM}, 1, 'eager')
    nets = [net for net in (training.vae, training.disc) if net]
    sizes, losses = [fill(net) for net in nets], []
    for X, eps in batches(shape(parameters), parameters['latents']):
        terms = training.step(torch.from_numpy(X), torch.from_numpy(eps))
        losses.append({name: value.item() for name, value in terms.items()})
    return {'parameters': sizes, 'losses': losses}


def fill(net):
    """Give every parameter its fixed values; how many numbers these are."""
    parameters = list(net.parameters())
    with torch.no_grad():
        for parameter, values in zip(parameters, weights([p.shape for p in parameters])):
            parameter.copy_(torch.from_numpy(values))
    return sum(p.numel() for p in parameters)


if __name__ == '__main__':
    found = {name: first_losses(parameters) for name, parameters in CASES.items()}
    say({'version': torch.__version__, 'threads': torch.get_num_threads(), 'cases': found})
