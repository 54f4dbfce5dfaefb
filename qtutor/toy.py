"""The toy example in the plane (sections 2.2–2.4), in closed form.

v(θ) = (cos θ, sin θ), target w = (1, 0), L = 1 − cos²θ = sin²θ. Everything works on arrays of angles.
"""

import numpy as np

THETA0 = 1.57  # our choice: "slightly smaller than π/2" (paper 2.2)
STEP = 0.1  # our choice: the step size of gradient descent
SUCCESS = 0.01  # our choice: the loss below which a descent has arrived
ANGLES = sorted({*(round(0.1 * k, 1) for k in range(32)), 1.55, THETA0, 3.14})  # for sliders over [0, π]


def loss(theta):
    """Return L(θ) = 1 − ⟨v, w⟩² = sin²θ (Eq. 3)."""
    return np.sin(theta) ** 2


def standard(theta):
    """Return G_S = ∇L = sin 2θ (Eq. 4)."""
    return np.sin(2 * np.asarray(theta))


def mean_squared_error(theta):
    """Return G_L2 = (v − w) ∂v/∂θ = sin θ (Eq. 5)."""
    return np.sin(theta)


def modified(theta):
    """Return G_M = ∇L/√(1 − L) = 2 sin θ · sign(cos θ) (Eq. 6); the sign of 0 is taken as +1."""
    return scaled(theta, 0.5)


def scaled(theta, alpha):
    """Return ∇L/(1 − L)^α = 2 sin θ · sign(cos θ) · |cos θ|^(1 − 2α).

    α = 0 is S and α = 1/2 is M. For α > 1/2 an overlap below 1e-6 counts as 1e-6, so the result stays finite.
    """
    cosine = np.cos(theta)
    overlap = np.abs(cosine) if alpha <= 0.5 else np.maximum(np.abs(cosine), 1e-6)
    return 2 * np.sin(theta) * np.where(cosine < 0, -1.0, 1.0) * overlap ** (1 - 2 * alpha)


gradients = {"S": standard, "L2": mean_squared_error, "M": modified}


def descend(gradient, theta0, step=STEP, steps=60, match=False):
    """Return the angles of plain gradient descent θ ← θ − step · G(θ), shape (steps + 1, *theta0.shape).

    `gradient` is a name (S, L2, M) or a function of θ; `theta0` a number or an array. With `match`, the
    gradient gives the direction alone and every step has length `step`, cut short only where it would pass
    0 or π; speed then no longer tells the gradients apart. Raises ValueError for an unknown name, a step
    that is not positive, or an angle outside [0, π].
    """
    if isinstance(gradient, str):
        if gradient not in gradients:
            raise ValueError(f"no gradient {gradient!r}; there are {', '.join(gradients)}, or pass a function of θ")
        gradient = gradients[gradient]
    theta = np.asarray(theta0, dtype=float)
    if not ((theta >= 0) & (theta <= np.pi)).all():
        raise ValueError(f"theta0 lies in [0, π]; got {theta0}")
    if not step > 0:
        raise ValueError(f"the step size must be positive; got {step}")
    path = [theta]
    for _ in range(steps):
        change = step * gradient(theta)
        if match:
            room = np.where(change > 0, theta, np.pi - theta)  # to the stationary point ahead
            direction = np.where(np.abs(change) > 1e-12, np.sign(change), 0.0)
            change = direction * np.minimum(step, room)
        theta = theta - change
        path.append(theta)
    return np.array(path)


def steps_needed(path, below=SUCCESS):
    """Return after how many steps the loss of each descent lies below `below` for good; −1 where it does not."""
    stays = np.logical_and.accumulate((loss(path) < below)[::-1])[::-1]
    return np.where(stays[-1], stays.argmax(0), -1)


def plateau(delta, step=STEP, level=0.5):
    """Return how many steps S needs from θ0 = π/2 − δ to fall below the loss `level`, for an array of δ.

    Near the top G_S ≈ 2(π/2 − θ), so each step multiplies the distance by 1 + 2η: the law is ln(1/δ)/2η for
    small η, ln(1/δ)/ln(1 + 2η) exactly. Raises ValueError unless 0 < δ ≤ π/2.
    """
    delta = np.atleast_1d(np.asarray(delta, dtype=float))
    if not ((delta > 0) & (delta <= np.pi / 2)).all():
        raise ValueError(f"delta is the distance from π/2, in (0, π/2]; got {delta}")
    longest = int(np.ceil((np.log(1 / delta.min()) + 5) / np.log1p(2 * step))) + 10
    below = loss(descend(standard, np.pi / 2 - delta, step, longest)) < level
    if not below.any(0).all():
        raise ValueError(f"S does not fall below {level} within {longest} steps of size {step}; choose a higher level")
    return below.argmax(0)
