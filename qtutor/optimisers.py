"""One step of the rows of weights of all networks along their gradients, in place."""

from torch.optim.adam import adam as adam_step


def adam(rows, slope, memory, rate):
    """One step of Adam (Kingma and Ba 2015) with its usual constants."""
    adam_step([rows], [slope], [memory["mean"]], [memory["square"]], [], [memory["step"]], fused=True,
              lr=rate, beta1=0.9, beta2=0.999, eps=1e-8, weight_decay=0, amsgrad=False, maximize=False)


def gradient_descent(rows, slope, memory, rate):
    """One step of plain gradient descent."""
    rows.sub_(slope, alpha=rate)


OPTIMISERS = {"Adam": adam, "SGD": gradient_descent}
