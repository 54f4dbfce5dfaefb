"""What the simulator and the training accept, and what they say about the rest."""

import math

import torch

from .states import check_states


def check_run(psi, u, box, dt):
    """Return the common batch axes of psi (..., N) and u (..., T); ValueError says what does not fit."""
    check_states(psi)
    if psi.shape[-1] != box.points:
        raise ValueError(f"states have {psi.shape[-1]} grid points, the box has {box.points}; "
                         f"make them with the same box, or take qt.Box(points={psi.shape[-1]})")
    if not 0 < dt < math.inf:
        raise ValueError(f"dt must be positive and finite; got {dt}. To run backwards, evolve psi.conj() "
                         "with u.flip(-1) and conjugate the result")
    if not torch.is_tensor(u) or not u.is_floating_point() or u.dim() == 0:
        raise ValueError(f"u must be a real floating-point tensor, one value per step; got "
                         f"{getattr(u, 'dtype', type(u).__name__)}")
    if u.numel() and not all(math.isfinite(value) for value in u.detach().aminmax()):
        where = tuple(torch.nonzero(~torch.isfinite(u))[0].tolist())
        raise ValueError(f"u is not finite at (sample…, step) {where}; give every step a finite number")
    if psi.shape[:-1] == u.shape[:-1]:
        return psi.shape[:-1]
    try:
        return torch.broadcast_shapes(psi.shape[:-1], u.shape[:-1])
    except RuntimeError:
        raise ValueError(f"batch axes do not match: psi has {tuple(psi.shape[:-1])}, "
                         f"u has {tuple(u.shape[:-1])}; give each state its own u, or one for all") from None


def check_device(name):
    """Return the torch device of that name; ValueError where this machine has none."""
    try:
        torch.empty(0, device=name)
    except (RuntimeError, AssertionError) as error:
        reason = str(error).splitlines()[0]
        raise ValueError(f"device {str(name)!r} is not to be had here; use 'cpu' ({reason})") from None
    return torch.device(name)
