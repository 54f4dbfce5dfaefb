"""States against a dense eigensolver, QuTiP and mpmath."""

import math

import mpmath
import numpy as np
import pytest
import torch
from helpers import gradient_of, pair_with_overlap, qutip, random_states
from hypothesis import given, settings
from hypothesis import strategies as st

import qtutor as qt

BOXES = [qt.Box(), qt.Box(points=2), qt.Box(points=7, length=0.5), qt.Box(points=33, length=11.0, origin=3.0)]


def minus_second_derivative(box):
    """Second differences with zero walls, built point by point."""
    matrix = np.zeros((box.points, box.points))
    for j in range(box.points):
        matrix[j, j] = 2 / box.dx**2
        for neighbour in (j - 1, j + 1):
            if 0 <= neighbour < box.points:
                matrix[j, neighbour] = -1 / box.dx**2
    return matrix


@pytest.mark.parametrize("box", BOXES)
def test_eigenstates_are_the_eigenvectors_of_the_discrete_operator(box):
    values, vectors = np.linalg.eigh(minus_second_derivative(box))
    np.testing.assert_allclose(qt.energies(box), values, rtol=1e-11)
    for n in range(1, box.points + 1):
        mine = qt.eigenstate(box, n)
        assert mine.shape == (box.points,) and mine.dtype == torch.complex128
        assert abs(np.vdot(vectors[:, n - 1], mine.numpy())) == pytest.approx(1, abs=1e-12)
        residual = minus_second_derivative(box) @ mine.numpy() - values[n - 1] * mine.numpy()
        assert np.abs(residual).max() < 1e-10 * values[-1]
        assert mine[0].real > 0 and (mine.imag == 0).all()  # the sign a textbook draws: it rises from the left wall


@pytest.mark.parametrize("box", BOXES)
def test_hamiltonian_is_the_second_difference_plus_potential_plus_control(box):
    potential = torch.linspace(-1, 2, box.points, dtype=torch.float64)
    expected = minus_second_derivative(box) + np.diag(potential.numpy() - 3.5 * box.x.numpy())
    np.testing.assert_allclose(qt.hamiltonian(box, -3.5, potential), expected, atol=1e-12)
    assert qt.hamiltonian(box, torch.zeros(4, 3)).shape == (4, 3, box.points, box.points)


def test_grid_is_the_interior_of_the_box_measured_from_the_origin():
    box = qt.Box()
    assert box.dx == 2 / 21 and box.x.dtype == torch.float64
    np.testing.assert_allclose(box.x, np.linspace(0, 2, 22)[1:-1], atol=1e-15)
    np.testing.assert_allclose(qt.Box(origin=1.0).x, np.linspace(-1, 1, 22)[1:-1], atol=1e-15)


def test_superpositions_follow_their_law():
    box, count = qt.Box(), 20_000
    psi = qt.superpositions(box, count, modes=3, seed=5)
    assert psi.shape == (count, 20) and psi.dtype == torch.complex128
    assert (torch.linalg.vector_norm(psi, dim=-1) - 1).abs().max() < 1e-14
    parts = np.stack([qt.inner(qt.eigenstate(box, n), psi).numpy() for n in range(1, 21)], axis=-1)
    assert np.abs(parts[:, 3:]).max() < 1e-14  # nothing outside the first three modes
    weight, phase = np.abs(parts[:, :3]) ** 2, np.exp(1j * np.angle(parts[:, :3]))
    np.testing.assert_allclose(weight.mean(0), 1 / 3, atol=0.02)  # the modes are equally likely
    np.testing.assert_allclose(np.abs([phase.mean(0), (phase**2).mean(0)]), 0, atol=0.03)  # phases are uniform
    assert np.abs((phase[:, 0] * phase[:, 1].conj()).mean()) < 0.03  # and independent
    # g²/Σg² of three normal numbers is Beta(1/2, 1): its distribution function is √w.
    np.testing.assert_allclose([(weight[:, 0] < w).mean() for w in (0.1, 0.5, 0.9)], np.sqrt([0.1, 0.5, 0.9]),
                               atol=0.02)


def test_superpositions_are_fixed_by_their_seed():
    box = qt.Box()
    assert torch.equal(qt.superpositions(box, 5, seed=1), qt.superpositions(box, 5, seed=1))
    assert not torch.equal(qt.superpositions(box, 5, seed=1), qt.superpositions(box, 5, seed=2))


def test_inner_is_linear_in_the_second_argument_and_broadcasts():
    a, b = random_states(4, 1, 20, seed=1), random_states(3, 20, seed=2)
    assert qt.inner(a, b).shape == (4, 3)
    expected = [[np.vdot(x, y) for y in b.numpy()] for x in a[:, 0].numpy()]
    np.testing.assert_allclose(qt.inner(a, b), expected, atol=1e-14)
    np.testing.assert_allclose(qt.inner(2j * a, 3j * b), -2j * 3j * np.array(expected), atol=1e-13)


