"""The simulator against SciPy's matrix exponential, QuTiP, the dense step and finite differences."""

import numpy as np
import pytest
import torch
from helpers import gradient_of, qutip, random_states
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.integrate import solve_ivp
from scipy.linalg import expm, solve_banded

import qtutor as qt

BOX = qt.Box()


def controls(*shape, size=5.0, seed=0):
    return size * torch.from_numpy(np.random.default_rng(seed).normal(size=shape))


def dense(psi, u, box=BOX, dt=0.2, potential=None):
    """The textbook: one dense solve per step."""
    for k in range(u.shape[-1]):
        psi = qt.step(psi, u[..., k], box, dt, potential)
    return psi


def cayley(psi, u, box=BOX, dt=0.2):
    """(1 + iΔt/2 H)⁻¹ (1 − iΔt/2 H) for one state, H written out in NumPy: shares no line with the package."""
    n = len(psi)
    kinetic = (2 * np.eye(n) - np.eye(n, k=1) - np.eye(n, k=-1)) / (2 / (n + 1)) ** 2
    x = np.linspace(0, 2, n + 2)[1:-1]
    for value in u:
        h = 0.5j * dt * (kinetic + value * np.diag(x))
        psi = np.linalg.solve(np.eye(n) + h, (np.eye(n) - h) @ psi)
    return psi


def test_a_step_is_the_cayley_form():
    psi, u = random_states(20), controls(7)
    expected = cayley(psi.numpy(), u.numpy())
    np.testing.assert_allclose(dense(psi, u), expected, atol=1e-12)
    np.testing.assert_allclose(qt.evolve(psi, u, BOX), expected, atol=1e-12)


@pytest.mark.parametrize("points", [2, 3, 20, 64])
@pytest.mark.parametrize("dt", [1e-4, 0.2, 5.0])
def test_fast_form_is_the_dense_form(points, dt):
    box = qt.Box(points)
    psi, u = random_states(2, points), controls(2, 10, size=100)
    torch.testing.assert_close(qt.evolve(psi, u, box, dt), dense(psi, u, box, dt), atol=1e-11, rtol=0)


@pytest.mark.parametrize("dt", [1e-4, 0.2, 5.0])
def test_fast_form_is_correct_at_1024_points(dt):
    """Forward and adjoint against SciPy's banded solver with pivoting."""
    box, u = qt.Box(1024), controls(20, size=100)
    target, psi = random_states(2, 1024).numpy()
    path = [psi]
    beside = np.full(1024, -1 / box.dx**2)

    def solve(value, right):
        middle = 2 / box.dx**2 + value * box.x.numpy()
        return solve_banded((1, 1), 0.5j * dt * np.array([beside, middle, beside]) + [[0], [1], [0]], right)

    for value in u.numpy():
        path.append(2 * solve(value, path[-1]) - path[-1])
    mine = qt.evolve(torch.from_numpy(psi), u, box, dt)
    np.testing.assert_allclose(mine, path[-1], atol=1e-10)
    mu, expected = target.conj(), []  # c = ⟨target, ψ_T⟩ = μ·ψ
    for k in reversed(range(20)):
        before = 2 * solve(u.numpy()[k], mu) - mu
        expected.insert(0, (-0.25j * dt * box.x.numpy() * (path[k] + path[k + 1]) * (mu + before)).sum())
        mu = before
    psi, target = torch.from_numpy(psi), torch.from_numpy(target)
    grad = gradient_of(lambda v: qt.inner(target, qt.evolve(psi, v, box, dt)).real, u)
    np.testing.assert_allclose(grad, np.real(expected), atol=1e-10)


def test_an_eigenstate_only_turns_its_phase():
    a = 0.1 * qt.energies(BOX)
    for n in (1, 2, 20):
        turn = ((1 - 1j * a[n - 1]) / (1 + 1j * a[n - 1])) ** 50
        mine = qt.trajectory(qt.eigenstate(BOX, n), 50, BOX)[-1]
        torch.testing.assert_close(mine, turn * qt.eigenstate(BOX, n), atol=1e-11, rtol=0)


