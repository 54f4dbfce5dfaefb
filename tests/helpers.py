"""What several test files share."""

import math
import warnings

import numpy as np
import torch

with warnings.catch_warnings():
    warnings.simplefilter("ignore")  # QuTiP misses Matplotlib, which it needs for graphics only
    import qutip  # noqa: F401


def random_states(*shape, seed=0, dtype=torch.complex128):
    """Return random complex states of norm 1, far from real and from any symmetry."""
    rng = np.random.default_rng(seed)
    psi = rng.normal(size=shape) + 1j * rng.normal(size=shape)
    return torch.from_numpy(psi / np.linalg.norm(psi, axis=-1, keepdims=True)).to(dtype)


def pair_with_overlap(overlap, points=20, seed=0, dtype=torch.complex128):
    """Return (psi, target), both of norm 1, with ⟨target, psi⟩ = overlap, any complex number in the unit disc."""
    target, other = random_states(2, points, seed=seed).numpy()
    other -= np.vdot(target, other) * target
    other /= np.linalg.norm(other)
    rest = math.sqrt(max(0.0, (1 - abs(overlap)) * (1 + abs(overlap))))
    psi = overlap * target + rest * other
    return torch.from_numpy(psi).to(dtype), torch.from_numpy(target).to(dtype)


def gradient_of(function, psi, *rest):
    """Return the back-propagated gradient in psi of the sum of `function`, ∂/∂Re + i ∂/∂Im."""
    psi = psi.detach().clone().requires_grad_()
    function(psi, *rest).sum().backward()
    return psi.grad


def finite_differences(function, psi, h=1e-6):
    """Return ∂f/∂Re ψ_j + i ∂f/∂Im ψ_j of a real function of a complex NumPy vector."""
    result = np.empty_like(psi)
    for j in range(len(psi)):
        for part in (1, 1j):
            shift = np.zeros_like(psi)
            shift[j] = h * part
            slope = (function(psi + shift) - function(psi - shift)) / (2 * h)
            result[j] = slope if part == 1 else result[j] + 1j * slope
    return result
