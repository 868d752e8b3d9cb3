"""The sums over one set of nodes: what an activation and its slope are there, once, and every moment made of them."""

from __future__ import annotations

import math

import numpy as np

from .. import kernels
from .._types import Floats
from .profile import Profile
from .special import log_square

HERMITE = 7         # coefficients kept


class Nodes:
    """One block: nodes ``x = m + s z`` with weights w, ``(units, nodes)``, what phi and phi' are there, and sums."""

    def __init__(self, p: Profile, x: Floats, z: Floats, w: Floats) -> None:
        self.p, self.x, self.z, self.w = p, x, z, w
        self._phi: Floats | None = None
        self._dphi: Floats | None = None
        self._centred: Floats | None = None
        self._mean: Floats | None = None

    @property
    def phi(self) -> Floats:
        """phi(x)."""
        if self._phi is None:
            a = self.p.activation
            self._phi = self.p.phi(self.x) if a.code is None else kernels.activation_forward(a, self.x)
        return self._phi

    @property
    def dphi(self) -> Floats:
        """phi'(x)."""
        if self._dphi is None:
            a = self.p.activation
            self._dphi = self.p.dphi(self.x) if a.code is None else kernels.activation_backward(a, self.x, None)
        return self._dphi

    @property
    def centred(self) -> Floats:
        """w (phi - E phi)."""
        if self._centred is None:
            self._centred = self.w * (self.phi - self.mean()[:, None])
        return self._centred

    def _sum(self, f: Floats) -> Floats:
        total: Floats = np.einsum("un,un->u", f, self.w)
        return total

    def mean(self) -> Floats:
        """E phi."""
        if self._mean is None:
            self._mean = self._sum(self.phi)
        return self._mean

    def second(self) -> Floats:
        """E phi^2."""
        return self._sum(np.square(self.phi))

    def variance(self) -> Floats:
        """Var phi."""
        spread: Floats = np.einsum("un,un->u", self.centred, self.phi - self.mean()[:, None])
        return spread

    def slope(self) -> Floats:
        """E phi'."""
        return self._sum(self.dphi)

    def size(self) -> Floats:
        """E|phi'|."""
        return self._sum(np.abs(self.dphi))

    def slope2(self) -> Floats:
        """E phi'^2."""
        return self._sum(np.square(self.dphi))

    def output(self) -> Floats:
        """E|phi - centre|/half range."""
        a = self.p.activation
        return self._sum(np.abs(self.phi - a.center)) / a.half_range

    def log_slope(self) -> Floats:
        """E ln phi'^2: from phi' itself where it is an ordinary number, else from the logarithm's own formula."""
        logs = log_square(self.dphi)
        small = np.abs(self.dphi) < 1e-280
        if small.any():
            logs[small] = self.p.log_slope(self.x[small])
        return self._sum(logs)

    def hermite(self) -> Floats:
        """Coefficients 1 .. HERMITE by the recurrence of the orthonormal polynomials."""
        out = np.empty((len(self.w), HERMITE))
        before, now = np.ones_like(self.z), self.z
        for k in range(1, HERMITE + 1):
            out[:, k - 1] = np.einsum("un,un->u", self.centred, now)
            before, now = now, (self.z * now - math.sqrt(k) * before) / math.sqrt(k + 1)
        return out
