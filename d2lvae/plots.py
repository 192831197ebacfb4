"""Every figure of the course: PNG, sizes fixed, readable in print and for the colour-blind.

Each function shows its figure, or writes it to `path` if there is one, and returns nothing, so
that a cell that ends with it has the figure as its only output.
"""

import io

import matplotlib.pyplot as plt
import numpy as onp
from matplotlib.transforms import Bbox

from d2lvae.base.files import write_whole

# Okabe and Ito's colours, told apart by the colour-blind and in grey print
BLACK, ORANGE, SKY, GREEN, BLUE, RED, PURPLE = (
    '#000000',
    '#E69F00',
    '#56B4E9',
    '#009E73',
    '#0072B2',
    '#D55E00',
    '#CC79A7',
)
COLOURS = (BLUE, RED, GREEN, ORANGE, PURPLE, SKY, BLACK)
LINES = ('-', '--', '-.', ':')
PLACES = ('left', 6, 4), ('left', 6, -11), ('right', -6, 4), ('right', -6, -11)  # of a label
NEAR = 12  # pixels between points that share a label
DOT = 3  # pixels, the radius of a point


def finish(figure, path=None):
    """Show the figure, or write it to `path` as PNG."""
    if path is None:
        plt.show()
    else:
        png = io.BytesIO()
        figure.savefig(png, dpi=100, metadata={'Software': None})
        write_whole(path, png.getvalue())
    plt.close(figure)


def plane(picture):
    """One picture (C, H, W) in the order that matplotlib draws, (H, W) or (H, W, 3)."""
    return picture[0] if len(picture) == 1 else picture.transpose(1, 2, 0)


def pictures(rows, labels=None, path=None):
    """Rows of pictures, each (N, C, H, W) in [0, 1], with a label to the left of each row."""
    columns = max(len(row) for row in rows)
    margin = 0.09 * max(map(len, labels)) + 0.15 if labels else 0.05
    figure, axes = plt.subplots(
        len(rows),
        columns,
        squeeze=False,
        figsize=(0.72 * columns + margin, 0.72 * len(rows) + 0.05),
    )
    width = figure.get_figwidth()
    figure.subplots_adjust(
        left=margin / width, right=1 - 0.03 / width, bottom=0.03, top=0.97, wspace=0.06, hspace=0.06
    )
    for row, line in zip(rows, axes):
        for axis in line:
            axis.axis('off')
        for picture, axis in zip(row, line):
            axis.imshow(plane(picture), cmap='gray', vmin=0, vmax=1)
    for label, line in zip(labels or [], axes):
        line[0].text(
            -0.12, 0.5, label, transform=line[0].transAxes, ha='right', va='center', fontsize=10
        )
    finish(figure, path)


def gradients(rows, pictures, labels, path=None):
    """Rows of signed pictures (N, 1, H, W) below the pictures that they belong to.

    Red is positive, blue negative; each row has its own scale.
    """
    figure, axes = plt.subplots(
        len(rows) + 1, len(pictures), figsize=(0.72 * len(pictures) + 1.2, 0.72 * (len(rows) + 1))
    )
    figure.subplots_adjust(left=0.16, right=0.99, bottom=0.02, top=0.98, wspace=0.06, hspace=0.06)
    for axis, picture in zip(axes[0], pictures):
        axis.imshow(plane(picture), cmap='gray', vmin=0, vmax=1)
    for row, line, label in zip(rows, axes[1:], labels):
        limit = onp.quantile(onp.abs(row), 0.995)
        for axis, picture in zip(line, row):
            axis.imshow(plane(picture), cmap='RdBu_r', vmin=-limit, vmax=limit)
        line[0].text(
            -0.12, 0.5, label, transform=line[0].transAxes, ha='right', va='center', fontsize=10
        )
    for axis in axes.flat:
        axis.axis('off')
    finish(figure, path)


def curves(statistics, path=None):
    """Every loss term of a run against the epoch, a table with the columns of the statistics."""
    panels = {
        'KL': ['kl'],
        'pixel-by-pixel loss': ['pbp'],
        'adversarial losses': ['adversarial', 'disc_real', 'disc_fake'],
        'gradient norms': ['grad_norm_pbp', 'grad_norm_adversarial'],
        'accuracy of the discriminator': ['disc_accuracy'],
    }
    shown = {
        title: [n for n in names if n in statistics and statistics[n].notna().any()]
        for title, names in panels.items()
    }
    shown = {title: names for title, names in shown.items() if names}
    figure, axes = plt.subplots(
        1, len(shown), figsize=(3.2 * len(shown), 2.7), squeeze=False, layout='constrained'
    )
    means = statistics.groupby('epoch').mean(numeric_only=True)
    for axis, (title, names) in zip(axes[0], shown.items()):
        for name, colour, line in zip(names, COLOURS, LINES):
            axis.plot(means.index + 1, means[name], line, color=colour, label=name)
        axis.set(title=title, xlabel='epoch')
        axis.grid(alpha=0.3)
        if len(names) > 1:
            axis.legend(frameon=False, fontsize=8)
    finish(figure, path)


