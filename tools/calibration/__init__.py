"""What ``tools/calibrate.py`` is made of: tasks, random networks, training, judging, and what is counted."""
