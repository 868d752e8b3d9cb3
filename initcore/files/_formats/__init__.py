"""One file a format: each opens its own lazily and within bounds, and runs nothing that it says."""
