"""One file a kind of graph: what a file says of its network's wiring, read into :mod:`initcore.program`, never run."""
