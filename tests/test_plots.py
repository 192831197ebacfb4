"""Figures over several seeds: what is drawn of a metric."""

import matplotlib.pyplot as plt
import pytest
from PIL import Image

from d2lvae import plots
from d2lvae.metrics import mean_ci95


@pytest.fixture
def drawn(monkeypatch):
    """The figures that are finished, still open."""
    figures = []
    monkeypatch.setattr(plots, 'finish', lambda figure, path=None: figures.append(figure))
    yield figures
    plt.close('all')


def bars(axis):
    return [bar for container in axis.containers for bar in container[2]]


def test_a_metric_of_three_seeds_is_a_mean_with_bars_and_a_dot_for_each_seed(drawn):
    x, y = mean_ci95([1.0, 2.0, 3.0]), mean_ci95([5.0, 5.5, 6.0])
    plots.trade_off({'PSNR': {'a': (x, y)}})
    [axis] = drawn[0].axes
    assert len(bars(axis)) == 2
    [dots] = [line for line in axis.lines if line.get_marker() == '.']
    assert dots.get_xydata().tolist() == [[1.0, 5.0], [2.0, 5.5], [3.0, 6.0]]
    [low, high] = bars(axis)[0].get_segments()[0][:, 0]
    assert (low, high) == pytest.approx((2 - x['ci95'], 2 + x['ci95']))


def test_two_seeds_have_dots_and_no_bars_and_a_number_has_neither(drawn):
    plots.trade_off({'PSNR': {'two': (mean_ci95([1.0, 2.0]), mean_ci95([5.0, 6.0]))}})
    plots.trade_off({'PSNR': {'number': (1.0, 5.0)}})
    assert [bars(figure.axes[0]) for figure in drawn] == [[], []]
    dots = [[line.get_marker() for line in figure.axes[0].lines].count('.') for figure in drawn]
    assert dots == [1, 0]


def test_seeds_of_one_coordinate_are_dots_at_the_number_that_is_the_other(drawn):
    plots.against('push', {'PSNR': {'a': (0.1, mean_ci95([5.0, 6.0]))}})
    [dots] = [line for line in drawn[0].axes[0].lines if line.get_marker() == '.']
    assert dots.get_xydata().tolist() == [[0.1, 5.0], [0.1, 6.0]]


@pytest.mark.parametrize('log', [False, True])
def test_points_too_close_for_two_labels_share_one(drawn, log):
    points = {'a': (1.0, 5.0), 'b': (1.01, mean_ci95([5.0, 5.02])), 'c': (9.0, 5.0), 'd': (1.0, 9)}
    plots.against('push', {'PSNR': points}, log=log)
    texts = {text.get_text(): text.xy for text in drawn[0].axes[0].texts}
    assert texts == {'a, b': (1.0, 5.0), 'c': (9.0, 5.0), 'd': (1.0, 9)}


def test_long_labels_of_neighbours_lie_on_no_other_label_or_point(drawn):
    points = {'10 + 10': (12.6, 15.2), '5 + 15': (16.2, 15.2), '0 + 20': (19.7, 15.1), 'x': (0, 18)}
    plots.against('minutes', {'PSNR': points, 'SWD': {'a': (0, 1)}})
    axis = drawn[0].axes[0]
    boxes = [text.get_window_extent() for text in axis.texts]
    dots = axis.transData.transform(list(points.values()))
    assert [text.get_text() for text in axis.texts] == list(points)
    assert [box.count_overlaps(boxes) for box in boxes] == [1] * 4  # with itself
    assert not any(box.contains(*dot) for box in boxes for dot in dots)


def test_a_long_label_at_the_right_edge_lies_to_the_left_of_its_point(drawn):
    points = {'w = 10': (0.5, 16.0), 'w = 1000, for twice as long': (15.0, 14.0)}
    plots.against('push', {'PSNR': points})
    axis = drawn[0].axes[0]
    assert [text.get_ha() for text in axis.texts] == ['left', 'right']
    assert all(text.get_window_extent().x1 < axis.bbox.x1 for text in axis.texts)


def test_a_panel_for_each_title_against_one_number(drawn):
    plots.against('push', {'PSNR': {'a': (0.1, 20.0)}, 'KL': {'a': (0.1, 30.0)}}, log=True)
    assert [axis.get_title() for axis in drawn[0].axes] == ['PSNR', 'KL']
    assert {axis.get_xscale() for axis in drawn[0].axes} == {'log'}
    assert {axis.get_xlabel() for axis in drawn[0].axes} == {'push'}


def test_a_figure_is_written_as_png(tmp_path):
    plots.against('push', {'PSNR': {'a': (0.1, 20.0)}}, path=tmp_path / 'figure.png')
    assert Image.open(tmp_path / 'figure.png').format == 'PNG'
