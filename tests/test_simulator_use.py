"""The simulator in use: batch axes, memory, trajectories, bad input."""

import math
import tracemalloc

import pytest
import torch
from helpers import gradient_of, random_states

import qtutor as qt

BOX = qt.Box()


def graph_size(tensor):
    nodes, todo = set(), [tensor.grad_fn]
    while todo:
        node = todo.pop()
        if node is not None and node not in nodes:
            nodes.add(node)
            todo += [following for following, _ in node.next_functions]
    return len(nodes)


def test_leading_axes_broadcast():
    psi, u = random_states(3, 1, 20), torch.randn(4, 6, dtype=torch.float64)
    final = qt.evolve(psi, u, BOX)
    assert final.shape == (3, 4, 20)
    torch.testing.assert_close(final[2, 1], qt.evolve(psi[2, 0], u[1], BOX), atol=1e-14, rtol=0)
    assert qt.evolve(psi[0, 0], u[0], BOX).shape == (20,)
    assert qt.evolve(psi, torch.zeros(0), BOX).shape == (3, 1, 20)
    torch.testing.assert_close(qt.evolve(psi, torch.zeros(0), BOX), psi)
    assert qt.evolve(random_states(5, 20)[:0], u[0], BOX).shape == (0, 20)
    assert gradient_of(lambda v: qt.evolve(psi, v, BOX).real, u).shape == u.shape
    assert gradient_of(lambda p: qt.evolve(p, u, BOX).real, psi).shape == psi.shape


def test_inputs_need_not_be_contiguous_and_are_left_alone():
    psi, u = random_states(3, 20).mT.contiguous().mT, torch.randn(6, 3, dtype=torch.float64).mT
    before = psi.clone(), u.clone()
    assert not psi.is_contiguous() and not u.is_contiguous()
    torch.testing.assert_close(qt.evolve(psi, u, BOX), qt.evolve(psi.contiguous(), u.contiguous(), BOX), atol=0, rtol=0)
    assert torch.equal(psi, before[0]) and torch.equal(u, before[1])


def test_no_graph_over_the_steps_and_memory_of_one_trajectory():
    psi = random_states(30, 20)
    sizes, saved = [], []
    for steps in (5, 400):
        u = torch.zeros(30, steps, dtype=torch.float64, requires_grad=True)
        with torch.autograd.graph.saved_tensors_hooks(lambda t: saved.append(t.shape) or t, lambda t: t):
            sizes.append(graph_size(qt.evolve(psi, u, BOX)))
    assert sizes[0] == sizes[1] < 10 and len(saved) < 10
    trajectory = 401 * 20 * 30 * 16  # bytes
    for requires_grad, limit in ((True, 1.5 * trajectory), (False, 0.2 * trajectory)):
        u = torch.zeros(30, 400, dtype=torch.float64, requires_grad=requires_grad)
        tracemalloc.start()
        final = qt.evolve(psi, u, BOX)
        if requires_grad:
            qt.quantum_loss(final, psi).sum().backward()
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        assert peak < limit


def test_the_gradient_can_be_asked_for_twice():
    psi, u = random_states(2, 20), torch.ones(2, 5, dtype=torch.float64, requires_grad=True)
    final = qt.evolve(psi, u, BOX)
    first = torch.autograd.grad(final[0].real.sum(), u, retain_graph=True)[0]
    torch.autograd.grad(final[1].imag.sum(), u, retain_graph=True)
    assert torch.equal(first, torch.autograd.grad(final[0].real.sum(), u)[0])


def test_trajectory_is_the_evolution_step_by_step():
    psi, u = random_states(3, 20), torch.randn(3, 5, dtype=torch.float64)
    path = qt.trajectory(psi, 5, BOX, u=u)
    assert path.shape == (3, 6, 20)
    for k in range(6):
        torch.testing.assert_close(path[:, k], qt.evolve(psi, u[:, :k], BOX), atol=1e-13, rtol=0)


def test_trajectory_in_a_fixed_potential():
    psi, potential = random_states(2, 20), 40 * (BOX.x - 1) ** 2
    path = qt.trajectory(psi, 4, BOX, dt=0.05, potential=potential)
    expected = psi
    for k in range(1, 5):
        expected = qt.step(expected, 0.0, BOX, 0.05, potential)
        torch.testing.assert_close(path[:, k], expected, atol=1e-12, rtol=0)
    tilted = qt.trajectory(psi, 4, BOX, potential=3.0 * BOX.x)  # a fixed slope is a constant control
    torch.testing.assert_close(tilted[:, -1], qt.evolve(psi, torch.full((4,), 3.0), BOX), atol=1e-13, rtol=0)


