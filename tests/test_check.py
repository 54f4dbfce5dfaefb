"""What the exercises say: right answers pass, each usual mistake gets its own sentence."""

import numpy as np
import pytest
import torch

import qtutor as qt


def overlap(a, b):
    return torch.einsum("sn,sn->s", a.conj(), b)


@pytest.mark.parametrize("answer, expected", [(1.004, 1.0), (-2.0, -2.01), (0.0, 0.0), (torch.tensor(3.0), 3)])
def test_right_numbers_pass(answer, expected, capsys):
    qt.check.number(answer, expected)
    assert "✓" in capsys.readouterr().out


@pytest.mark.parametrize(
    "answer, expected, says",
    [(0.9, 1, "too small"), (1.1, 1, "too large"), (None, 1, "no answer yet"), (float("nan"), 1, "not a number"),
     (-5e-6, 5e-6, "too small")],
)  # fmt: skip
def test_wrong_numbers_say_how(answer, expected, says):
    with pytest.raises(AssertionError, match=says):
        qt.check.number(answer, expected)


def test_a_right_loss_and_right_gradients_pass():
    qt.check.loss(lambda a, b: 1 - overlap(a, b).abs() ** 2)
    qt.check.gradient(lambda a, b: -(overlap(a, b).abs() ** 2), "S")
    qt.check.gradient(lambda a, b: -2 * overlap(a, b).abs(), "M")
    qt.check.gradient(lambda a, b: 0.5 * (a - b).abs().square().sum(-1), "L2")


@pytest.mark.parametrize(
    "loss, says",
    [(lambda a, b: None, "NoneType .a `return`"), (lambda a, b: np.ones(12), "ndarray"),
     (lambda a, b: 1 - overlap(a, b), "complex"), (lambda a, b: overlap(a, b).abs().mean(), "one number per"),
     (lambda a, b: 1 - overlap(a, b).real, "phase i"), (lambda a, b: 1 - overlap(a, b).abs(), "The square"),
     (lambda a, b: overlap(a, b).abs() * torch.nan, "not finite")],
)  # fmt: skip
def test_a_wrong_loss_says_why(loss, says):
    with pytest.raises(AssertionError, match=says):
        qt.check.loss(loss)


@pytest.mark.parametrize(
    "gradient, says",
    [(lambda a, b: None, "cannot follow"), (lambda a, b: overlap(a, b).abs().detach(), "cannot follow"),
     (lambda a, b: overlap(a, b), "complex"), (lambda a, b: -overlap(a, b).abs(), "size is off by 0.5 to 0.5"),
     (lambda a, b: -overlap(a, b).real, "direction differs")],
)  # fmt: skip
def test_a_wrong_gradient_says_why(gradient, says):
    with pytest.raises(AssertionError, match=says):
        qt.check.gradient(gradient, "M")
