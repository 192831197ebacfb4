"""The explorer's data, as one script: the kept decoder, the map, the ladder and the blind test.

A script and no JSON, for a page that is opened as a file may load scripts and nothing else.
"""

import base64
import json
import shutil
import sys
from pathlib import Path

import numpy as np
import yaml
from PIL import Image
from safetensors.numpy import load_file
from scipy import ndimage, optimize
from skimage.metrics import structural_similarity

HERE = Path(__file__).resolve().parent
DECODER = 'd2lvae/frozen/mnist_decoder.safetensors'
COLUMNS = 10  # of reconstructions.png
FRONT = 6  # faces on the front page
# As d2lvae.metrics has them, which needs MXNet.
LUMINANCE = np.array([0.2989, 0.587, 0.114], 'float32')
LAPLACIAN = np.array([[0, 1, 0], [1, -4, 1], [0, 1, 0]], 'float32')
# What the page shows of a run, from its summary.json: name there, heading, and where better is.
METRICS = (
    ('psnr', 'PSNR, dB', '↑'),
    ('ssim', 'SSIM', '↑'),
    ('swd_reconstructions', 'SWD', '↓'),
    ('kernel_reconstructions', 'kernel distance', '↓'),
    ('frechet_reconstructions', 'Fréchet distance', '↓'),
    ('spectrum_distance', 'spectrum distance', '↓'),
    ('sharpness_ratio', 'sharpness', '→ 1'),
)
FRONT_TEXT = """\
![Rows of faces: originals, blurred copies, and copies with lines](explorer/front.webp)

Held-out faces, the copies of a plain VAE ({plain[psnr]:.2f} dB, {plain[sharpness_ratio]:.0%} of
the real sharpness), and those of the same VAE with a discriminator in its loss
({disc[psnr]:.2f} dB, {disc[sharpness_ratio]:.0%}).
"""


def base64_of(array):
    return base64.b64encode(np.ascontiguousarray(array).tobytes()).decode()


def decoder(root):
    """The kept decoder's weights and the kept means, float16, and the map's two directions.

    The directions are chapter 01's: the main ones of the means, by singular value decomposition.
    """
    kept = load_file(root / DECODER)
    layers = len([name for name in kept if name.endswith('.weight')])
    weights = [kept[f'net.{i}.{part}'] for i in range(layers) for part in ('weight', 'bias')]
    means = kept['means'].astype('float32')
    centre = means.mean(axis=0)
    directions = np.linalg.svd(means - centre, full_matrices=False)[2]
    return {
        'sizes': [kept['net.0.weight'].shape[1]] + [len(weight) for weight in weights[::2]],
        'weights': base64_of(np.concatenate([weight.ravel() for weight in weights])),
        'means': base64_of(kept['means']),
        'centre': centre.tolist(),
        'directions': directions.tolist(),
    }


def faces(path):
    """Real pictures and reconstructions, two lists of (S, S, 3) in [0, 1], out of one file.

    The file has two rows of ten squares between white lines, so its inked part tells their side s
    and the lines' width g: 2 s + g high and 10 s + 9 g wide.
    """
    pixels = np.asarray(Image.open(path).convert('RGB'))
    ink = (pixels < 250).any(axis=2)
    top, bottom = np.flatnonzero(ink.any(axis=1))[[0, -1]]
    left, right = np.flatnonzero(ink.any(axis=0))[[0, -1]]
    height, width = bottom - top + 1, right - left + 1
    side = ((COLUMNS - 1) * height - width) / (COLUMNS - 2)
    pitch = height - side
    inner = round(side) - 2  # without the smoothed rim
    corners = [[(round(top + j * pitch) + 1, round(left + i * pitch) + 1) for i in range(COLUMNS)]
               for j in range(2)]  # fmt: skip
    gaps = [x + inner + round((pitch - inner) / 2) for _, x in corners[0][:-1]]
    if side < 20 or ink[:, gaps].mean() > 0.02:
        sys.exit(f'{path} is not two rows of {COLUMNS} squares: choose another run in runs.yml.')
    cut = [[pixels[y : y + inner, x : x + inner] / 255 for y, x in row] for row in corners]
    return [[face.astype('float32') for face in row] for row in cut]


def saved(folder, name, pictures):
    """Save pictures (S, S, 3) in [0, 1] losslessly; their addresses for the page."""
    names = [f'{name}-{i}.webp' for i in range(len(pictures))]
    for path, picture in zip(names, pictures, strict=True):
        image = Image.fromarray((picture * 255).round().astype('uint8'))
        image.save(folder / path, lossless=True)
    return [f'{folder.name}/{path}' for path in names]


def parameters(root, run):
    return yaml.safe_load((root / 'results' / run / 'parameters.yaml').read_text())


def summary(root, run):
    return json.loads((root / 'results' / run / 'summary.json').read_text())


def check_alike(root, first, others):
    """Refuse runs that differ in more than the discriminator and its weight."""
    reference = parameters(root, first)
    for run in others:
        found = parameters(root, run)
        shared = reference.keys() & found.keys() - {'disc_weight'}
        if different := sorted(name for name in shared if reference[name] != found[name]):
            sys.exit(f'{run} differs from {first} also in {", ".join(different)}: see runs.yml.')


