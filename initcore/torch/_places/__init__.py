"""Where a tensor lies: its memory, its place in the global array, and how placements cut one."""