def test_quantum_loss_is_qutips_infidelity():
    a, b = random_states(6, 20, seed=3), random_states(6, 20, seed=4)
    fidelity = [qutip.fidelity(qutip.Qobj(x), qutip.Qobj(y)) ** 2 for x, y in zip(a.numpy(), b.numpy())]
    overlap = [abs(qutip.Qobj(x).overlap(qutip.Qobj(y))) ** 2 for x, y in zip(a.numpy(), b.numpy())]
    np.testing.assert_allclose(qt.quantum_loss(a, b), 1 - np.array(fidelity), atol=1e-7)  # QuTiP takes a square root
    np.testing.assert_allclose(qt.quantum_loss(a, b), 1 - np.array(overlap), atol=1e-13)
    np.testing.assert_allclose(qt.quantum_loss(a, b), qt.quantum_loss(b, a), atol=1e-13)


@settings(deadline=None, max_examples=30)
@given(st.integers(0, 10_000), st.floats(0, 2 * math.pi), st.floats(0, 2 * math.pi), st.integers(2, 40))
def test_quantum_loss_does_not_see_global_phases(seed, alpha, beta, points):
    a, b = random_states(2, points, seed=seed)
    turned = qt.quantum_loss(a * np.exp(1j * alpha), b * np.exp(1j * beta))
    assert abs(turned - qt.quantum_loss(a, b)) < 1e-13
    assert -1e-15 < turned < 1 + 1e-13


@pytest.mark.parametrize("distance", [1e-1, 1e-2, 1e-3])
def test_quantum_loss_keeps_its_digits_near_zero_in_complex64(distance):
    for seed in range(20):
        a, b = pair_with_overlap(math.sqrt(1 - distance**2) * np.exp(1j * seed), seed=seed, dtype=torch.complex64)
        with mpmath.workdps(40):  # the loss of the stored numbers themselves, as rays: ‖a‖ and ‖b‖ are not exactly 1
            x, y = ([mpmath.mpc(complex(z)) for z in psi.tolist()] for psi in (a, b))
            product = mpmath.fabs(sum(mpmath.conj(p) * q for p, q in zip(x, y))) ** 2
            exact = float(1 - product / (sum(abs(p) ** 2 for p in x) * sum(abs(q) ** 2 for q in y)))
        mine = qt.quantum_loss(a, b)
        assert mine.dtype == torch.float32 and mine >= 0
        assert float(mine) == pytest.approx(exact, rel=2e-6 / distance)


def test_quantum_loss_is_never_negative_for_coinciding_states():
    psi = random_states(1000, 20, dtype=torch.complex64)
    loss = qt.quantum_loss(psi * np.exp(0.7j), psi)
    assert (loss >= 0).all() and loss.max() < 1e-12


def test_quantum_loss_has_the_gradient_of_equation_2():
    a, b = random_states(5, 20, seed=1), random_states(5, 20, seed=2)
    c = qt.inner(b, a)
    torch.testing.assert_close(gradient_of(qt.quantum_loss, a, b), -2 * c[:, None] * b, atol=1e-13, rtol=0)


def test_normalize_returns_norm_one_and_keeps_the_direction():
    psi = 3.7 * random_states(4, 20, dtype=torch.complex64)
    torch.testing.assert_close(qt.normalize(psi), psi / 3.7)
    assert qt.normalize(psi).dtype == torch.complex64


def wrong_norm():
    psi = random_states(5, 20)
    psi[3] *= 1.07
    return psi


@pytest.mark.parametrize("call, says", [
    (lambda: qt.Box(points=1), "at least 2 grid points"),
    (lambda: qt.Box(points=2.5), "whole number"),
    (lambda: qt.Box(length=-1.0), "positive length"),
    (lambda: qt.Box(length=math.nan), "positive length"),
    (lambda: qt.eigenstate(qt.Box(), 0), "eigenstates 1…20; got n=0"),
    (lambda: qt.eigenstate(qt.Box(), 21), "eigenstates 1…20; got n=21"),
    (lambda: qt.eigenstate(qt.Box(), 1.5), "eigenstates 1…20; got n=1.5"),
    (lambda: qt.superpositions(qt.Box(), 3, modes=21), "modes must lie in 1…20"),
    (lambda: qt.superpositions(qt.Box(), 3, modes=0), "modes must lie in 1…20"),
    (lambda: qt.normalize(torch.zeros(2, 20, dtype=torch.complex128)), "sample 0"),
    (lambda: qt.quantum_loss(wrong_norm(), random_states(20)), r"largest deviation 0.07 at sample 3.*qt.normalize"),
    (lambda: qt.quantum_loss(random_states(20), wrong_norm()), r"sample 3.*qt.normalize"),
    (lambda: qt.quantum_loss(random_states(20) * math.nan, random_states(20)), "norm 1"),
    (lambda: qt.quantum_loss(random_states(20).real, random_states(20)), "complex tensors; got torch.float64"),
    (lambda: qt.quantum_loss(np.ones(20), random_states(20)), "torch.as_tensor"),
    (lambda: qt.quantum_loss(random_states(21), random_states(20)), r"different grids.*\[21, 20\]"),
    (lambda: qt.quantum_loss(random_states(3, 20), random_states(4, 20)), "do not broadcast"),
])
def test_bad_input_gets_a_sentence_that_teaches(call, says):
    with pytest.raises(ValueError, match=says):
        call()
