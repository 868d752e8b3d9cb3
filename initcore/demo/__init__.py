"""The lesson on real data: one network on the digits, started eight ways, foretold before it is trained."""

from .._doors import called_by
from ._page import page
from ._shards import run as shards
from ._story import STARTS, View, forecast, run

__all__ = ["STARTS", "View", "forecast", "page", "run", "shards"]

called_by(globals())