def trade_off(panels, control=None, study=None, path=None):
    """Planes of fidelity and sharpness.

    `panels` maps the name of a measure of fidelity to points, label to (fidelity, sharpness ratio).
    Both are numbers or, over several seeds, metrics of `summary.json` (see `point`). `control` maps
    the same names to the noise control's curve, two sequences of the same meaning, and `study` to
    points of the study, without labels.
    """
    figure, axes = plt.subplots(
        1,
        len(panels),
        figsize=(max(5, 4 * len(panels)), 3.7),
        sharey=True,
        squeeze=False,
        layout='constrained',
    )
    for axis, (xlabel, points) in zip(axes[0], panels.items()):
        if control is not None:
            axis.plot(*control[xlabel], '--', color=BLACK, label='plain VAE + white noise')
        if study is not None:
            axis.plot(*study[xlabel], 'D', mfc='none', color=BLACK, label='study, other faces')
        for (x, y), colour in zip(points.values(), COLOURS * len(points)):
            point(axis, x, y, colour)
        axis.axhline(1, color=BLACK, linewidth=0.8, linestyle=':')
        axis.set(xlabel=f'{xlabel} (more faithful →)')
        axis.margins(x=0.3, y=0.15)
        axis.grid(alpha=0.3)
    for axis, points in zip(axes[0], panels.values()):  # when all have shaped the shared y-axis
        annotate(axis, points)
    axes[0, 0].set_ylabel('sharpness, as a share of the real')
    if control is not None or study is not None:
        figure.legend(
            *axes[0, 0].get_legend_handles_labels(),
            loc='outside lower center',
            ncols=2,
            frameon=False,
        )
    finish(figure, path)


def point(axis, x, y, colour):
    """One point, each coordinate a number or a metric `{mean, ci95, values}`.

    Of a metric the seeds are small dots, and with three or more of them the mean has the bars of
    its 95 % interval; those of two would be wider than any figure.
    """
    (x, xs, x_bar), (y, ys, y_bar) = (spread(value) for value in (x, y))
    axis.errorbar(x, y, xerr=x_bar, yerr=y_bar, fmt='o', color=colour, capsize=2, linewidth=1)
    num_seeds = max(len(xs), len(ys))
    if num_seeds > 1:
        axis.plot(xs or [x] * num_seeds, ys or [y] * num_seeds, '.', color=colour, markersize=4)


def annotate(axis, points):
    """Label points, label to (x, y) as in `point`, where the fewest points, labels and edges are.

    One label names those that lie together. To be called when all panels are drawn, for their
    layout decides what overlaps.
    """
    axis.figure.draw_without_rendering()
    places = {label: (spread(x)[0], spread(y)[0]) for label, (x, y) in points.items()}
    pixels = {label: axis.transData.transform(place) for label, place in places.items()}
    taken = [Bbox.from_extents(*(pixel - DOT), *(pixel + DOT)) for pixel in pixels.values()]
    for labels in together(pixels):
        texts = [
            axis.annotate(
                ', '.join(labels),
                places[labels[0]],
                xytext=offset,
                textcoords='offset points',
                ha=ha,
                fontsize=9,
            )
            for ha, *offset in PLACES
        ]
        boxes = [text.get_window_extent() for text in texts]
        best = onp.argmin([box.count_overlaps(taken) + leaves(axis, box) for box in boxes])
        taken.append(boxes[best])
        for text in texts[:best] + texts[best + 1 :]:
            text.remove()


def leaves(axis, box):
    """Whether a box reaches over the left or the right side of the axis."""
    return box.x0 < axis.bbox.x0 or box.x1 > axis.bbox.x1


def together(pixels):
    """Lists of the labels whose pixels (x, y), by label, are near those of the first of them."""
    groups = []
    for label, pixel in pixels.items():
        for group in groups:
            if onp.hypot(*(pixel - pixels[group[0]])) < NEAR:
                group.append(label)
                break
        else:
            groups.append([label])
    return groups


def spread(value):
    """(mean, values of the seeds, bar or None) of a number or of a metric."""
    if not isinstance(value, dict):
        return value, [], None
    return value['mean'], value['values'], value['ci95'] if len(value['values']) > 2 else None


def against(xlabel, panels, log=False, path=None):
    """Panels side by side: what changes with one number.

    `panels` maps a title to points, label to (x, y), each a number or a metric as in `point`;
    `log` makes the x-axis logarithmic.
    """
    figure, axes = plt.subplots(
        1, len(panels), figsize=(3.4 * len(panels), 3), squeeze=False, layout='constrained'
    )
    for axis, (title, points) in zip(axes[0], panels.items()):
        for (x, y), colour in zip(points.values(), COLOURS * len(points)):
            point(axis, x, y, colour)
        if log:
            axis.set_xscale('log')
        axis.set(title=title, xlabel=xlabel)
        axis.margins(x=0.4, y=0.15)  # for the labels to the right of the points
        axis.grid(alpha=0.3)
    for axis, points in zip(axes[0], panels.values()):
        annotate(axis, points)
    finish(figure, path)


def latent_map(points, labels, path=None):
    """A 2-D map (N, 2) of digits, coloured and numbered by their label (N,)."""
    figure, axis = plt.subplots(figsize=(5, 4.4), layout='constrained')
    shown = axis.scatter(*points.T, c=labels, cmap='tab10', vmin=-0.5, vmax=9.5, s=4, alpha=0.5)
    for digit in onp.unique(labels):
        axis.text(
            *onp.median(points[labels == digit], axis=0),
            str(digit),
            fontsize=15,
            weight='bold',
            ha='center',
            va='center',
            bbox={'facecolor': 'white', 'alpha': 0.7, 'edgecolor': 'none', 'pad': 1},
        )
    figure.colorbar(shown, ticks=range(10), label='digit')
    axis.set(xlabel='first principal direction', ylabel='second principal direction')
    finish(figure, path)
