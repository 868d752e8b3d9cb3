"""What is proved about: axes, blocks and couplings, and the graphs they are built from."""
