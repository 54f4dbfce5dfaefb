"""A differentiable Schrödinger equation: i ∂t ψ = (−∂x² + V) ψ with V = u(t) x (Eq. 1, section 3).

One step is modified Crank–Nicolson (von Winckel, Borzì, Volkwein 2009): with one H per step,
(1 + iΔt/2 H) ψ' = (1 − iΔt/2 H) ψ. `step` says just that, densely. `evolve` is the fast form: with
A = 1 + iΔt/2 H the same step reads ψ' = 2 A⁻¹ψ − ψ, one tridiagonal solve, and A is symmetric, so the
adjoint is the same solve run backwards.
"""

import math

import numba
import numpy as np
import torch

from .states import check_states

BLOCK = 64  # samples marched together: their rows stay in the processor's nearest memory


def hamiltonian(box, u=0.0, potential=None):
    """Return H = −∂x² + potential + u x as dense float64 matrices (..., N, N), for u of shape (...)."""
    u = torch.as_tensor(u, dtype=torch.float64)
    x = box.x.to(u.device)
    diagonal = 2 / box.dx**2 + u[..., None] * x + (0 if potential is None else potential)
    neighbours = torch.ones(box.points - 1, dtype=torch.float64, device=u.device) / box.dx**2
    return torch.diag_embed(diagonal) - torch.diag(neighbours, 1) - torch.diag(neighbours, -1)


def step(psi, u, box, dt=0.2, potential=None):
    """Return psi one time step later, solving (1 + iΔt/2 H) ψ' = (1 − iΔt/2 H) ψ densely; u has shape (...).

    The readable reference: the tests hold `evolve` against it, and it runs on any device.
    """
    h = 0.5j * dt * hamiltonian(box, u, potential).to(torch.complex128)
    one = torch.eye(box.points, dtype=h.dtype, device=h.device)
    return torch.linalg.solve(one + h, (one - h) @ psi.to(h.dtype)[..., None])[..., 0].to(psi.dtype)


def evolve(psi, u, box, dt=0.2):
    """Return psi after T steps under the control u: psi (..., N), u (..., T) real → (..., N).

    u[..., k] is constant during step k. Differentiable in psi and u; the gradient is the exact one of
    the discrete scheme. Works in double precision inside, returns the type of psi. Raises ValueError for
    states of another norm or grid, a complex or non-finite u, dt ≤ 0 and batch axes that do not match.
    """
    _check(psi, u, box, dt)
    batch = torch.broadcast_shapes(psi.shape[:-1], u.shape[:-1])
    samples, steps = math.prod(batch), u.shape[-1]
    wide = psi.to(torch.complex128).expand(*batch, box.points).reshape(samples, box.points)
    u = u.to(torch.float64).expand(*batch, steps).reshape(samples, steps)
    if psi.device.type == "cpu":
        final = _Evolve.apply(wide, u, box, dt)
    else:
        final = wide
        for k in range(steps):
            final = step(final, u[:, k], box, dt)
    return final.reshape(*batch, box.points).to(psi.dtype)


def trajectory(psi, steps, box, dt=0.2, potential=None, u=None):
    """Return psi at times 0, Δt, …, steps·Δt in a fixed potential (N,): (..., N) → (..., steps + 1, N).

    `u` (..., steps) adds a control, as in `evolve`. Carries no gradient. Raises ValueError like `evolve`.
    """
    if int(steps) != steps or steps < 0:
        raise ValueError(f"steps must be a whole number, 0 or more; got {steps}")
    u = torch.zeros(steps, dtype=torch.float64, device=psi.device) if u is None else u
    _check(psi, u, box, dt)
    if u.shape[-1] != steps:
        raise ValueError(f"u has {u.shape[-1]} values for {steps} steps; give one value per step")
    if potential is not None:
        potential = torch.as_tensor(potential, dtype=torch.float64)
        if potential.shape != (box.points,) or not torch.isfinite(potential).all():
            raise ValueError(f"the potential needs {box.points} finite values, one per grid point of the box")
    batch = torch.broadcast_shapes(psi.shape[:-1], u.shape[:-1])
    samples = math.prod(batch)
    wide = psi.detach().cpu().to(torch.complex128).expand(*batch, box.points).reshape(samples, box.points)
    u = u.detach().cpu().to(torch.float64).expand(*batch, steps).reshape(samples, steps)
    path = np.empty((steps + 1, *wide.T.shape), dtype=np.complex128)
    path[0] = wide.numpy().T
    norm = np.linalg.norm(path[0], axis=0)
    _forward(path, _rows(u), *_matrix(box, dt, potential))
    _restore(path, norm)
    return torch.from_numpy(path).permute(2, 0, 1).reshape(*batch, steps + 1, box.points).to(psi)


