"""What is timed: trainings, each as parameters of an `Experiment`, and the steps of one measure."""

PLAIN = {  # what both sides are told, though it is the course's default
    'lr': 1e-3,
    'beta1': 0.9,
    'pbp_loss': 'bce',
    'upsampling': 'resize',
    'disc_norm': 'batch',
    'adversarial_loss': 'non_saturating',
}
DENSE = PLAIN | {
    'vae': 'DenseVAE',
    'latents': 5,
    'hidden_layers': 3,
    'hidden_nodes': 400,
    'batch_size': 64,
}
CONV = PLAIN | {
    'dataset': 'avatars',
    'image_size': 64,
    'vae': 'ConvVAE',
    'latents': 512,
    'base_channels': 32,
    'batch_size': 64,
}
CASES = {
    'DenseVAE solo': DENSE,
    'DenseVAE + DenseLogReg': DENSE
    | {'discriminator': 'DenseLogReg', 'disc_layers': 1, 'disc_nodes': 200},
    'ConvVAE solo': CONV,
    'ConvVAE + ConvDisc': CONV | {'discriminator': 'ConvDisc', 'disc_channels': 32},
    'ConvVAE + ResNet-18': CONV | {'discriminator': 'ResNet', 'disc_channels': 64},
}
STEPS = {  # of one measure: two to five seconds on two cores
    'DenseVAE solo': 200,
    'DenseVAE + DenseLogReg': 100,
    'ConvVAE solo': 16,
    'ConvVAE + ConvDisc': 8,
    'ConvVAE + ResNet-18': 4,
}
STUDIED = 'ConvVAE + ConvDisc'  # also with the study's step, and at other sizes
AUTOCAST = 'ConvVAE + ResNet-18'  # also in bfloat16
GROWTH = {  # one size at a time, the others as in the table
    'batch_size': (16, 64, 256),
    'image_size': (32, 64, 128),
    'base_channels': (16, 32, 64),
}


def shape(parameters):
    """(C, H, W) of one picture."""
    if parameters['vae'] == 'DenseVAE':
        return (1, 28, 28)
    return (3, parameters['image_size'], parameters['image_size'])


def grown():
    """Parameters of every size in `GROWTH`, each once, and the steps of its measure."""
    start, found = CASES[STUDIED], []
    for name, values in GROWTH.items():
        for value in values:
            parameters = start | {name: value}
            parameters['disc_channels'] = parameters['base_channels']
            if parameters not in found:
                found.append(parameters)
    return [(parameters, steps_for(parameters)) for parameters in found]


def steps_for(parameters):
    """As many steps as take about as long as those of the table's case; at least two."""
    start = CASES[STUDIED]
    batch, side, base = (parameters[name] / start[name] for name in GROWTH)
    return max(2, round(STEPS[STUDIED] / (batch * side**2 * base**1.5)))
