"""From a program to what the refinement works on: axes, blocks and couplings."""
