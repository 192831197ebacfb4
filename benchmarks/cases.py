"""What is timed: five trainings, each as parameters of an `Experiment`, and steps of one measure."""

DENSE = {'vae': 'DenseVAE', 'latents': 5, 'hidden_layers': 3, 'hidden_nodes': 400}
CONV = {
    'dataset': 'avatars',
    'image_size': 64,
    'vae': 'ConvVAE',
    'latents': 512,
    'base_channels': 32,
}
CASES = {
    'DenseVAE solo': DENSE,
    'DenseVAE + DenseLogReg': DENSE
    | {'discriminator': 'DenseLogReg', 'disc_layers': 1, 'disc_nodes': 200},
    'ConvVAE solo': CONV,
    'ConvVAE + ConvDisc': CONV | {'discriminator': 'ConvDisc', 'disc_channels': 32},
    'ConvVAE + ResNet-18': CONV | {'discriminator': 'ResNet', 'disc_channels': 64},
}
BATCH_SIZE = 64
STEPS = {'DenseVAE': 200, 'ConvVAE': 8}  # of a measure: a few seconds


def shape(parameters):
    """(C, H, W) of one picture."""
    if parameters['vae'] == 'DenseVAE':
        return (1, 28, 28)
    return (3, parameters['image_size'], parameters['image_size'])
