"""The plane: closed forms against finite differences, the table of steps, the plateau law, matched steps."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from qtutor import toy

ANGLES = np.linspace(0, np.pi, 201)
W = np.array([1.0, 0.0])


def v(theta):
    return np.stack([np.cos(theta), np.sin(theta)], axis=-1)


def test_loss_and_gradients_are_equations_3_to_6():
    overlap = v(ANGLES) @ W
    np.testing.assert_allclose(toy.loss(ANGLES), 1 - overlap**2, atol=1e-15)
    h = 1e-6
    nabla = ((1 - (v(ANGLES + h) @ W) ** 2) - (1 - (v(ANGLES - h) @ W) ** 2)) / (2 * h)
    np.testing.assert_allclose(toy.standard(ANGLES), nabla, atol=1e-9)
    squared = ((v(ANGLES) - W) * (v(ANGLES + h) - v(ANGLES - h)) / (2 * h)).sum(-1)
    np.testing.assert_allclose(toy.mean_squared_error(ANGLES), squared, atol=1e-9)
    off = np.abs(overlap) > 1e-3  # Eq. 6 is 0/0 where the overlap is 0
    for alpha in (0, 0.25, 0.5, 0.75, 1):
        expected = nabla[off] / (overlap[off] ** 2) ** alpha
        np.testing.assert_allclose(toy.scaled(ANGLES, alpha)[off], expected, rtol=1e-6, atol=1e-6)
        if alpha == 0.5:
            np.testing.assert_allclose(toy.modified(ANGLES)[off], expected, rtol=1e-6, atol=1e-6)


def test_m_is_twice_l2_in_the_first_quadrant_and_points_the_other_way_beyond():
    first, second = ANGLES[ANGLES < np.pi / 2], ANGLES[ANGLES > np.pi / 2 + 1e-9]
    np.testing.assert_allclose(toy.modified(first), 2 * toy.mean_squared_error(first), atol=1e-15)
    np.testing.assert_allclose(toy.modified(second), -2 * toy.mean_squared_error(second), atol=1e-15)


def test_m_is_finite_with_size_two_at_the_top():
    for alpha in (0, 0.25, 0.5, 0.75, 1):
        assert np.isfinite(toy.scaled(np.pi / 2, alpha))
    assert toy.modified(np.pi / 2) == pytest.approx(2)
    assert toy.scaled(np.arccos(0.0), 0.5) == pytest.approx(2)


@pytest.mark.parametrize("theta0, expected", [(1.50, (25, 29, 14)), (1.57, (50, 29, 14)), (1.65, (25, 30, 14)),
                                              (3.00, (2, 57, 2))])
def test_table_of_steps(theta0, expected):
    for name, steps in zip(("S", "L2", "M"), expected):
        assert toy.steps_needed(toy.descend(name, theta0)) == steps
    # The same race run by hand, with the vectors of the paper instead of closed forms.
    gradients = {"S": lambda p, d: -2 * (p @ W) * (W @ d), "L2": lambda p, d: (p - W) @ d,
                 "M": lambda p, d: -2 * (p @ W) * (W @ d) / abs(p @ W)}
    for (_, gradient), steps in zip(gradients.items(), expected):
        theta, taken = theta0, 0
        while 1 - (v(theta) @ W) ** 2 >= 0.01:
            theta -= 0.1 * gradient(v(theta), np.array([-np.sin(theta), np.cos(theta)]))
            taken += 1
        assert taken == steps


def test_defaults_are_those_of_figure_1():
    assert (toy.THETA0, toy.STEP, toy.SUCCESS) == (1.57, 0.1, 0.01)
    assert toy.descend("S", toy.THETA0).shape == (61,)


def test_descents_are_vectorised():
    theta0 = np.linspace(0, np.pi, 12).reshape(3, 4)
    for name in toy.gradients:
        paths = toy.descend(name, theta0, steps=20)
        assert paths.shape == (21, 3, 4)
        np.testing.assert_array_equal(paths[:, 1, 2], toy.descend(name, theta0[1, 2], steps=20))
        assert toy.steps_needed(paths).shape == (3, 4)


def test_l2_lets_the_quantum_loss_rise_first_beyond_the_top():
    loss = {name: toy.loss(toy.descend(name, 2.5)) for name in toy.gradients}
    assert (np.diff(loss["S"]) < 0).all() and (np.diff(loss["M"])[:-1].min() < 0)
    top = loss["L2"].argmax()
    assert top > 5 and (np.diff(loss["L2"])[:top] > 0).all() and loss["L2"][top] > 0.99
    assert toy.descend("L2", 2.5)[-1] < 0.1 and toy.descend("S", 2.5)[-1] > 3.1  # to +w, and to −w


@pytest.mark.parametrize("step", [0.02, 0.1, 0.3])
def test_plateau_law(step):
    delta = np.logspace(-12, -3, 19)
    slope = np.polyfit(np.log(1 / delta), toy.plateau(delta, step), 1)[0]
    assert slope == pytest.approx(1 / np.log1p(2 * step), rel=0.02)
    if step == 0.02:
        assert slope == pytest.approx(1 / (2 * step), rel=0.04)
    assert (toy.plateau(np.logspace(-15, -1), 2.0) > 0).all()  # it waits long enough, also for large steps
    by_hand = [toy.steps_needed(toy.descend("S", np.pi / 2 - d, step, 2000), 0.5) for d in delta[:2]]
    np.testing.assert_array_equal(toy.plateau(delta[:2], step), by_hand)


def test_a_level_that_is_never_reached_is_an_error():
    with pytest.raises(ValueError, match="choose a higher level"):
        toy.plateau(0.1, level=1e-8)


@settings(deadline=None)
@given(st.floats(1e-3, np.pi - 1e-3), st.sampled_from(sorted(toy.gradients)), st.floats(0.01, 0.5))
def test_matched_steps_all_have_the_same_length(theta0, name, step):
    path = toy.descend(name, theta0, step, steps=400, match=True)
    lengths = np.abs(np.diff(path))
    assert lengths.max() <= step * (1 + 1e-9)
    moving = np.flatnonzero(lengths > 1e-12)
    np.testing.assert_allclose(lengths[moving[:-1]], step, rtol=1e-9)  # only the last one is cut short
    assert path.min() >= 0 and path.max() <= np.pi
    if len(moving):
        assert moving[-1] == len(moving) - 1  # and once it rests it rests
        assert min(path[-1], np.pi - path[-1]) < 1e-9
        along = np.sign(path[0] - path[1]) == np.sign(toy.gradients[name](theta0))
        assert along


def test_matched_steps_leave_no_difference_in_the_first_quadrant():
    paths = [toy.descend(name, 1.2, 0.07, match=True) for name in toy.gradients]
    np.testing.assert_allclose(paths[0], paths[1], atol=1e-12)
    np.testing.assert_allclose(paths[0], paths[2], atol=1e-12)
    beyond = {name: toy.descend(name, 1.9, 0.07, match=True)[-1] for name in toy.gradients}
    assert beyond["L2"] == pytest.approx(0) and beyond["S"] == beyond["M"] == pytest.approx(np.pi)


def test_a_function_of_your_own_descends_too():
    path = toy.descend(lambda theta: toy.scaled(theta, 0.75), np.array([0.5, 1.0]), steps=5)
    np.testing.assert_allclose(path[1], [0.5, 1.0] - 0.1 * toy.scaled(np.array([0.5, 1.0]), 0.75))


def test_a_descent_that_never_arrives_says_so():
    assert toy.steps_needed(toy.descend("S", np.pi / 2, steps=30)) == -1
    np.testing.assert_array_equal(toy.steps_needed(toy.descend("L2", np.array([0.0, 1.57]), steps=10)), [0, -1])


@pytest.mark.parametrize("call, says", [
    (lambda: toy.descend("X", 1.0), "no gradient 'X'; there are S, L2, M"),
    (lambda: toy.descend("S", 4.0), r"theta0 lies in \[0, π\]"),
    (lambda: toy.descend("S", np.array([1.0, np.nan])), r"theta0 lies in \[0, π\]"),
    (lambda: toy.descend("S", 1.0, step=-0.1), "step size must be positive"),
    (lambda: toy.descend("S", 1.0, step=np.nan), "step size must be positive"),
    (lambda: toy.plateau([0.0, 0.1]), "delta is the distance"),
    (lambda: toy.plateau(2.0), "delta is the distance"),
])
def test_bad_input_gets_a_sentence_that_teaches(call, says):
    with pytest.raises(ValueError, match=says):
        call()
