"""How figures are drawn and handed over: colours, markers, names of points, PNG with its words."""

import base64
import io

import matplotlib.pyplot as plt
import numpy as onp
import PIL.Image
from IPython.display import display
from matplotlib.transforms import Bbox

from d2lvae.base.files import write_whole

# Okabe and Ito's colours, told apart by the colour-blind and in grey print; black is the reference
BLACK = '#000000'
COLOURS = ('#0072B2', '#D55E00', '#009E73', '#E69F00', '#CC79A7', '#56B4E9')
MARKERS = ('o', 's', '^', 'D', 'v')  # with the colours 30 different pairs
LINES = ('-', '--', '-.', ':')
PLACES = ('left', 6, 4), ('left', 6, -12), ('right', -6, 4), ('right', -6, -12)  # of a label
NEAR = 12  # pixels between points that share a label
DOT = 3  # pixels, the radius of a point
PIXELS = 84, 128, 900  # the least and the largest side of a picture, the width of a row
GAP, LABEL = 6, 17  # pixels between pictures, height of a label's letters
INCH = 100  # pixels on a screen; the file has twice as many
OURS = plt.style.context(['default', {'font.size': 11}])  # whatever a user's matplotlibrc says


def finish(figure, alt, path=None):
    """Show a figure of matplotlib with its text alternative, or write it to `path`, as PNG."""
    png = io.BytesIO()
    figure.savefig(png, dpi=2 * INCH, format='png', metadata={'Software': None})
    if not any(axis.images for axis in figure.axes):  # lines: few colours, and a third of the bytes
        drawn = PIL.Image.open(png).convert('RGB').quantize(256)
        drawn.save(png := io.BytesIO(), 'PNG', optimize=True, dpi=(2 * INCH, 2 * INCH))
    plt.close(figure)
    deliver(png.getvalue(), alt, path, width=round(INCH * figure.get_figwidth()))


def deliver(png, alt, path=None, **size):
    """Show a PNG with its text alternative, or write it to `path`."""
    if path is None:
        data = {'image/png': base64.b64encode(png).decode(), 'text/plain': alt}
        display(data, metadata={'image/png': {'alt': alt, **size}}, raw=True)
    else:
        write_whole(path, png)


