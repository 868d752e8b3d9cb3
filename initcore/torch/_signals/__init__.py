"""Signals of a module: measured at the nodes of its exported graph, judged, traced to their cause and mended."""
