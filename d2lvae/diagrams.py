"""Diagrams: what goes where in a training step, and where losses push."""

import matplotlib.pyplot as plt
import numpy as onp
from matplotlib import patheffects

from d2lvae.base.drawing import BLACK, COLOURS, axes_of, finish

CHAIN = {  # what a picture goes through, and where it stands in the diagram
    'x': 0.3,
    'encoder': 1.6,
    'z': 2.9,
    'decoder': 4.2,
    'logits': 5.6,
    r'$\hat x$': 6.9,
    'D': 8.4,
}
NETWORKS = 'encoder', 'decoder', 'D'
UPDATES = ['D'], ['encoder', 'decoder']
THROUGH_D, THROUGH_PIXELS, UPDATED, CUT = COLOURS[1], COLOURS[0], '#f6d7a7', '#b00000'


def two_updates(path=None, alt=None):
    """The two updates of a combo step: the way of a picture, and the gradients against it."""
    options = {'layout': 'constrained', 'height_ratios': (2.1, 2.8)}
    figure, axes = plt.subplots(2, figsize=(9.6, 4.9), **options)
    titles = (
        '1. The discriminator learns: real or reconstructed?',
        '2. The VAE learns: two gradients meet at the logits',
    )
    for axis, title, top, updated in zip(axes, titles, (0.9, 1.6), UPDATES):
        axis.set_title(title, loc='left', fontsize=14)
        axis.set(xlim=(-0.1, 11), ylim=(-1.2, top))
        axis.axis('off')
        draw_chain(axis, updated)
    axis = axes[0]
    arrow(axis, (0.3, 0.25), (8.4, 0.3), BLACK, bend=-0.13)
    box(axis, '$L_D$', 10.3, 0, 'white')
    arrow(axis, (8.8, 0), (9.95, 0), BLACK)
    gradient(axis, (10.1, -0.3), (8.5, -0.45), THROUGH_D, "$L_D$'s gradient", (9.5, -0.8))
    gradient(axis, (8.25, -0.45), (7.75, -0.35), THROUGH_D)
    axis.text(7.5, 0.03, '✂', fontsize=28, ha='center', va='center', rotation=90, color=CUT)
    axis.text(7.5, -0.8, 'detach: it ends here', ha='center', color=CUT)
    axis = axes[1]
    box(axis, '$L_{adv}$', 10.3, 0, 'white')
    arrow(axis, (8.8, 0), (9.85, 0), BLACK)
    arrow(axis, (0.3, 0.25), (5.2, 1.2), BLACK, bend=-0.22)
    box(axis, 'PBP', 5.6, 1.2, 'white')
    box(axis, 'KL', 2.9, 0.9, 'white')
    gradient(axis, (5.6, 0.95), (5.6, 0.28), THROUGH_PIXELS, '$w_{PBP}\\times$', (6.15, 0.6))
    gradient(axis, (2.9, 0.65), (2.9, 0.28), BLACK)
    words = r'$w\times$, through D, which stays as it is'
    gradient(axis, (10.2, -0.3), (5.75, -0.3), THROUGH_D, words, (8, -0.95), bend=-0.08)
    words = 'both together, and the KL'
    gradient(axis, (5.45, -0.3), (1.5, -0.35), BLACK, words, (3.5, -0.95), bend=-0.08)
    finish(
        figure,
        alt
        or 'Two rows: x, encoder, z, decoder, logits, reconstruction, discriminator. Above, the '
        "discriminator's gradient ends at a pair of scissors before the reconstruction. Below, the "
        'gradients of the adversarial and of the pixel loss meet at the logits and go on together '
        'through the decoder and the encoder.',
        path,
    )


def draw_chain(axis, updated):
    """What a picture goes through, from left to right; the networks that are updated in colour."""
    for name, x in CHAIN.items():
        fill = UPDATED if name in updated else '0.92' if name in NETWORKS else 'white'
        box(axis, name, x, 0, fill, name in NETWORKS)
    places = list(CHAIN.items())
    for (name, start), (following, end) in zip(places, places[1:]):
        arrow(axis, (start + half(name), 0), (end - half(following), 0), BLACK)


def half(name):
    return 0.6 if name in ('encoder', 'decoder') else 0.45 if name == 'logits' else 0.35


def box(axis, name, x, y, fill, frame=True):
    style = {'boxstyle': 'round,pad=0.35', 'facecolor': fill, 'linewidth': 1.2 if frame else 0}
    axis.text(x, y, name, fontsize=13, ha='center', va='center', bbox=style, zorder=3)


def arrow(axis, start, end, colour, bend=0.0, width=1.2):
    how = {'arrowstyle': '-|>', 'color': colour, 'linewidth': width, 'mutation_scale': 14}
    axis.annotate('', end, start, arrowprops=how | {'connectionstyle': f'arc3,rad={bend}'})


def gradient(axis, start, end, colour, name='', place=None, bend=0.0):
    """A thick arrow against the way of the picture, with its name."""
    arrow(axis, start, end, colour, bend, 3)
    if name:
        axis.text(*place, name, color=colour, ha='center', va='center')


def fields(panels, marked, path=None, alt=None):
    """Fields of arrows over the square of all pictures of two pixels, a panel for each title.

    `panels` maps a title to a function from pictures (M, 2) to arrows (M, 2), and `marked` a name
    to a picture, which is drawn beside its point.
    """
    side = onp.linspace(0, 1, 11, dtype='float32')
    grid = onp.stack(onp.meshgrid(side, side), axis=-1).reshape(-1, 2)
    figure, axes = axes_of(panels, size=(4.2, 4.6))
    outlined = [patheffects.withStroke(linewidth=4, foreground='white')]
    for axis, (title, field) in zip(axes, panels.items()):
        axis.quiver(*grid.T, *field(grid).T, color=COLOURS[0], pivot='mid', width=0.006)
        for name, (x, y) in marked.items():
            axis.plot(x, y, 'o', color=BLACK, markersize=9)
            axis.text(x, y - 0.09, name, ha='center', va='center', path_effects=outlined)
            corner = (x - 0.09, x + 0.09, y + 0.05, y + 0.14)
            axis.imshow([[x, y]], 'gray', vmin=0, vmax=1, extent=corner, zorder=3)
            axis.add_patch(plt.Rectangle(corner[::2], 0.18, 0.09, fill=False, zorder=4))
        axis.set(title=title, xlabel='left pixel', ylabel='right pixel', aspect='equal')
        axis.set(xlim=(-0.2, 1.2), ylim=(-0.2, 1.2), xticks=(0, 0.5, 1), yticks=(0, 0.5, 1))
        axis.grid(visible=False)
    finish(figure, alt or f'Arrows over the square of two pixels: {", ".join(panels)}.', path)
