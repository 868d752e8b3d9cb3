from typing import Any

from numpy.typing import ArrayLike, NDArray

isa: str
capsule: Any
__pyx_capi__: dict[str, Any]
LOSSES: tuple[str, ...]

def variants() -> dict[str, str]: ...
def build_info() -> dict[str, str]: ...
def matmul(
    a: ArrayLike, b: ArrayLike, *, out: NDArray[Any] | None = None, threads: int | None = None
) -> NDArray[Any]: ...
def dense_forward(
    x: ArrayLike,
    w: ArrayLike,
    b: ArrayLike | None,
    activation: Any,
    *,
    out: NDArray[Any] | None = None,
    z_out: NDArray[Any] | None = None,
    threads: int | None = None,
) -> NDArray[Any]: ...
def dense_backward(
    x: ArrayLike,
    w: ArrayLike,
    b: ArrayLike | None,
    activation: Any,
    dy: ArrayLike,
    *,
    z: ArrayLike | None = None,
    y: ArrayLike | None = None,
    out: tuple[NDArray[Any] | None, NDArray[Any], NDArray[Any]] | None = None,
    threads: int | None = None,
    need_dx: bool = True,
) -> tuple[Any, NDArray[Any], NDArray[Any]]: ...
def activation_forward(
    activation: Any, z: ArrayLike, *, out: NDArray[Any] | None = None, threads: int | None = None
) -> NDArray[Any]: ...
def activation_backward(
    activation: Any, z: ArrayLike, dy: ArrayLike | None, *, out: NDArray[Any] | None = None, threads: int | None = None
) -> NDArray[Any]: ...
def loss(name: str, prediction: ArrayLike, target: ArrayLike) -> tuple[float, NDArray[Any]]: ...
def signals(
    activation: Any, z: ArrayLike, a: ArrayLike, *, zero: tuple[float, float] = ...
) -> tuple[dict[str, NDArray[Any]], NDArray[Any] | None]: ...
def random_fill(
    distribution: int,
    kind: int,
    method: int,
    words: tuple[int, ...],
    out: NDArray[Any],
    whole: tuple[int, ...] | None,
    first: tuple[int, ...] | None,
    params: tuple[float, ...],
    threads: int,
) -> None: ...

# used by initcore.initializers only
def _matmul_add(a: NDArray[Any], b: NDArray[Any], out: NDArray[Any]) -> None: ...

# used by initcore._passes only
def _ties_project(w: NDArray[Any], v: NDArray[Any]) -> tuple[NDArray[Any], NDArray[Any]]: ...
def _ties_fields(
    w: NDArray[Any], r: NDArray[Any], p: NDArray[Any], inverse: NDArray[Any], powers: NDArray[Any]
) -> NDArray[Any]: ...
def _ties_multisets(
    w: NDArray[Any], colour: NDArray[Any], sign: NDArray[Any], both: bool = True
) -> tuple[NDArray[Any], NDArray[Any]]: ...
def _ties_look(w: NDArray[Any]) -> int: ...
def _weights_statistics(
    w: NDArray[Any], tiny: float, small: float
) -> tuple[NDArray[Any], NDArray[Any], NDArray[Any], NDArray[Any]]: ...
def _weights_sums(w: NDArray[Any], u: NDArray[Any], v: NDArray[Any]) -> tuple[NDArray[Any], NDArray[Any]]: ...

# used by initcore.network only
def _chain_gradients(
    layers: tuple[Any, ...], x: Any, labels: Any, threads: int | None
) -> tuple[float, list[tuple[NDArray[Any], NDArray[Any] | None]]] | None: ...
