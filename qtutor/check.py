"""What the exercises call: each function looks at your answer and says what is right or what to look at."""

import math

import torch

from .gradients import gradients
from .states import Box, quantum_loss, superpositions, tangent


def number(answer, expected, tolerance=0.01):
    """Check a number to a relative tolerance. Raises AssertionError that says whether it is too small or too large."""
    if answer is None:
        raise AssertionError("there is no answer yet: None is not a number")
    answer, expected = float(answer), float(expected)
    if not math.isfinite(answer):
        raise AssertionError(f"{answer} is not a number to compare")
    if not math.isclose(answer, expected, rel_tol=tolerance, abs_tol=0 if expected else tolerance):
        raise AssertionError(f"{answer:.4g} is too {'small' if answer < expected else 'large'}")
    print(f"✓ {answer:.4g}")


def loss(function):
    """Check a quantum loss of yours, function(a, b) → one real number per sample, against Eq. 2."""
    a, b = _pairs()
    answer = function(a, b)
    if not torch.is_tensor(answer):
        raise AssertionError(f"the loss must be a torch tensor; yours returns {type(answer).__name__} (a `return`?)")
    if answer.is_complex():
        raise AssertionError("the loss is complex: take the absolute value of the overlap")
    if tuple(answer.shape) != (len(a),):
        raise AssertionError(f"one number per sample: shape ({len(a)},), not {tuple(answer.shape)}; sum over the grid")
    if not torch.isfinite(answer).all():
        raise AssertionError("the loss is not finite everywhere")
    if not torch.allclose(function(a, 1j * b), answer):
        raise AssertionError("the loss changes when a state is multiplied by the phase i; it must not")
    if not torch.allclose(answer.double(), quantum_loss(a, b)):
        raise AssertionError("not yet: compare with Eq. 2, 1 − |⟨a, b⟩|². Is the conjugate taken? The square?")
    print("✓ that is the quantum loss")


def gradient(function, name):
    """Check a gradient of yours, function(psi, target) → one number per sample, by back-propagating both."""
    a, b = _pairs()
    yours, ours = _backpropagate(function, a, b), _backpropagate(gradients[name], a, b)
    # Only the part along the sphere of unit vectors moves a state: the rest is removed before comparing.
    yours, ours = tangent(yours, a), tangent(ours, a)
    if torch.allclose(yours, ours, rtol=1e-6, atol=1e-9):
        return print(f"✓ that is the gradient {name}")
    lengths = [torch.linalg.vector_norm(g, dim=-1) for g in (yours, ours)]
    if torch.allclose(yours / lengths[0][:, None], ours / lengths[1][:, None]):
        ratio = lengths[0] / lengths[1]
        raise AssertionError(f"the direction is right, the size is off by {ratio.min():.3g} to {ratio.max():.3g} times")
    raise AssertionError("not yet: the direction differs. Is the factor detached, and the phase of the overlap kept?")


def _pairs():
    box = Box()
    return superpositions(box, 12, modes=4, seed=3), superpositions(box, 12, modes=4, seed=4)


def _backpropagate(function, psi, target):
    psi = psi.clone().requires_grad_()
    value = function(psi, target)
    if not torch.is_tensor(value) or not value.requires_grad:
        raise AssertionError("torch cannot follow how the number depends on psi: use torch operations, no .item()")
    if value.is_complex():
        raise AssertionError("the number is complex: take its real part or its absolute value")
    return torch.autograd.grad(value.sum(), psi)[0]
