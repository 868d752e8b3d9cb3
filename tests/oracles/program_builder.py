"""Programs written by hand: one call an operation."""

import numpy as np

from initcore.program import Op, Parameter, Place, Program, Value


class Builder:
    """Collects operations; ``weight`` draws or takes a parameter."""

    def __init__(self, rng):
        self.rng = rng
        self.inputs, self.parameters, self.ops, self.constants = [], [], [], {}

    def input(self, *shape):
        self.inputs.append(Value(shape, "float64", f"x{len(self.inputs)}"))
        return self.inputs[-1]

    def constant(self, value):
        v = Value(np.shape(value), "float64")
        self.constants[v] = np.asarray(value)
        return v

    def weight(self, name, value, **options):
        """A parameter; of a shape, drawn at random."""
        a = self.rng.normal(size=value) if isinstance(value, tuple) else np.asarray(value, np.float64)
        v = Value(a.shape, "float64", name)
        self.parameters.append(Parameter(v, (name,), lambda: a, **options))
        return v

    def op(self, kind, *inputs, shape, module="", **attributes):
        v = Value(tuple(shape), "float64")
        if kind in ("broadcast", "reshape"):
            attributes["shape"] = v.shape
        self.ops.append(Op(kind, inputs, (v,), attributes, Place(module or kind), kind))
        return v

    def linear(self, x, w, b=None, module=""):
        """``w (out, in)``, as PyTorch has it."""
        last = len(x.shape) - 1
        y = self.op("contract", x, w, shape=(*x.shape[:-1], w.shape[0]), module=module or w.name,
                    contracting=((last,), (1,)))
        return y if b is None else self.op("add", y, b, shape=y.shape, module=module)

    def dense(self, name, x, n, bias=True):
        """A random linear layer."""
        w = self.weight(f"{name}.weight", (n, x.shape[-1]))
        return self.linear(x, w, self.weight(f"{name}.bias", (n,)) if bias else None, name)

    def act(self, x, name="tanh"):
        return self.op("activation", x, shape=x.shape, activation=name)

    def add(self, a, b):
        return self.op("add", a, b, shape=np.broadcast_shapes(a.shape, b.shape))

    def mul(self, a, b):
        return self.op("multiply", a, b, shape=np.broadcast_shapes(a.shape, b.shape))

    def reshape(self, x, *shape):
        return self.op("reshape", x, shape=shape)

    def permute(self, x, *dims):
        return self.op("permute", x, shape=[x.shape[d] for d in dims], dims=dims)

    def slice(self, x, dim, start, stop):
        starts, stops = [0] * len(x.shape), list(x.shape)
        starts[dim], stops[dim] = start, stop
        shape = list(x.shape)
        shape[dim] = stop - start
        return self.op("slice", x, shape=shape, starts=tuple(starts), stops=tuple(stops))

    def concat(self, dim, *xs):
        shape = list(xs[0].shape)
        shape[dim] = sum(x.shape[dim] for x in xs)
        return self.op("concatenate", *xs, shape=shape, dim=dim)

    def norm(self, x, method="layer", gamma=None, beta=None, **options):
        return self.op("normalize", x, gamma, beta, shape=x.shape, method=method, **options)

    def program(self, *outputs, **options):
        return Program(self.inputs, self.parameters, self.constants, self.ops, outputs, **options)