class _Evolve(torch.autograd.Function):
    """`evolve` and its adjoint, on the CPU, for psi (samples, N) and u (samples, T)."""

    @staticmethod
    def forward(ctx, psi, u, box, dt):
        samples, steps = u.shape
        remember = any(ctx.needs_input_grad)
        path = np.empty((steps + 1 if remember else 2, box.points, samples), dtype=np.complex128)
        path[0] = psi.numpy(force=True).T
        norm = np.linalg.norm(path[0], axis=0)
        controls, matrix = _rows(u), _matrix(box, dt)
        _forward(path, controls, *matrix)
        final = path[steps % len(path)]
        _restore(final, norm)
        ctx.held = (path, controls, matrix)
        return torch.from_numpy(np.ascontiguousarray(final.T))

    @staticmethod
    @torch.autograd.function.once_differentiable
    def backward(ctx, gradient):
        path, controls, matrix = ctx.held
        # Each step is a symmetric unitary U, so U† = conj(U): the conjugate gradient takes the same step.
        mu = np.ascontiguousarray(gradient.numpy(force=True).conj().T)
        grad_u = _backward(mu, path, controls, *matrix)
        return torch.from_numpy(mu.conj().T), torch.from_numpy(grad_u.T), None, None


@numba.njit(cache=True, error_model="numpy")
def _solve(psi, y, c, u, lo, hi, diagonal, slope, e):
    """Thomas algorithm for A y = psi, samples lo…hi: diagonal + slope·u on its diagonal, e beside it."""
    n = len(diagonal)
    for j in range(n):
        for s in range(lo, hi):
            pivot = diagonal[j] + slope[j] * u[s]
            right = psi[j, s]
            if j > 0:
                pivot -= e * c[j - 1, s - lo]
                right -= e * y[j - 1, s]
            inverse = pivot.conjugate() * (1 / (pivot.real**2 + pivot.imag**2))
            c[j, s - lo] = e * inverse
            y[j, s] = right * inverse
    for j in range(n - 2, -1, -1):
        for s in range(lo, hi):
            y[j, s] -= c[j, s - lo] * y[j + 1, s]


@numba.njit(cache=True, error_model="numpy")
def _forward(path, controls, diagonal, slope, e):
    """March path[0] through all controls (T, samples); path keeps its last len(path) states."""
    slots, n, samples = path.shape
    c = np.empty((n, BLOCK), np.complex128)
    for lo in range(0, samples, BLOCK):
        hi = min(lo + BLOCK, samples)
        for k in range(len(controls)):
            old, new = path[k % slots], path[(k + 1) % slots]
            _solve(old, new, c, controls[k], lo, hi, diagonal, slope, e)
            for j in range(n):
                for s in range(lo, hi):
                    new[j, s] = 2 * new[j, s] - old[j, s]


@numba.njit(cache=True, error_model="numpy")
def _backward(mu, path, controls, diagonal, slope, e):
    """March mu to time 0 in place; return ∂/∂u_k = Δt/4 Im Σ_x x (ψ_k + ψ_k+1)(μ_k + μ_k+1), (T, samples)."""
    n, samples = mu.shape
    c, y = np.empty((n, BLOCK), np.complex128), np.empty_like(mu)
    sums = np.zeros(controls.shape)
    for lo in range(0, samples, BLOCK):
        hi = min(lo + BLOCK, samples)
        for k in range(len(controls) - 1, -1, -1):
            _solve(mu, y, c, controls[k], lo, hi, diagonal, slope, e)
            for j in range(n):
                for s in range(lo, hi):  # here μ_k + μ_k+1 = 2 y, and slope = iΔt/2 x
                    sums[k, s] += slope[j].imag * ((path[k, j, s] + path[k + 1, j, s]) * y[j, s]).imag
                    mu[j, s] = 2 * y[j, s] - mu[j, s]
    return sums


def _restore(psi, norm):
    """Scale psi (..., N, samples) in place to the norm it started with.

    The scheme keeps it exactly. Rounding does not: under a constant u it repeats, up to 1e-15 a step.
    """
    psi *= norm / np.linalg.norm(psi, axis=-2, keepdims=True)


def _matrix(box, dt, potential=None):
    """A = 1 + iΔt/2 H as (diagonal, slope with u, off-diagonal), formed in double precision."""
    a, v = dt / 2, np.zeros(box.points) if potential is None else potential.numpy(force=True)
    return 1 + 1j * a * (2 / box.dx**2 + v), 1j * a * box.x.numpy(), complex(0, -a / box.dx**2)


def _rows(u):
    """Controls as the marching loops want them: (T, samples), contiguous."""
    return np.ascontiguousarray(u.numpy(force=True).T)


def _check(psi, u, box, dt):
    check_states(psi)
    if psi.shape[-1] != box.points:
        raise ValueError(f"states have {psi.shape[-1]} grid points, the box has {box.points}; "
                         f"make them with the same box, or take qt.Box(points={psi.shape[-1]})")
    if not 0 < dt < np.inf:
        raise ValueError(f"dt must be positive and finite; got {dt}. To run backwards, evolve psi.conj() "
                         "with u.flip(-1) and conjugate the result")
    if not torch.is_tensor(u) or not u.is_floating_point() or u.dim() == 0:
        raise ValueError(f"u must be a real floating-point tensor, one value per step; got "
                         f"{getattr(u, 'dtype', type(u).__name__)}")
    if not torch.isfinite(u).all():
        where = tuple(torch.nonzero(~torch.isfinite(u))[0].tolist())
        raise ValueError(f"u is not finite at (sample…, step) {where}; give every step a finite number")
    try:
        torch.broadcast_shapes(psi.shape[:-1], u.shape[:-1])
    except RuntimeError:
        raise ValueError(f"batch axes do not match: psi has {tuple(psi.shape[:-1])}, "
                         f"u has {tuple(u.shape[:-1])}; give each state its own u, or one for all") from None
