"""The three gradients and their family against Eqs. 4–6, finite differences, and the toy plane."""

import math

import mpmath
import numpy as np
import pytest
import torch
from helpers import finite_differences, gradient_of, pair_with_overlap, random_states
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.optimize import minimize_scalar

import qtutor as qt

ALPHAS = [0.0, 0.25, 0.5, 0.75, 1.0]
FAMILY = {**qt.gradients, **{f"alpha={alpha}": qt.scaled(alpha) for alpha in ALPHAS}}
OVERLAPS = [0.9 * np.exp(2j), 0.3 * np.exp(-1j), 1e-3j, -0.5, 1 - 1e-6]


def paper(name, psi, target):
    """Eqs. 4–6 as formulas, with ∇L = −2 ⟨target, ψ⟩ target and 1 − L = |⟨target, ψ⟩|²."""
    c = np.vdot(target, psi)
    if name == "L2":
        return psi - target
    alpha = {"S": 0.0, "M": 0.5}.get(name)
    alpha = float(name.removeprefix("alpha=")) if alpha is None else alpha
    return -2 * c * target / (abs(c) ** 2) ** alpha


@pytest.mark.parametrize("name", FAMILY)
@pytest.mark.parametrize("overlap", OVERLAPS)
def test_gradients_are_the_papers(name, overlap):
    psi, target = pair_with_overlap(overlap, seed=7)
    mine = gradient_of(FAMILY[name], psi, target)
    expected = paper(name, psi.numpy(), target.numpy())
    np.testing.assert_allclose(mine, expected, atol=1e-12 * np.abs(expected).max())
    narrow = gradient_of(FAMILY[name], psi.to(torch.complex64), target.to(torch.complex64))
    assert narrow.dtype == torch.complex64
    np.testing.assert_allclose(narrow, expected, atol=3e-4 * np.abs(expected).max())


@pytest.mark.parametrize("overlap", OVERLAPS[:2])
@pytest.mark.parametrize("alpha", ALPHAS)
def test_family_is_the_gradient_of_its_loss(alpha, overlap):
    psi, target = (state.numpy() for state in pair_with_overlap(overlap, seed=1))

    def loss(state):
        fidelity = abs(np.vdot(target, state)) ** 2
        return -math.log(fidelity) if alpha == 1 else (1 - fidelity ** (1 - alpha)) / (1 - alpha)

    mine = gradient_of(qt.scaled(alpha), torch.from_numpy(psi), torch.from_numpy(target))
    np.testing.assert_allclose(mine, finite_differences(loss, psi), atol=1e-8)
    number = qt.scaled(alpha)(torch.from_numpy(psi), torch.from_numpy(target))
    assert float(number) == pytest.approx(loss(psi), rel=1e-12)


def test_l2_is_the_gradient_of_half_the_squared_error():
    psi, target = random_states(2, 20, seed=5).numpy()

    def loss(state):
        return 0.5 * np.linalg.norm(state - target) ** 2

    mine = gradient_of(qt.gradients["L2"], torch.from_numpy(psi), torch.from_numpy(target))
    np.testing.assert_allclose(mine, finite_differences(loss, psi), atol=1e-8)
    number = qt.gradients["L2"](torch.from_numpy(psi), torch.from_numpy(target))
    assert float(number) == pytest.approx(loss(psi), rel=1e-13)


@pytest.mark.parametrize("overlap", OVERLAPS[:2])
def test_m_is_the_gradient_of_the_squared_error_after_the_best_phase(overlap):
    psi, target = (state.numpy() for state in pair_with_overlap(overlap, seed=2))

    def aligned_error(state):  # the best phase is searched for, not derived
        state = state / np.linalg.norm(state)
        error = lambda phi: np.linalg.norm(state - np.exp(1j * phi) * target) ** 2  # noqa: E731
        rough = min(np.linspace(0, 2 * np.pi, 60), key=error)
        return minimize_scalar(error, bounds=(rough - 0.2, rough + 0.2), method="bounded",
                               options={"xatol": 1e-10}).fun

    mine = gradient_of(qt.gradients["M"], torch.from_numpy(psi), torch.from_numpy(target)).numpy()
    along_the_sphere = mine - np.vdot(psi, mine).real * psi
    np.testing.assert_allclose(along_the_sphere, finite_differences(aligned_error, psi), atol=1e-8)
    number = qt.gradients["M"](torch.from_numpy(psi), torch.from_numpy(target))
    assert float(number) == pytest.approx(aligned_error(psi), rel=1e-9)


