"""What a benchmark case is: our call, its rivals, the check that it is right, and the ratio we want.

Register a case in ``benchmarks/cases/<part>.py``::

    @case("elementwise", "tanh f32 1e5", target={"numpy": 5.0, "torch|jax": 1.6})
    def _(c):
        z = np.random.default_rng(0).standard_normal(100_000).astype(np.float32)
        out = np.empty_like(z)
        c.ours = lambda: ic.kernels.activation_forward("tanh", z, out=out)
        c.rival("numpy", lambda: np.tanh(z, out=out))
        with c.optional("torch") as torch:              # skipped, with the reason, where it is missing
            t = torch.from_numpy(z)
            c.rival("torch", lambda: torch.tanh(t))
        c.check = lambda: np.testing.assert_allclose(ic.kernels.activation_forward("tanh", z), np.tanh(z), rtol=1e-6)

A target's key is a rival's label, or several joined by "|" (the best, i.e. fastest, of those present). Its value is
the least wanted ratio  rival's time / our time.  ``at_most=True`` cases (overheads) read the other way:
our time / rival's time must be at most the value.
"""

from __future__ import annotations

import contextlib
import importlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any


@dataclass
class Case:
    """One comparison; filled in by its builder when it is about to run."""

    group: str
    name: str
    target: dict[str, float]
    build: Callable[[Case], None]
    at_most: bool = False
    threads: int = 1
    rounds: int = 30
    ours: Callable[[], Any] | None = None
    check: Callable[[], Any] | None = None
    rivals: dict[str, Callable[[], Any]] = field(default_factory=dict)
    missing: dict[str, str] = field(default_factory=dict)

    def rival(self, label: str, call: Callable[[], Any]) -> None:
        """Add a rival."""
        self.rivals[label] = call

    @contextlib.contextmanager
    def optional(self, module: str, label: str | None = None) -> Iterator[Any]:
        """Import a rival's library; where it is missing the block's names fail, rivals that only name it when they are
        called are no rivals, and the case says so."""
        before = dict(self.rivals)
        try:
            imported = importlib.import_module(module)
        except ImportError as error:
            self.missing[label or module] = str(error)
            imported = _Absent()
        try:
            yield imported
        except _AbsentError:
            pass
        if isinstance(imported, _Absent):
            self.rivals = before

    def prepare(self) -> Case:
        """Build the data and check correctness."""
        self.build(self)
        if self.ours is None or self.check is None:
            raise TypeError(f"case {self.name!r} sets no ours or no check")
        self.check()
        return self


class _AbsentError(Exception):
    pass


class _Absent:
    def __getattr__(self, name: str) -> Any:
        raise _AbsentError(name)


CASES: list[Case] = []


def case(group: str, name: str, *, target: dict[str, float] | None = None, at_most: bool = False,
         threads: int = 1, rounds: int = 30) -> Callable[[Callable[[Case], None]], Callable[[Case], None]]:
    """Register a case; see the module's docstring."""
    def register(build: Callable[[Case], None]) -> Callable[[Case], None]:
        CASES.append(Case(group, name, dict(target or {}), build, at_most, threads, rounds))
        return build
    return register