def axes_of(panels, size=(3.6, 3), **options):
    """A figure with an axis for each panel, at most three beside each other, and the axes."""
    columns = 2 if len(panels) == 4 else min(3, len(panels))
    rows = -(-len(panels) // columns)
    options |= {'figsize': (size[0] * columns, size[1] * rows), 'layout': 'constrained'}
    figure, axes = plt.subplots(rows, columns, squeeze=False, **options)
    for axis in axes.flat[len(panels) :]:
        axis.remove()
    for axis in axes.flat[: len(panels)]:
        axis.grid(alpha=0.3)
    return figure, axes.flat[: len(panels)]


def pixel_size(side, columns, largest=PIXELS[1]):
    """The side of the square that stands for one pixel of pictures, `columns` of them in a row."""
    least, _, row = PIXELS
    return max(-(-least // side), min(largest, row // columns) // side)


def enlarged(picture, sides):
    """A picture (C, H, W) in [0, 1] as one of Pillow's, as large as `sides`."""
    values = onp.rint(255 * onp.clip(picture, 0, 1)).astype('uint8')
    values = values[0] if len(values) == 1 else values.transpose(1, 2, 0)
    return PIL.Image.fromarray(values).resize(tuple(sides), PIL.Image.Resampling.NEAREST)


def styles(names):
    """A colour and a marker for each name; what begins with 'plain' is black."""
    free = iter(zip(COLOURS * len(names), MARKERS * len(names)))
    return [(BLACK, 'X') if name.startswith('plain') else next(free) for name in names]


def direction(name):
    """1 if more is better, -1 if the name has the arrow ↓."""
    return -1 if '↓' in name else 1


def listed(panels):
    return ', '.join(next(iter(panels.values())))


def spread(value):
    """(mean, values of the seeds, bar or None) of a number or of a metric."""
    if not isinstance(value, dict):
        return value, [], None
    return value['mean'], value['values'], value['ci95'] if len(value['values']) > 2 else None


def draw_points(axis, points, recipes=None, front=False):
    """Points, label to (x, y), each with a colour and a marker of its own, or its recipe's.

    `recipes` maps names to the labels of points that a thin line joins. `front`, 1 or -1 for x and
    for y, draws the Pareto front: the points that no other beats in both.
    """
    recipes = recipes or {label: [label] for label in points}
    for (name, labels), style in zip(recipes.items(), styles(recipes)):
        there = [points[label] for label in labels if label in points]
        for x, y in there:
            point(axis, x, y, style)
        if len(there) > 1:
            means = [(spread(x)[0], spread(y)[0]) for x, y in there]
            axis.plot(*zip(*means), color=style[0], marker=style[1], linewidth=1, label=name)
    if front:
        means = [(spread(x)[0], spread(y)[0]) for x, y in points.values()]
        steps = dict(where='post' if front[0] < 0 else 'pre', color='0.6', linewidth=3)
        axis.step(*zip(*unbeaten(means, front)), zorder=0, label='Pareto front', **steps)


def unbeaten(points, front):
    """The Pareto front of points (x, y) by x; `front` is 1 where more is better, -1 where less."""

    def beats(a, b):
        gains = [sign * (p - q) for sign, p, q in zip(front, a, b)]
        return min(gains) >= 0 and max(gains) > 0

    return sorted(p for p in points if not any(beats(other, p) for other in points))


def point(axis, x, y, style):
    """One point, each coordinate a number or a metric `{mean, ci95, values}`.

    Of a metric the seeds are small dots, and with three or more of them the mean has the bars of
    its 95 % interval; those of two would be wider than any figure.
    """
    colour, marker = style
    (x_mean, _, x_bar), (y_mean, _, y_bar) = spread(x), spread(y)
    bars = dict(xerr=x_bar, yerr=y_bar, capsize=3, linewidth=1)
    axis.errorbar(x_mean, y_mean, fmt=marker, color=colour, **bars)
    seeds = by_seed(x, y)
    if len(seeds) > 1:
        axis.plot(*zip(*seeds), '.', color=colour, markersize=4)


def by_seed(x, y):
    """The points of the seeds of a point; [] if neither coordinate is a metric."""
    (x, xs, _), (y, ys, _) = spread(x), spread(y)
    return list(zip(xs or [x] * len(ys), ys or [y] * len(xs)))


def legend(figure, axes):
    """One legend for all panels, below them, if there is anything to name."""
    handles, names = axes[0].get_legend_handles_labels()
    if handles:
        figure.legend(handles, names, loc='outside lower center', ncols=3, frameon=False)


def name_points(figure, axes, panels, named=None):
    """The legend, and the labels of all points when every panel has shaped the shared axes."""
    legend(figure, axes)
    for axis, points in zip(axes, panels.values()):
        annotate(axis, points, named)


def annotate(axis, points, named=None):
    """Label points, label to (x, y) as in `point`, where the fewest points, labels and edges are.

    One label names those that lie together; `named` are those that have one, all without it. To be
    called when all panels are drawn, for their layout decides what overlaps.
    """
    axis.figure.draw_without_rendering()
    places = {label: (spread(x)[0], spread(y)[0]) for label, (x, y) in points.items()}
    pixels = {label: axis.transData.transform(place) for label, place in places.items()}
    seeds = [axis.transData.transform(seed) for x, y in points.values() for seed in by_seed(x, y)]
    dots = [*pixels.values(), *seeds]
    taken = [Bbox.from_extents(*(dot - DOT), *(dot + DOT)) for dot in dots]
    for labels in together({n: at for n, at in pixels.items() if named is None or n in named}):
        words, place = ', '.join(labels), places[labels[0]]
        texts = [
            axis.annotate(words, place, offset, 'data', 'offset points', ha=ha, fontsize=10)
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


def name_ends(axis, ends):
    """Write names to the right of lines' ends, name to (x, y, colour), none of them on another."""
    axis.figure.draw_without_rendering()
    right, top = max(x for x, *_ in ends.values()), -onp.inf
    for name, (_, y, colour) in sorted(ends.items(), key=lambda end: end[1][1]):
        end = axis.transData.transform((right, y))[1] * 72 / axis.figure.dpi  # in points
        half = 1.3 * plt.rcParams['font.size'] * (name.count('\n') + 1) / 2
        place = max(end, top + half)
        top, offset = place + half, (8, place - end)
        axis.annotate(name, (right, y), offset, 'data', 'offset points', color=colour, va='center')


def name_level(axis, name, y):
    """A dotted line across the axis, with its name."""
    axis.axhline(y, color=BLACK, linestyle=':')
    axis.annotate(name, (0, y), (4, -13), axis.get_yaxis_transform(), 'offset points')
