"""``ij.program``: a function, its parameters and an example of its inputs -> :class:`initcore.program.Program`."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any, NamedTuple

import jax

from ...errors import ArgumentTypeError, ProgramError, UsageError
from ...program import Program, Value
from .._trees import path_name
from ._reader import Reader
from ._tape import Known, Step


def program(fn: Callable[..., Any], params: Any, *inputs: Any, frozen: Iterable[str] = ()) -> Program:
    """A function ``fn(params, *inputs)`` as a :class:`initcore.program.Program`.

    Parameters
    ----------
    fn : function
        Of Flax linen ``model.apply``, of nnx ``lambda params, x: nnx.merge(graph, params)(x)``, of Equinox
        ``lambda params, x: jax.vmap(eqx.combine(params, static))(x)``, or a plain function.
    params : pytree of arrays
        Names are their paths in dots, as in :func:`initcore.jax.init_params`; one array in two places is one parameter
        of two names. Leaves that are not floating point (counters) are no weights. ShapeDtypeStructs may be read, not
        proved.
    inputs : example inputs, pytrees of arrays or ShapeDtypeStructs; only shapes and dtypes count.
    frozen : patterns of names of params that are not trained. Of Flax linen's variables all but "params" are not.

    Raises ProgramError where JAX cannot trace the function, ArgumentTypeError for what is no function.

    >>> params = {"w": jax.numpy.ones((3, 4)), "v": jax.numpy.ones((4, 2))}
    >>> p = program(lambda p, x: jax.nn.gelu(x @ p["w"]) @ p["v"], params, jax.numpy.ones((8, 3)))
    >>> [op.attributes.get("activation", op.kind) for op in p.ops]
    ['contract', 'gelu_tanh', 'contract']
    >>> print(p.coverage)
    100% of the parameters covered
    """
    return read(fn, params, *inputs, frozen=frozen).program


class Reading(NamedTuple):
    """A program, the steps that run it, its leaves in order (values of params, of inputs), and what fn returns: values,
    and shapes."""

    program: Program
    tape: list[Step]
    params: list[Value]
    inputs: list[Value]
    outputs: list[Known]
    shapes: Any

    @property
    def tree(self) -> Any:
        """The form of what fn returns."""
        return jax.tree_util.tree_structure(self.shapes)


def read(fn: Callable[..., Any], params: Any, *inputs: Any, frozen: Iterable[str] = ()) -> Reading:
    """:func:`program`, with what it takes to run it."""
    if not callable(fn):
        raise ArgumentTypeError(f"fn must be a function of (params, *inputs), got {type(fn).__name__}; of a Flax "
                                "module give module.apply.")
    weights, _ = jax.tree_util.tree_flatten_with_path(params)
    for path, leaf in weights:
        a_weight(path_name(path), leaf)
    try:
        closed, shapes = jax.make_jaxpr(fn, return_shape=True)(params, *inputs)
    except Exception as error:
        first = next((line for line in str(error).splitlines() if line.strip()), "")
        raise ProgramError(f"{getattr(fn, '__name__', 'fn')} cannot be read: JAX could not trace it on these arguments "
                           f"({type(error).__name__}: {first[:200]}). Call it inside jax.jit first; Python may not ask "
                           "for the values of arrays.") from error
    reader = Reader()
    own = reader.weights([(path_name(path), leaf) for path, leaf in weights])
    reader.freeze(params, frozen if isinstance(frozen, str) else tuple(frozen))
    given = [reader.input(leaf, f"input{k}") for k, leaf in enumerate(jax.tree_util.tree_leaves(inputs))]
    outputs = reader.run(closed.jaxpr, [reader.constant(c) for c in closed.consts], [*own, *given], "")
    return Reading(reader.program(outputs), reader.tape, own, given, outputs, shapes)


def a_weight(name: str, leaf: Any) -> None:
    """Refuse what is no parameter."""
    if isinstance(leaf, jax.core.Tracer):
        raise UsageError(f"{name} is a tracer: program and check run on the host, outside of jax.jit, vmap and grad. "
                         "Call them on the arrays themselves.")
    if not hasattr(leaf, "shape") or not hasattr(leaf, "dtype"):
        raise ArgumentTypeError(f"params must be a pytree of arrays, but its leaf {name or 'itself'} is a "
                                f"{type(leaf).__name__}; of an Equinox module give eqx.partition(model, "
                                "eqx.is_inexact_array)[0].")
