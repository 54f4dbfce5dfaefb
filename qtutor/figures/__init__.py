"""Every figure of the book, one function each: data in, Plotly figure out, with a text alternative."""

from .evidence import dial, draws, exponents, ratio_curves, sensitivity
from .plane import figure1, gradient_size, landscape, plane_path, plateau, race
from .quantum import convergence, eigenstates, phase_dial, steering, wave_packet
from .training import controls, gradient_sizes, prediction, rollout, smooth, training_curves

__all__ = [
    "controls", "convergence", "dial", "draws", "eigenstates", "exponents", "figure1", "gradient_size",
    "gradient_sizes", "landscape", "phase_dial", "plane_path", "plateau", "prediction", "race", "ratio_curves",
    "rollout", "sensitivity", "smooth", "steering", "training_curves", "wave_packet",
]  # fmt: skip