@pytest.mark.parametrize("dtype", [torch.complex64, torch.complex128])
@pytest.mark.parametrize("name", FAMILY)
def test_everything_is_finite_at_overlap_zero_and_for_equal_states(name, dtype):
    box = qt.Box()
    psi, target = torch.eye(20, dtype=dtype)[:2] * np.exp(0.4j)
    coinciding = random_states(20, dtype=dtype)
    for pair in ((psi, target), (target, psi), (psi, psi), (coinciding, coinciding), (psi, 1j * psi),
                 (qt.eigenstate(box, 1).to(dtype), qt.eigenstate(box, 2).to(dtype))):
        assert torch.isfinite(FAMILY[name](*pair))
        assert torch.isfinite(gradient_of(FAMILY[name], *pair)).all()


def test_limits_at_overlap_zero():
    psi, target = torch.eye(20, dtype=torch.complex128)[:2] * np.exp(0.4j)
    assert not gradient_of(qt.gradients["S"], psi, target).any()
    torch.testing.assert_close(gradient_of(qt.gradients["M"], psi, target), -2 * target)  # size 2, phase 1
    assert not gradient_of(qt.scaled(0.25), psi, target).any()
    assert qt.quantum_loss(psi, target) == qt.gradients["S"](psi, target) == 1
    assert qt.gradients["M"](psi, target) == 2


@settings(deadline=None, max_examples=60)
@given(st.floats(-46, 0), st.floats(0, 2 * math.pi), st.sampled_from([torch.complex64, torch.complex128]))
def test_m_has_size_two_and_the_right_phase_at_any_overlap(exponent, phase, dtype):
    overlap = 10**exponent * np.exp(1j * phase)
    target = torch.tensor([1, 0, 0], dtype=dtype)
    psi = torch.tensor([overlap, math.sqrt(1 - min(1, abs(overlap) ** 2)), 0], dtype=dtype)
    gradient = gradient_of(qt.gradients["M"], psi, target)
    stored = complex(psi[0])  # complex64 rounds, and has no digits left below its smallest normal number
    expected = stored / abs(stored) if abs(stored) >= torch.finfo(dtype).tiny else 1
    assert abs(complex(gradient[0]) + 2 * expected) < 2e-6 and not gradient[1:].any()


@pytest.mark.parametrize("dtype", [torch.complex64, torch.complex128])
@pytest.mark.parametrize("alpha", ALPHAS)
def test_the_number_keeps_its_digits_near_zero(alpha, dtype):
    psi, target = pair_with_overlap(math.sqrt(1 - 1e-6) * np.exp(1j), dtype=dtype)
    with mpmath.workdps(40):
        loss = mpmath.mpf(float(qt.quantum_loss(psi, target)))
        exact = -mpmath.log(1 - loss) if alpha == 1 else (1 - (1 - loss) ** (1 - alpha)) / (1 - alpha)
    number = qt.scaled(alpha)(psi, target)
    assert float(number) == pytest.approx(float(exact), rel=1e-6 if dtype == torch.complex64 else 1e-12)
    assert float(number) == pytest.approx(1e-6, rel=1e-2)


@pytest.mark.parametrize("name", ["S", "M", "alpha=0.25", "alpha=1.0"])
def test_global_phases_turn_the_gradient_and_do_not_change_its_size(name):
    psi, target = pair_with_overlap(0.4 * np.exp(1j), seed=3)
    straight = gradient_of(FAMILY[name], psi, target)
    turned = gradient_of(FAMILY[name], psi * np.exp(2j), target * np.exp(-0.3j))
    torch.testing.assert_close(turned, straight * np.exp(2j), atol=1e-13, rtol=0)
    assert float(FAMILY[name](psi * np.exp(2j), target)) == pytest.approx(float(FAMILY[name](psi, target)), rel=1e-12)


def test_l2_does_see_the_global_phase():
    psi = random_states(20)
    assert float(qt.gradients["L2"](psi, -psi)) == pytest.approx(2)
    assert float(qt.gradients["L2"](psi, psi)) == 0


