"""Quantum states on a grid: eigenstates, superpositions, inner product, quantum loss (section 2.1).

A state is a complex tensor whose last axis is the grid and whose Euclidean norm is 1.
Leading axes are batch axes and broadcast.
"""

import math
from dataclasses import dataclass

import numpy as np
import torch

TOLERANCE = {torch.complex64: 1e-4, torch.complex128: 1e-5}  # allowed deviation of a norm from 1


@dataclass(frozen=True)
class Box:
    """A box with hard walls, seen at `points` interior grid points.

    The walls stand at 0 and `length`, where every state is zero (Dirichlet). `origin` is the place
    from which `x` is measured; it matters once a control enters as V = u x.
    """

    points: int = 20  # paper 3
    length: float = 2.0  # our choice: the authors' neighbouring codes
    origin: float = 0.0  # our choice: x is measured from the left wall

    def __post_init__(self):
        if int(self.points) != self.points or self.points < 2:
            raise ValueError(f"a box needs at least 2 grid points, a whole number; got points={self.points}")
        if not (self.length > 0 and math.isfinite(self.length)):
            raise ValueError(f"a box needs a positive length; got length={self.length}")

    @property
    def dx(self) -> float:
        """Distance between neighbouring grid points."""
        return self.length / (self.points + 1)

    @property
    def x(self) -> torch.Tensor:
        """Grid points measured from `origin`, float64, shape (points,)."""
        return self.dx * torch.arange(1, self.points + 1, dtype=torch.float64) - self.origin


def eigenstate(box, n):
    """Return state n of the empty box, the exact eigenvector of the discrete −∂x²: √(2/(N+1)) sin(π n j/(N+1)).

    n = 1 is the ground state, n = N the last one. Shape (N,), complex128, norm 1.
    Raises ValueError for n outside 1…N.
    """
    if int(n) != n or not 1 <= n <= box.points:
        raise ValueError(f"a box of {box.points} points has eigenstates 1…{box.points}; got n={n}")
    j = torch.arange(1, box.points + 1, dtype=torch.float64)
    size = math.sqrt(2 / (box.points + 1))
    return (size * torch.sin(math.pi * n * j / (box.points + 1))).to(torch.complex128)


def energies(box):
    """Return the N energies of the empty box, E_n = (4/Δx²) sin²(π n / 2(N+1)), shape (N,), float64."""
    n = torch.arange(1, box.points + 1, dtype=torch.float64)
    return 4 / box.dx**2 * torch.sin(math.pi * n / (2 * (box.points + 1))) ** 2


def superpositions(box, count, modes=2, seed=0):
    """Return `count` random superpositions of the first `modes` eigenstates, shape (count, N), complex128.

    Each amplitude is a normal number times a uniform phase; then the state is normalised
    (the convention of the authors' neighbouring code). `seed` fixes the draw.
    """
    if int(modes) != modes or not 1 <= modes <= box.points:
        raise ValueError(f"modes must lie in 1…{box.points}, the grid points of the box; got modes={modes}")
    rng = np.random.default_rng(seed)
    amplitude = rng.normal(size=(count, modes)) * np.exp(2j * np.pi * rng.random((count, modes)))
    basis = torch.stack([eigenstate(box, n) for n in range(1, modes + 1)])
    return normalize(torch.from_numpy(amplitude) @ basis)


def normalize(psi):
    """Return psi divided by its Euclidean norm along the last axis. Raises ValueError where psi is zero."""
    norm = torch.linalg.vector_norm(psi, dim=-1, keepdim=True)
    if not (norm > 0).all():
        raise ValueError(f"cannot normalise sample {int((~(norm > 0)).flatten().nonzero()[0])}: it is zero or NaN")
    return psi / norm


def inner(a, b):
    """Return the inner product ⟨a, b⟩ = Σ_x conj(a) b, shape (...), complex; conjugate-linear in a."""
    return (a.conj() * b).sum(-1)


def real_inner(a, b):
    """Return Re ⟨a, b⟩, shape (...)."""
    return (torch.view_as_real(a.resolve_conj()) * torch.view_as_real(b.resolve_conj())).sum((-2, -1))


def tangent(gradient, psi):
    """Return the part of a gradient (..., N) along the sphere of unit vectors; the rest would only change the norm."""
    return gradient - real_inner(psi, gradient)[..., None] * psi


def quantum_loss(a, b):
    """Return the quantum loss L = 1 − |⟨a, b⟩|² (Eq. 2), shape (...), real, in [0, 1].

    It is 0 when the states agree up to a global phase and 1 when they are orthogonal. Raises
    ValueError for states that are not complex, not of norm 1, or on different grids.
    """
    check_states(a, b)
    # For unit vectors 1 − |c|² = ‖a − c b‖², and only the right-hand side keeps its digits near 0.
    c = inner(b.detach(), a.detach())
    exact = square_norm(a.detach() - c[..., None] * b.detach())
    if not (a.requires_grad or b.requires_grad):
        return exact
    c = inner(b, a)
    loss = -(c.real.square() + c.imag.square())
    return (loss - loss.detach()) + exact


def square_norm(psi):
    """Return ‖psi‖² along the last axis, shape (...), real; smooth at 0, unlike the square of a norm."""
    return torch.view_as_real(psi.resolve_conj()).square().sum((-2, -1))


def check_states(*states):
    """Raise a ValueError that says what to do unless all `states` are complex, of norm 1, on one grid."""
    for psi in states:
        if not torch.is_tensor(psi) or psi.dtype not in TOLERANCE:
            kind = getattr(psi, "dtype", type(psi).__name__)
            raise ValueError(f"states are complex tensors; got {kind}. "
                             "Use torch.as_tensor(psi, dtype=torch.complex128)")
        # The norm of the real view: torch's norm of complex numbers is fifty times slower.
        norm = torch.linalg.vector_norm(torch.view_as_real(psi.detach().resolve_conj()), dim=(-2, -1))
        low, high = map(float, norm.aminmax()) if norm.numel() else (1, 1)
        if not 1 - TOLERANCE[psi.dtype] <= low <= high <= 1 + TOLERANCE[psi.dtype]:
            deviation = (norm - 1).abs().flatten()
            worst = int(deviation.nan_to_num(nan=math.inf).argmax())
            raise ValueError(f"states need norm 1 (largest deviation {deviation[worst]:.2g} at sample {worst}); "
                             "use qt.normalize")
    shapes = [tuple(psi.shape) for psi in states]
    if len(set(shapes)) == 1:
        return
    if len({shape[-1] for shape in shapes}) > 1:
        raise ValueError(f"states live on different grids: last axes {[s[-1] for s in shapes]}")
    try:
        torch.broadcast_shapes(*shapes)
    except RuntimeError:
        raise ValueError(f"batch axes {[s[:-1] for s in shapes]} do not broadcast; give each state its target, "
                         "or one target for all") from None
