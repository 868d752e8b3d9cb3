"""Arrays over a mesh: every shard made alone, on the host that holds its device.

Design
A. ``jax.make_array_from_callback`` asks for the block of each device here; equal blocks (replicas) are made once.
B. What cannot be filled is refused before anything is made: meshes without devices, axes that do not divide.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import jax
import numpy as np

from .._checks import describe
from ..errors import ArgumentTypeError, DeviceError, ShapeError, UsageError

Box = tuple[slice, ...]


def checked(sharding: Any, shape: tuple[int, ...], name: str) -> Any:
    """The sharding with devices, or None: what an array of this shape can be laid out by.

    sharding : Sharding, a PartitionSpec (of the mesh that jax.set_mesh set), a Device, or None.
    """
    if sharding is None:
        return None
    if isinstance(sharding, jax.Device):
        return jax.sharding.SingleDeviceSharding(sharding)
    if isinstance(sharding, jax.sharding.PartitionSpec):
        sharding = jax.sharding.NamedSharding(_mesh(name, sharding), sharding)
    if not isinstance(sharding, jax.sharding.Sharding):
        raise ArgumentTypeError(f"the sharding of {name} must be a jax.sharding.Sharding, a PartitionSpec or None, got "
                                f"{describe(sharding)}.")
    mesh = getattr(sharding, "mesh", None)
    if isinstance(mesh, jax.sharding.AbstractMesh):
        raise DeviceError(f"the sharding of {name} is over an abstract mesh {mesh.axis_names}, which has no devices; "
                          "give NamedSharding(mesh, spec) with mesh = jax.make_mesh(...).")
    if not sharding.addressable_devices:
        raise DeviceError(f"the sharding of {name} has no device on this process.")
    if len(getattr(sharding, "spec", ())) > len(shape):
        raise ShapeError(f"{name} of shape {shape} cannot be cut as {_spec(sharding)} says, which speaks of "
                         f"{len(sharding.spec)} axes.")
    try:
        sharding.shard_shape(shape)
    except ValueError as error:
        raise ShapeError(f"{name} of shape {shape} cannot be cut as {_spec(sharding)} says: every axis must be a "
                         f"multiple of the mesh axes it is cut over. ({str(error).splitlines()[0]}) Pad the axis, or "
                         "leave it whole (None in the PartitionSpec).") from None
    return sharding


def _mesh(name: str, spec: Any) -> Any:
    """The mesh that is set, with its devices."""
    mesh = jax.sharding.get_mesh()
    if mesh.empty:
        raise UsageError(f"the sharding of {name} is {spec} and no mesh is set: give NamedSharding(mesh, spec), or "
                         "call inside jax.set_mesh(mesh).")
    return mesh


def _spec(sharding: Any) -> str:
    return str(getattr(sharding, "spec", sharding))


def place(shape: tuple[int, ...], dtype: Any, sharding: Any, block: Callable[[Box], np.ndarray]) -> jax.Array:
    """An array whose blocks ``block`` makes; without a sharding the whole, on the default device."""
    if sharding is None:
        return jax.numpy.asarray(block(tuple(slice(0, n) for n in shape)))
    made: dict[tuple[tuple[int, int], ...], np.ndarray] = {}

    def part(index: tuple[slice, ...] | None) -> np.ndarray:
        bounds = tuple(s.indices(n)[:2] for s, n in zip(index or (), shape))
        if bounds not in made:
            made[bounds] = block(tuple(slice(*b) for b in bounds))
        return made[bounds]

    return jax.make_array_from_callback(shape, sharding, part, dtype=dtype)