@pytest.mark.parametrize("name", FAMILY)
def test_each_sample_has_its_own_number_and_its_own_factor(name):
    pairs = [pair_with_overlap(overlap, seed=seed) for seed, overlap in enumerate(OVERLAPS)]
    psi, target = (torch.stack(states) for states in zip(*pairs))
    assert FAMILY[name](psi, target).shape == (len(OVERLAPS),)
    together = gradient_of(FAMILY[name], psi, target)
    for k, pair in enumerate(pairs):
        assert torch.equal(together[k], gradient_of(FAMILY[name], *pair))
    assert FAMILY[name](psi[:, None], target).shape == (len(OVERLAPS), len(OVERLAPS))  # leading axes broadcast
    one_target = gradient_of(FAMILY[name], psi, target[0])
    torch.testing.assert_close(one_target[3], gradient_of(FAMILY[name], psi[3], target[0]), atol=0, rtol=0)


CLOSED_FORMS = {**qt.toy.gradients, **{f"alpha={a}": lambda theta, a=a: qt.toy.scaled(theta, a) for a in ALPHAS}}


@pytest.mark.parametrize("name, closed", CLOSED_FORMS.items())
def test_in_the_toy_plane_they_are_the_closed_forms(name, closed):
    # The plane is spanned by two random complex states, so that a wrong conjugate cannot hide.
    first, second = torch.from_numpy(np.linalg.qr(random_states(20, 20).numpy())[0][:, :2].T.copy())
    theta = torch.linspace(0, math.pi, 102, dtype=torch.float64)[1:-1].requires_grad_()
    psi = torch.cos(theta)[:, None] * first + torch.sin(theta)[:, None] * second
    FAMILY[name](psi, first).sum().backward()
    np.testing.assert_allclose(theta.grad, closed(theta.detach().numpy()), atol=1e-11)


def test_a_gradient_of_your_own(monkeypatch):
    monkeypatch.setitem(qt.gradients, "mine", lambda psi, target: 3 * qt.quantum_loss(psi, target))
    psi, target = random_states(4, 20, seed=1), random_states(4, 20, seed=2)
    torch.testing.assert_close(gradient_of(qt.gradients["mine"], psi, target),
                               3 * gradient_of(qt.gradients["S"], psi, target))


def test_bad_input_gets_a_sentence_that_teaches():
    with pytest.raises(KeyError, match=r"no gradient 'X'; there are S, L2, M\. Add your own"):
        qt.gradients["X"]
    for alpha in (-0.1, 1.5, math.nan):
        with pytest.raises(ValueError, match="from α = 0"):
            qt.scaled(alpha)
    psi, target = random_states(5, 20, seed=1), random_states(5, 20, seed=2)
    for function in qt.gradients.values():
        with pytest.raises(ValueError, match=r"at sample 2.*qt\.normalize"):
            function(psi * torch.tensor([1, 1, 1.1, 1, 1])[:, None], target)
        with pytest.raises(ValueError, match="different grids"):
            function(random_states(5, 19), target)
        with pytest.raises(ValueError, match="do not broadcast"):
            function(psi[:3], target)
        with pytest.raises(ValueError, match="complex tensors"):
            function(psi.real, target)


def test_sizes_along_the_sphere_are_those_of_the_formulas():
    box = qt.Box()
    psi, target = qt.superpositions(box, 30, modes=6, seed=1), qt.superpositions(box, 30, modes=6, seed=2)
    overlap, real = qt.inner(target, psi).abs(), qt.inner(target, psi).real
    sizes = qt.gradient_sizes(psi, target)
    torch.testing.assert_close(sizes["S"], 2 * overlap * (1 - overlap**2).sqrt())
    torch.testing.assert_close(sizes["M"], 2 * (1 - overlap**2).sqrt())
    torch.testing.assert_close(sizes["L2"], (1 - real**2).sqrt())
    one = qt.gradient_sizes(psi[0], target)["M"]
    torch.testing.assert_close(one, 2 * (1 - qt.inner(target, psi[0]).abs() ** 2).sqrt())
    assert qt.inner(psi, qt.tangent(target, psi)).real.abs().max() < 1e-14
