"""Training a network just long enough to know what becomes of it."""

from __future__ import annotations

import numpy as np

from initcore import Dense, Network

from .tasks import Task

STEPS, BATCH, WINDOW = 500, 32, 20
# the middle of the road first: most runs are decided by it
RATES = {"sgd": (0.1, 1.0, 0.01, 0.001), "momentum": (0.01, 0.1, 0.001, 0.0001), "adam": (0.003, 0.03, 0.0003)}
OPTIMIZERS = tuple(RATES)
ENOUGH = 0.9          # of the variance explained: nobody needs to look further


def reach(net: Network, task: Task, optimizer: str, stop: float = ENOUGH) -> float:
    """The best share explained, ``1 - loss / loss of the best constant`` (0..1), over the learning rates.

    Both losses are sums over the last WINDOW minibatches; ``stop`` ends the search as soon as it is reached.
    """
    best = 0.0
    for rate in RATES[optimizer]:
        best = max(best, _run(net, task, optimizer, rate, stop))
        if best >= stop:
            break
    return best


def _run(net: Network, task: Task, optimizer: str, rate: float, stop: float) -> float:
    """One run; the parameters are views of one vector, so that a step is a few operations on it."""
    flat, net = _flat(net)
    first, second = np.zeros_like(flat), np.zeros_like(flat)
    batches = len(task.x) // BATCH
    losses, plain, best = [], [], 0.0
    with np.errstate(all="ignore"):
        for t in range(STEPS):
            rows = slice(t % batches * BATCH, t % batches * BATCH + BATCH)
            loss, grads = net.gradients(task.x[rows], task.y[rows], loss=task.loss)
            if not loss < 1e12:
                break
            losses.append(loss)
            plain.append(float(task.constant[rows].mean()))
            if t % WINDOW == WINDOW - 1:
                best = max(best, 1 - sum(losses[-WINDOW:]) / sum(plain[-WINDOW:]))
                if best >= stop:
                    break
            g = np.concatenate([a.ravel() for pair in grads for a in pair])
            if optimizer == "adam":
                first += 0.1 * (g - first)
                second += 0.001 * (g * g - second)
                flat -= (rate / (1 - 0.9 ** (t + 1))) * first / (np.sqrt(second / (1 - 0.999 ** (t + 1))) + 1e-8)
            elif optimizer == "momentum":
                first *= 0.9
                first += g
                flat -= rate * first
            else:
                flat -= rate * g
            if t == WINDOW and not first.any() and not g.any() and loss >= plain[-1]:
                break                    # nothing moves and nothing will
    return best


def _flat(net: Network) -> tuple[np.ndarray, Network]:
    """All parameters in one vector, and a network whose arrays are views of it."""
    flat = np.concatenate([a.ravel() for layer in net.layers for a in (layer.w, layer.b)])
    layers, at = [], 0
    for layer in net.layers:
        w = flat[at:at + layer.w.size].reshape(layer.w.shape)
        at += layer.w.size
        layers.append(Dense(w, flat[at:at + layer.fan_out], layer.activation))
        at += layer.fan_out
    return flat, Network(layers, check_finite=False)