def numbers(metrics, prefix=''):
    """The means of a run's `METRICS`; those of its noise control with the prefix 'control_'."""
    suffix = '_reconstructions' if prefix else ''
    found = {name: metrics.get(prefix + name.removesuffix(suffix)) for name, *_ in METRICS}
    return {name: metric['mean'] for name, metric in found.items() if metric}


def ladder(root, runs, folder):
    """The faces of every rung, and its numbers, from the smallest weight to the largest."""
    with_disc = [run for run in runs if 'disc_weight' in parameters(root, run)]
    check_alike(root, with_disc[0], runs)
    rungs = []
    for run in runs:
        real, made = faces(root / 'results' / run / 'reconstructions.png')
        rungs.append({
            'run': run,
            'weight': parameters(root, run).get('disc_weight', 0),
            'discriminator': parameters(root, run).get('discriminator'),
            'seeds': len(summary(root, run)['seeds']),
            'numbers': numbers(summary(root, run)['metrics']),
            'faces': saved(folder, f'rung-{len(rungs)}', made),
        })  # fmt: skip
    return {
        'real': saved(folder, 'ladder', real),
        'rungs': sorted(rungs, key=lambda rung: rung['weight']),
    }


def sharpness(pictures):
    """Variance of the Laplacian of grey pictures, valid region, the mean over pictures."""
    edges = [ndimage.convolve(p @ LUMINANCE, LAPLACIAN)[1:-1, 1:-1] for p in pictures]
    return float(np.mean([edge.var() for edge in edges]))


def noisy(pictures, target):
    """The pictures with grey white noise, all of one strength, as sharp as the target together."""
    rng = np.random.default_rng(0)
    noise = [rng.standard_normal((*p.shape[:2], 1)).astype('float32') for p in pictures]

    def at(sd):
        return [np.clip(p + np.float32(sd) * n, 0, 1) for p, n in zip(pictures, noise, strict=True)]

    if sharpness(pictures) >= target:
        sys.exit(
            'The control of the blind test is as sharp as its run: choose another in runs.yml.'
        )
    return at(optimize.brentq(lambda sd: sharpness(at(sd)) - target, 0, 1))


def blind(root, run, folder):
    """Each real face with three answers, what is measured on them, and on all held-out faces."""
    control = summary(root, run)['control']
    check_alike(root, run, [control])
    real, disc = faces(root / 'results' / run / 'reconstructions.png')
    control_real, plain = faces(root / 'results' / control / 'reconstructions.png')
    if np.abs(np.subtract(real, control_real)).max() > 2 / 255:
        sys.exit(f'{run} and {control} do not show the same pictures: see runs.yml.')
    answers = {'plain': plain, 'noise': noisy(plain, sharpness(disc)), 'disc': disc}
    metrics = summary(root, run)['metrics']
    return {
        'run': run,
        'control': control,
        'weight': parameters(root, run)['disc_weight'],
        'real': saved(folder, 'blind', real),
        'answers': {kind: saved(folder, kind, made) for kind, made in answers.items()},
        'measured': {kind: measured(real, made) for kind, made in answers.items()},
        'numbers': {
            'plain': numbers(summary(root, control)['metrics']),
            'noise': numbers(metrics, 'control_'),
            'disc': numbers(metrics),
        },
    }


def front(source, pictures, test):
    """Write the front page's picture, and the sentence below it, which has its numbers."""
    rows = [test['real'], test['answers']['plain'], test['answers']['disc']]
    rows = [[Image.open(pictures.parent / face) for face in row[:FRONT]] for row in rows]
    side = 2 * rows[0][0].width
    pitch = side + 8
    sheet = Image.new('RGBA', (FRONT * pitch - 8, len(rows) * pitch - 8))
    for y, row in enumerate(rows):
        for x, face in enumerate(row):
            large = face.resize((side, side), Image.Resampling.NEAREST)
            sheet.paste(large, (x * pitch, y * pitch))
    sheet.save(source / 'explorer/front.webp', lossless=True)
    plain, disc = test['numbers']['plain'], test['numbers']['disc']
    (source / 'explorer/front.txt').write_text(FRONT_TEXT.format(plain=plain, disc=disc))


def measured(real, made):
    """PSNR, SSIM and share of the real sharpness of each picture as it is shown."""
    pairs = list(zip(real, made, strict=True))
    return {
        'psnr': [float(-10 * np.log10(np.square(x - y).mean())) for x, y in pairs],
        'ssim': [
            float(structural_similarity(x, y, channel_axis=2, data_range=1)) for x, y in pairs
        ],
        'sharpness_ratio': [sharpness([y]) / sharpness([x]) for x, y in pairs],
    }


def export(root, source):
    """Write the page, its scripts and its data into the book's source."""
    runs = yaml.safe_load((HERE / 'runs.yml').read_text())
    static = source / '_extra/explorer'
    pictures = static / 'faces'
    pictures.mkdir(parents=True)
    (source / 'explorer').mkdir()
    shutil.copyfile(HERE / 'index.md', source / 'explorer/index.md')
    for path in (*HERE.glob('*.js'), *HERE.glob('*.css')):
        shutil.copyfile(path, static / path.name)
    data = {
        'decoder': decoder(root),
        'metrics': METRICS,
        'ladder': ladder(root, runs['ladder'], pictures),
        'blind': blind(root, runs['blind'], pictures),
    }
    front(source, pictures, data['blind'])
    (static / 'data.js').write_text(f'window.explorerData = {json.dumps(data)};\n')
