# ties: checked wrappers.
