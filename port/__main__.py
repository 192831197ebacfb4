"""The command line: `python -m port --help`."""

import argparse
import fcntl
import json
import platform
import sys
from pathlib import Path

import numpy as np
import torch
from tqdm import tqdm

from port import PortError
from port.run import Run, write_whole
from port.start import COURSE, handed_over

SIZES = {
    'epochs': 'all of them; solo epochs, warm-up, ramp and decay grow in proportion',
    'faces': 'training pictures',
    'held-out': 'held-out pictures, 0 for all',
    'resnet-base': "channels of the ResNet's first stage, 64 in the study",
}


def device_of(name):
    if name == 'cuda' and not torch.cuda.is_available():
        raise PortError(
            'PyTorch found no GPU here: use --device cpu, which is for small sizes, or a machine '
            'with an NVIDIA GPU and the CUDA build of PyTorch.'
        )
    torch.set_flush_denormal(True)
    torch.backends.cudnn.benchmark = True
    return torch.device(name)


def circumstances(device, arguments):
    versions = {'python': platform.python_version(), 'torch': torch.__version__}
    cuda = device.type == 'cuda'
    return {
        'versions': versions | {'numpy': np.__version__},
        'machine': torch.cuda.get_device_name() if cuda else platform.processor() or 'CPU',
        'threads': torch.get_num_threads(),
        'precision': arguments.precision if cuda else 'float32',
        'compiled': arguments.compile,
    }


def keep(path, content):
    """Write what identifies a run; PortError if it was begun as another one."""
    if not path.exists():
        write_json(path, content)
    elif json.loads(path.read_text()) != content:
        raise PortError(
            f'{path.parent} was begun with other parameters or pictures: choose another folder for '
            '--out, or delete that one.'
        )


def write_json(path, content):
    write_whole(path, lambda file: file.write(json.dumps(content, indent=1).encode()))


def lock(folder):
    """Hold a folder as long as this process lives."""
    folder.mkdir(parents=True, exist_ok=True)
    file = (folder / '.lock').open('w')
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        raise PortError(f'{folder} is being trained by another process: wait for it.') from None
    return file


def train(arguments):
    device, out = device_of(arguments.device), arguments.out.resolve()
    if device.type == 'cuda':
        torch.backends.fp32_precision = {'tf32': 'tf32', 'float32': 'ieee'}[arguments.precision]
    seeds = list(map(str, arguments.seeds))
    changes = [(f'--{name}', getattr(arguments, name.replace('-', '_'))) for name in SIZES]
    options = [part for pair in changes if pair[1] is not None for part in pair]
    begin = [arguments.parameters.resolve(), '--seeds', *seeds, *options]
    start = handed_over(begin, arguments.course)
    locks = [lock(out / f'seed_{seed}') for seed in seeds]
    switches = {'scrambled': arguments.scrambled, 'nonnegative': arguments.nonnegative}
    keep(out / 'run.json', start.facts | {'parameters': vars(start.parameters)} | switches)
    here, runs = circumstances(device, arguments), []
    for seed in arguments.seeds:
        folder = out / f'seed_{seed}'
        if not (folder / 'pictures.npz').exists():
            write_json(folder / 'circumstances.json', here)
            runs.append(Run(start, seed, folder, **switches, device=device, fused=here['compiled']))
    steps = sum(run.num_steps * run.p.num_epochs for run in runs)
    with tqdm(total=steps, unit='step', smoothing=0.05) as progress:
        take_turns([run.train(progress) for run in runs])
    for held in locks:
        held.close()
    print(f'Trained: {out}. Score it with `python -m d2lvae score {out}`.')


def take_turns(generators):
    """Advance each by one step in turn until all have ended: on a GPU their kernels overlap."""
    over = object()
    while generators:
        generators = [generator for generator in generators if next(generator, over) is not over]


def parser():
    top = argparse.ArgumentParser(
        prog='python -m port',
        description="Train a run of the course in PyTorch, at the study's size if you like, or go "
        'on with it.',
    )
    top.add_argument('parameters', type=Path, metavar='PARAMETERS', help='parameters.yaml of a run')
    top.add_argument('--out', type=Path, required=True, help='folder; its name names the run')
    top.add_argument('--seeds', type=int, nargs='+', default=[0], metavar='SEED')
    for name, what in SIZES.items():
        top.add_argument(f'--{name}', type=int, metavar='N', help=what)
    top.add_argument(
        '--scrambled',
        action='store_true',
        help='faces as the study read them: reshape for transpose',
    )
    top.add_argument(
        '--nonnegative', action='store_true', help="the study's latents: batch norm and ReLU"
    )
    top.add_argument('--device', choices=('cuda', 'cpu'), default='cuda')
    top.add_argument('--precision', choices=('tf32', 'float32'), default='tf32', help='on a GPU')
    top.add_argument('--compile', action='store_true', help='fuse kernels with torch.compile')
    top.add_argument('--course', type=Path, default=COURSE, help="the course's own interpreter")
    return top


def main(arguments=None):
    try:
        train(parser().parse_args(arguments))
    except PortError as e:
        print(e, file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print('Stopped: start the same command again to go on.', file=sys.stderr)
        return 130


if __name__ == '__main__':
    sys.exit(main())
