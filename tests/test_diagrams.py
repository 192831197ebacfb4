"""Diagrams: what is updated has its colour, and each arrow its direction."""

import matplotlib.pyplot as plt
import numpy as onp
import pytest
from matplotlib.colors import to_rgba

from d2lvae import diagrams


@pytest.fixture
def drawn(monkeypatch):
    """The figures that are finished, still open."""
    figures = []
    monkeypatch.setattr(diagrams, 'finish', lambda figure, alt, path: figures.append(figure))
    yield figures
    plt.close('all')


def test_each_update_colours_what_learns_and_leaves_the_other_grey(drawn):
    diagrams.two_updates()
    coloured = [
        {
            text.get_text()
            for text in axis.texts
            if text.get_bbox_patch()
            and text.get_bbox_patch().get_facecolor() == to_rgba(diagrams.UPDATED)
        }
        for axis in drawn[0].axes
    ]
    assert coloured == [{'D'}, {'encoder', 'decoder'}]


def test_a_field_has_its_own_arrows_in_each_panel_and_each_picture_beside_its_point(drawn):
    marked = {'real': (0, 1), 'mean': (0.5, 0.5)}
    diagrams.fields({'there': lambda P: P - 1, 'here': onp.ones_like}, marked)
    axes = drawn[0].axes
    assert [axis.get_title() for axis in axes] == ['there', 'here']
    quivers = [axis.collections[0] for axis in axes]
    assert quivers[0].U.tolist() == pytest.approx((quivers[0].XY[:, 0] - 1).tolist())
    assert set(quivers[1].V) == {1}
    assert [image.get_array().tolist() for image in axes[0].images] == [[[0, 1]], [[0.5, 0.5]]]
    assert [text.get_text() for text in axes[0].texts] == list(marked)
