"""The paper's three gradients, and the family between them (Eqs. 4–6).

Each function takes states and targets and returns one number per sample. Back-propagating that
number gives exactly the gradient of the paper. A gradient of your own is any function of the same form:
`qt.gradients["mine"] = lambda psi, target: …`, or pass a mapping to `qt.train`. Those here also carry the gradient
itself, `function.slope(psi, target)`, with respect to psi, which saves the training the way back.
"""

import torch

from .states import check_states, inner, quantum_loss, real_inner, square_norm, tangent

SMALLEST_OVERLAP = 1e-6  # for α > 1/2 the gradient grows without bound towards overlap 0; here it stops


def scaled(alpha):
    """Return the gradient ∇L / (1 − L)^α as a function of (psi, target).

    α = 0 is S (Eq. 4), α = 1/2 is M (Eq. 6), α = 1 is the gradient of −log(1 − L). The returned number
    is the loss with that gradient: (1 − (1 − L)^(1 − α)) / (1 − α). The factor is taken per sample and is a
    constant in back-propagation. At overlap exactly 0 the direction of the target's phase is undefined;
    phase 1 is used, so M stays finite with size 2. For α > 1/2 an overlap below 1e-6 counts as 1e-6.
    """
    if not 0 <= alpha <= 1:
        raise ValueError(f"the family runs from α = 0 (S) to α = 1 (−log fidelity); got alpha={alpha}")

    def slope(psi, target):
        c = inner(target, psi)
        size = c.abs()
        tiny = torch.finfo(size.dtype).tiny
        # Not torch.sgn: it is NaN below `tiny`, and its last bit depends on a sample's place in the batch.
        phase = torch.where(size < tiny, 1.0, c / size.clamp(min=tiny))
        if alpha > 0.5:
            size = size.clamp(min=SMALLEST_OVERLAP)
        # ∇L = −2 c target, so ∇L / |c|^2α = −2 |c|^(1−2α) · phase · target: no 0/0 at c = 0.
        return (-2 * size ** (1 - 2 * alpha) * phase)[..., None] * target

    def gradient(psi, target):
        loss = quantum_loss(psi.detach(), target.detach())
        number = real_inner(slope(psi.detach(), target.detach()), psi)  # has that slope, and gets its value here:
        return (number - number.detach()) + _value(loss, alpha)

    gradient.slope = slope
    return gradient


def _value(loss, alpha):
    """The loss whose gradient is ∇L / (1 − L)^α, accurate for small L."""
    if alpha == 1:
        return -torch.log1p(-loss.clamp(max=1 - torch.finfo(loss.dtype).eps))
    return -torch.expm1((1 - alpha) * torch.log1p(-loss.clamp(max=1))) / (1 - alpha)


def mean_squared_error(psi, target):
    """Return ½ ‖psi − target‖² per sample, whose gradient is L2, psi − target (Eq. 5)."""
    check_states(psi, target)
    return 0.5 * square_norm(psi - target)


mean_squared_error.slope = torch.sub


def gradient_sizes(psi, target, names=("S", "L2", "M")):
    """Return {name: size per sample (...)}: how strongly each gradient moves the states psi (..., N)."""
    psi, sizes = psi.detach().expand(torch.broadcast_shapes(psi.shape, target.shape)).clone().requires_grad_(), {}
    for name in names:
        slope, = torch.autograd.grad(gradients[name](psi, target).sum(), psi)
        sizes[name] = torch.linalg.vector_norm(tangent(slope, psi.detach()), dim=-1)
    return sizes


class Gradients(dict):
    """Gradients by name; an unknown name says which there are."""

    def __missing__(self, name):
        raise KeyError(f"no gradient {name!r}; there are {', '.join(self)}. "
                       "Add your own: qt.gradients['mine'] = function(psi, target) -> one number per sample")


gradients = Gradients(S=scaled(0.0), L2=mean_squared_error, M=scaled(0.5))
