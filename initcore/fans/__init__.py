"""Fan-in and fan-out of a weight array, from its shape and its layout.

A layout names each axis with one letter: ``i`` input channels, ``o`` output channels (units), ``d h w`` space, and

* ``b`` a batch of independent arrays (experts, scanned layers, an ensemble): "bio" is (n, in, out),
* ``m`` the multiplier of a depthwise kernel, in the place of ``o``: "hwim" is Keras' DepthwiseConv2D,
* ``t x y z`` further space, for kernels of six dimensions and more.

========= ============================== ===================================== ==================================
rank      PyTorch                        JAX/Flax, Keras                       transposed convolution
========= ============================== ===================================== ==================================
2         ``"oi"`` nn.Linear             ``"io"`` Dense (the default)
3         ``"oiw"`` nn.Conv1d            ``"wio"`` Conv(1-D), Conv1D           ``"iow"`` PyTorch, ``"woi"`` Keras
4         ``"oihw"`` nn.Conv2d           ``"hwio"`` Conv(2-D), Conv2D          ``"iohw"`` PyTorch, ``"hwoi"`` Keras
5         ``"oidhw"`` nn.Conv3d          ``"dhwio"`` Conv(3-D), Conv3D         ``"iodhw"`` PyTorch, ``"dhwoi"`` Keras
========= ============================== ===================================== ==================================

Where no letters fit (attention kernels of shape (d, heads, k)), ``in_axis=`` and ``out_axis=`` say which axes are
which, one each or several, as in ``jax.nn.initializers``; the others are space, and ``batch_axis=`` those of a batch.
"""

from .._doors import called_by
from ._axes import LAYOUTS, Axes, axes
from ._axes import AxisLike as AxisLike
from ._fans import MODES, Fans, fan, fans
from ._fans import positive_fan as positive_fan

__all__ = ["LAYOUTS", "MODES", "Axes", "Fans", "axes", "fan", "fans"]

called_by(globals())
