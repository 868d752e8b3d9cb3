"""Signals of a network that a file tells the wiring of: run in NumPy on the user's rows, or on drawn ones."""
