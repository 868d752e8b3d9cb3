"""Signals of a function of JAX: measured by running its jaxpr, judged, traced to their cause and mended."""