@settings(deadline=None, max_examples=40)
@given(st.floats(-1e6, 1e6), st.floats(0, 1e3), st.floats(1e-3, 10), st.integers(2, 30), st.integers(0, 999))
def test_norm_is_kept_over_10_000_steps_for_any_real_u(mean, spread, dt, points, seed):
    psi = random_states(2, points, seed=seed)
    u = mean + controls(10_000, size=spread, seed=seed)
    final = qt.evolve(psi, u, qt.Box(points), dt)
    assert (torch.linalg.vector_norm(final, dim=-1) - 1).abs().max() < 1e-12
    assert abs(qt.inner(*final) - qt.inner(*psi)) < 1e-10  # and so is every angle between two states


def test_norm_is_kept_at_the_constant_control_where_rounding_adds_up_most():
    u = torch.linspace(-30, 30, 200, dtype=torch.float64)[:, None].expand(-1, 10_000)
    final = qt.evolve(qt.superpositions(BOX, 200), u, BOX)
    assert (torch.linalg.vector_norm(final, dim=-1) - 1).abs().max() < 1e-12
    path = qt.trajectory(qt.superpositions(BOX, 200)[44], 10_000, BOX, u=u[44])  # the worst of them
    assert (torch.linalg.vector_norm(path, dim=-1) - 1).abs().max() < 1e-12


def slope(dts, errors):
    return np.polyfit(np.log(dts), np.log(errors), 1)[0]


def test_second_order_against_the_matrix_exponential():
    potential = 30 * (BOX.x - 0.8) ** 2
    psi = qt.superpositions(BOX, 1, modes=3)[0]
    exact = torch.from_numpy(expm(-0.5j * qt.hamiltonian(BOX, 2.0, potential).numpy())) @ psi
    steps = np.array([400, 800, 1600, 3200])
    ends = [qt.trajectory(psi, n, BOX, 0.5 / n, potential, torch.full((n,), 2.0))[-1] for n in steps]
    errors = [float((end - exact).abs().max()) for end in ends]
    assert slope(0.5 / steps, errors) == pytest.approx(2, abs=0.02) and errors[-1] < 1e-3


def test_second_order_under_a_control_that_changes_in_time():
    psi = qt.superpositions(BOX, 1)[0]

    def run(n):  # one H per step: the mean of the control at its two ends
        edges = torch.sin(torch.linspace(0, 4, n + 1, dtype=torch.float64)) * 8
        return qt.evolve(psi, (edges[1:] + edges[:-1]) / 2, BOX, 0.5 / n)

    free, x = qt.hamiltonian(BOX).numpy(), BOX.x.numpy()
    exact = solve_ivp(lambda t, p: -1j * (free @ p + 8 * np.sin(8 * t) * x * p), (0, 0.5), psi.numpy(), "DOP853",
                      rtol=1e-9, atol=1e-11).y[:, -1]
    steps = np.array([50, 100, 200, 400])
    errors = [np.abs(run(n).numpy() - exact).max() for n in steps]
    assert slope(0.5 / steps, errors) == pytest.approx(2, abs=0.05) and errors[-1] < 1e-3


def test_a_controlled_trajectory_is_qutips():
    psi, u = qt.superpositions(BOX, 1)[0], controls(4, size=20)
    state = qutip.Qobj(psi.numpy())
    for value in u:
        hamiltonian = qutip.Qobj(qt.hamiltonian(BOX, value).numpy())
        options = {"rtol": 1e-9, "atol": 1e-11, "nsteps": 100_000, "progress_bar": ""}
        state = qutip.sesolve(hamiltonian, state, [0, 0.2], options=options).states[-1]
    mine = qt.evolve(psi, u.repeat_interleave(4000), BOX, 0.2 / 4000)
    np.testing.assert_allclose(mine, state.full()[:, 0], atol=2e-5)


def test_gradients_are_those_of_dense_autograd():
    for points, steps, dt in ((20, 50, 0.2), (7, 13, 1.3), (100, 3, 0.01)):
        box = qt.Box(points, origin=0.3)
        target, psi, u = random_states(4, points, seed=2), random_states(4, points), controls(4, steps, size=10)
        for function in qt.gradients.values():
            mine, theirs = [], []
            for simulate, into in ((qt.evolve, mine), (dense, theirs)):
                leaves = psi.clone().requires_grad_(), u.clone().requires_grad_()
                function(simulate(*leaves, box, dt), target).sum().backward()
                into += [leaf.grad for leaf in leaves]
            for a, b in zip(mine, theirs):
                assert (a - b).abs().max() < 1e-8 and b.abs().max() > 1e-6


