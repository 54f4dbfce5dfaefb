"""A differentiable Schrödinger equation: i ∂t ψ = (−∂x² + V) ψ with V = u(t) x (Eq. 1, section 3).

One step is modified Crank–Nicolson (von Winckel, Borzì, Volkwein 2009): with one H per step,
(1 + iΔt/2 H) ψ' = (1 − iΔt/2 H) ψ. `step` says just that, densely. `evolve` is the fast form: with
A = 1 + iΔt/2 H the same step reads ψ' = 2 A⁻¹ψ − ψ, one tridiagonal solve, and A is symmetric, so the
adjoint is the same solve run backwards.
"""

import functools
import math

import numba
import numpy as np
import torch

from .inputs import check_run

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

    u[..., k] is constant during step k. Differentiable in psi and u, once; the gradient is the exact one of
    the discrete scheme. Works in double precision inside, returns the type of psi. Raises ValueError for
    states of another norm or grid, a complex or non-finite u, dt ≤ 0 and batch axes that do not match.
    """
    batch = check_run(psi, u, box, dt)
    psi, u = (part.expand(*batch, -1).reshape(math.prod(batch), part.shape[-1]) for part in (psi, u))
    if psi.device.type == "cpu":
        final = _Evolve.apply(psi, u, box, dt)
    else:
        final = psi.to(torch.complex128)
        for k in range(u.shape[-1]):
            final = step(final, u[:, k].to(torch.float64), box, dt)
    return final.reshape(*batch, box.points).to(psi.dtype)


def trajectory(psi, steps, box, dt=0.2, potential=None, u=None):
    """Return psi at times 0, Δt, …, steps·Δt in a fixed potential (N,): (..., N) → (..., steps + 1, N).

    `u` (..., steps) adds a control, as in `evolve`. Carries no gradient. Raises ValueError like `evolve`.
    """
    if int(steps) != steps or steps < 0:
        raise ValueError(f"steps must be a whole number, 0 or more; got {steps}")
    u = torch.zeros(steps, dtype=torch.float64, device=psi.device) if u is None else u
    batch = check_run(psi, u, box, dt)
    if u.shape[-1] != steps:
        raise ValueError(f"u has {u.shape[-1]} values for {steps} steps; give one value per step")
    if potential is not None:
        potential = torch.as_tensor(potential, dtype=torch.float64)
        if potential.shape != (box.points,) or not torch.isfinite(potential).all():
            raise ValueError(f"the potential needs {box.points} finite values, one per grid point of the box")
    first, u = (part.detach().expand(*batch, -1).reshape(math.prod(batch), part.shape[-1]) for part in (psi, u))
    path = np.empty((steps + 1, box.points, 2, len(first)))
    path[0] = _parts(first)
    norm = _norm(path[0])
    diagonal, slope, e = _matrix(box, float(dt))
    if potential is not None:
        diagonal = diagonal + dt / 2 * potential.numpy(force=True)
    _forward(path, _rows(u), diagonal, slope, e)
    _restore(path, norm)
    return _states(path).reshape(*batch, steps + 1, box.points).to(psi)


class _Evolve(torch.autograd.Function):
    """`evolve` and its adjoint, on the CPU, for psi (samples, N) and u (samples, T)."""

    @staticmethod
    def forward(ctx, psi, u, box, dt):
        samples, steps = u.shape
        remember = any(ctx.needs_input_grad)
        path = np.empty((steps + 1 if remember else 2, box.points, 2, samples))
        path[0] = _parts(psi)
        norm = _norm(path[0])
        controls, matrix = _rows(u), _matrix(box, float(dt))
        _forward(path, controls, *matrix)
        final = path[steps % len(path)]
        _restore(final, norm)
        ctx.held = (path, controls, matrix)
        return _states(final).to(psi.dtype)

    @staticmethod
    @torch.autograd.function.once_differentiable
    def backward(ctx, gradient):
        path, controls, matrix = ctx.held
        # Each step is a symmetric unitary U, so U† = conj(U): the conjugate gradient takes the same step.
        mu = np.array(_parts(gradient.conj()), dtype=float, order="C")
        grad_u = _backward(mu, path, controls, *matrix)
        grad_psi = _states(mu).conj() if ctx.needs_input_grad[0] else None
        return grad_psi, torch.from_numpy(grad_u.T), None, None


# The loops compute with real numbers, (N, 2, samples): real part, imaginary part. Twice as fast as with complex
# ones, because the processor then takes several samples at once; `inline` and a fixed BLOCK let it.


@numba.njit(error_model="numpy", inline="always")
def _solve(psi, y, c, u, lo, count, diagonal, slope, e):
    """Thomas algorithm for A y = psi (`_matrix` has A), samples lo … lo + count; c is scratch."""
    n = len(diagonal)
    for j in range(n):
        for s in range(count):
            pivot, pivot_i = 1.0, diagonal[j] + slope[j] * u[lo + s]
            right, right_i = psi[j, 0, lo + s], psi[j, 1, lo + s]
            if j > 0:
                pivot += e * c[j - 1, 0, s]
                pivot_i += e * c[j - 1, 1, s]
                right -= e * y[j - 1, 1, s]
                right_i += e * y[j - 1, 0, s]
            size = 1 / (pivot * pivot + pivot_i * pivot_i)
            pivot, pivot_i = pivot * size, -pivot_i * size  # now the inverse
            c[j, 0, s], c[j, 1, s] = e * pivot, e * pivot_i
            y[j, 0, s] = right * pivot - right_i * pivot_i
            y[j, 1, s] = right * pivot_i + right_i * pivot
    for j in range(n - 2, -1, -1):
        for s in range(count):
            y[j, 0, s] -= c[j, 0, s] * y[j + 1, 1, s] + c[j, 1, s] * y[j + 1, 0, s]
            y[j, 1, s] += c[j, 0, s] * y[j + 1, 0, s] - c[j, 1, s] * y[j + 1, 1, s]


@numba.njit(cache=True, error_model="numpy")
def _forward(path, controls, diagonal, slope, e):
    """March path[0] through all controls (T, samples); path keeps its last len(path) states."""
    slots, n, _, samples = path.shape
    y, c = np.empty((n, 2, BLOCK)), np.empty((n, 2, BLOCK))
    for lo in range(0, samples, BLOCK):
        count = min(BLOCK, samples - lo)
        for k in range(len(controls)):
            old, new = path[k % slots], path[(k + 1) % slots]
            _solve(old, y, c, controls[k], lo, count, diagonal, slope, e)
            for j in range(n):
                for s in range(count):
                    new[j, 0, lo + s] = 2 * y[j, 0, s] - old[j, 0, lo + s]
                    new[j, 1, lo + s] = 2 * y[j, 1, s] - old[j, 1, lo + s]


@numba.njit(cache=True, error_model="numpy")
def _backward(mu, path, controls, diagonal, slope, e):
    """March mu to time 0 in place; return ∂/∂u_k = Δt/4 Im Σ_x x (ψ_k + ψ_k+1)(μ_k + μ_k+1), (T, samples)."""
    n, _, samples = mu.shape
    y, c = np.empty((n, 2, BLOCK)), np.empty((n, 2, BLOCK))
    sums = np.zeros(controls.shape)
    for lo in range(0, samples, BLOCK):
        count = min(BLOCK, samples - lo)
        for k in range(len(controls) - 1, -1, -1):
            old, new = path[k], path[k + 1]
            _solve(mu, y, c, controls[k], lo, count, diagonal, slope, e)
            for j in range(n):
                for s in range(count):  # here μ_k + μ_k+1 = 2 y, and slope = Δt/2 x
                    sums[k, lo + s] += slope[j] * ((old[j, 0, lo + s] + new[j, 0, lo + s]) * y[j, 1, s]
                                                   + (old[j, 1, lo + s] + new[j, 1, lo + s]) * y[j, 0, s])
                for part in range(2):
                    for s in range(count):
                        mu[j, part, lo + s] = 2 * y[j, part, s] - mu[j, part, lo + s]
    return sums


def _parts(psi):
    """Complex states (samples, N) as the loops want them: (N, 2, samples), real part, imaginary part."""
    return torch.view_as_real(psi.resolve_conj()).permute(1, 2, 0).numpy(force=True)


def _states(parts):
    """The way back: (..., N, 2, samples) → complex (samples, ..., N)."""
    parts = torch.from_numpy(parts).movedim(-1, 0)
    return torch.view_as_complex(parts.clone(memory_format=torch.contiguous_format))


def _norm(parts):
    return np.sqrt(np.square(parts).sum((-3, -2), keepdims=True))


def _restore(parts, norm):
    """Scale states (..., N, 2, samples) in place to the norm they started with.

    The scheme keeps it exactly. Rounding does not: under a constant u it repeats, up to 1e-15 a step.
    """
    parts *= norm / _norm(parts)


@functools.lru_cache
def _matrix(box, dt):
    """Return diagonal, slope, e: A = 1 + iΔt/2 H has 1 + i(diagonal + slope·u) on its diagonal, −ie beside it."""
    e = dt / 2 / box.dx**2
    return np.full(box.points, 2 * e), dt / 2 * box.x.numpy(), e


def _rows(u):
    """Controls as the marching loops want them: (T, samples), contiguous."""
    return np.array(u.numpy(force=True).T, dtype=float, order="C")