def test_trajectory_carries_no_gradient_and_keeps_the_type():
    psi = random_states(20, dtype=torch.complex64).requires_grad_()
    path = qt.trajectory(psi, 3, BOX)
    assert path.dtype == torch.complex64 and not path.requires_grad and path.shape == (4, 20)
    assert torch.equal(path[0], psi.detach())
    assert qt.trajectory(psi, 0, BOX).shape == (1, 20)


PSI, U = random_states(3, 20), torch.zeros(3, 5, dtype=torch.float64)
BROKEN = U.clone()
BROKEN[1, 2] = math.nan
LONG = PSI.clone()
LONG[2] *= 1.07


@pytest.mark.parametrize("call, says", [
    (lambda: qt.evolve(LONG, U, BOX), r"largest deviation 0.07 at sample 2.*qt\.normalize"),
    (lambda: qt.trajectory(LONG, 5, BOX), r"sample 2.*qt\.normalize"),
    (lambda: qt.evolve(PSI.real, U, BOX), r"complex tensors; got torch.float64.*as_tensor"),
    (lambda: qt.evolve(random_states(3, 21), U, BOX), r"21 grid points, the box has 20.*points=21"),
    (lambda: qt.evolve(PSI, BROKEN, BOX), r"not finite at \(sample…, step\) \(1, 2\)"),
    (lambda: qt.evolve(PSI, U + math.inf, BOX), r"not finite at \(sample…, step\) \(0, 0\)"),
    (lambda: qt.evolve(PSI, U.to(torch.complex128), BOX), "u must be a real.*got torch.complex128"),
    (lambda: qt.evolve(PSI, U.to(torch.int64), BOX), "u must be a real.*got torch.int64"),
    (lambda: qt.evolve(PSI, [0.0], BOX), "u must be a real.*got list"),
    (lambda: qt.evolve(PSI, torch.tensor(1.0), BOX), "one value per step"),
    (lambda: qt.evolve(PSI, U, BOX, dt=-0.2), r"dt must be positive.*run backwards.*conj"),
    (lambda: qt.evolve(PSI, U, BOX, dt=0), "dt must be positive"),
    (lambda: qt.evolve(PSI, U, BOX, dt=math.nan), "dt must be positive"),
    (lambda: qt.evolve(PSI, U, BOX, dt=math.inf), "dt must be positive and finite"),
    (lambda: qt.evolve(PSI, U[:2], BOX), r"psi has \(3,\), u has \(2,\).*its own u, or one for all"),
    (lambda: qt.trajectory(PSI, 2.5, BOX), "steps must be a whole number"),
    (lambda: qt.trajectory(PSI, -1, BOX), "steps must be a whole number"),
    (lambda: qt.trajectory(PSI, 4, BOX, u=U), "u has 5 values for 4 steps"),
    (lambda: qt.trajectory(PSI, 4, BOX, potential=torch.zeros(19)), "potential needs 20 finite values"),
    (lambda: qt.trajectory(PSI, 4, BOX, potential=BOX.x / 0), "potential needs 20 finite values"),
])
def test_bad_input_gets_a_sentence_that_teaches(call, says):
    with pytest.raises(ValueError, match=says):
        call()


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")
def test_other_devices_give_the_same_numbers():
    u, results = torch.randn(3, 7, dtype=torch.float64), []
    for device in ("cpu", "cuda"):
        psi, control = PSI.to(device).requires_grad_(), u.to(device).requires_grad_()
        qt.gradients["M"](qt.evolve(psi, control, BOX), PSI.to(device).roll(1, 0)).sum().backward()
        results.append((psi.grad.cpu(), control.grad.cpu(), qt.trajectory(psi, 7, BOX, u=control).cpu()))
    for mine, theirs in zip(*results):
        torch.testing.assert_close(mine, theirs, atol=1e-11, rtol=0)


@pytest.mark.parametrize("dt", [0.2, 3.0])
def test_the_way_back_that_the_error_for_a_negative_dt_recommends(dt):
    u = torch.randn(3, 5, dtype=torch.float64)
    back = qt.evolve(qt.evolve(PSI, u, BOX, dt).conj(), u.flip(-1), BOX, dt).conj()
    torch.testing.assert_close(back, PSI, atol=1e-12, rtol=0)