def test_gradient_in_u_against_finite_differences():
    psi, u, target = random_states(20), controls(50), random_states(20, seed=2)

    def loss(u):  # of the quantum loss, with the independent step above
        return 1 - abs(np.vdot(target.numpy(), cayley(psi.numpy(), u))) ** 2

    h, at, expected = 1e-4, u.numpy(), []
    for direction in np.eye(50):  # central differences of fourth order
        f = [loss(at + k * h * direction) for k in (-2, -1, 1, 2)]
        expected.append((f[0] - 8 * f[1] + 8 * f[2] - f[3]) / (12 * h))
    mine = gradient_of(lambda u: qt.quantum_loss(qt.evolve(psi, u, BOX), target), u)
    np.testing.assert_allclose(mine, expected, atol=1e-8)


def test_gradcheck():
    box = qt.Box(points=6)
    psi, u = random_states(3, 6).requires_grad_(), controls(3, 4, size=3).requires_grad_()
    assert torch.autograd.gradcheck(lambda p, v: qt.evolve(p, v, box), (psi, u))
    one_control = controls(4, size=3).requires_grad_()  # broadcast over the samples: its gradient is summed
    assert torch.autograd.gradcheck(lambda p, v: qt.evolve(p, v, box), (psi, one_control))


def test_adjoint_invariant_and_the_formula_for_u():
    """μ_k · ψ_k is the same at every k, and ∂c/∂u_k = −(iΔt/4) Σ x (ψ_k + ψ_k+1)(μ_k + μ_k+1)."""
    psi, u, target = random_states(20), controls(12), random_states(20, seed=2)
    path = qt.trajectory(psi, 12, BOX, u=u)

    def overlap(psi, u):
        return qt.inner(target, qt.evolve(psi, u, BOX)) if len(u) else qt.inner(target, psi)

    mu = torch.stack([gradient_of(lambda p, k=k: overlap(p, u[k:]).real, path[k]).conj() for k in range(13)])
    products = (mu * path).sum(-1)
    torch.testing.assert_close(products, overlap(psi, u).expand(13), atol=1e-12, rtol=0)
    formula = -0.05j * (BOX.x * (path[:-1] + path[1:]) * (mu[:-1] + mu[1:])).sum(-1)
    for part in ("real", "imag"):
        mine = gradient_of(lambda v, part=part: getattr(overlap(psi, v), part), u)
        torch.testing.assert_close(mine, getattr(formula, part), atol=1e-12, rtol=0)


def test_time_reversal_returns_the_initial_state():
    psi, u = random_states(3, 20), controls(3, 500, size=50)
    there = qt.evolve(psi, u, BOX)
    back = qt.evolve(there.conj(), u.flip(-1), BOX).conj()
    assert (there - psi).abs().max() > 0.1
    torch.testing.assert_close(back, psi, atol=1e-11, rtol=0)


def test_complex64_stays_close_to_complex128():
    psi, target = random_states(50, 20), random_states(50, 20, seed=2)
    u = 100 * (2 * torch.rand(50, 50, dtype=torch.float64, generator=torch.Generator().manual_seed(0)) - 1)
    u32 = u.to(torch.float32)
    wide, narrow = qt.evolve(psi, u, BOX), qt.evolve(psi.to(torch.complex64), u32, BOX)
    assert narrow.dtype == torch.complex64
    assert (narrow - wide).abs().max() < 1e-4
    mine = gradient_of(lambda v: qt.quantum_loss(qt.evolve(psi.to(torch.complex64), v, BOX),
                                                 target.to(torch.complex64)), u32)
    exact = gradient_of(lambda v: qt.quantum_loss(qt.evolve(psi, v, BOX), target), u)
    assert mine.dtype == torch.float32 and (mine - exact).abs().max() < 1e-4


@pytest.mark.parametrize("samples", [1, 63, 64, 65, 150])
def test_every_sample_of_a_batch_is_its_own(samples):
    psi, u, target = random_states(samples, 20), controls(samples, 9), random_states(20, seed=2)

    def run(psi, u):
        psi, u = psi.clone().requires_grad_(), u.clone().requires_grad_()
        final = qt.evolve(psi, u, BOX)
        qt.quantum_loss(final, target).sum().backward()
        return final.detach(), psi.grad, u.grad

    together = run(psi, u)
    torch.testing.assert_close(together[0], dense(psi, u), atol=1e-12, rtol=0)
    for k in {0, samples // 2, samples - 1}:
        for part, alone in zip(together, run(psi[k], u[k])):
            torch.testing.assert_close(part[k], alone, atol=1e-14, rtol=0)
