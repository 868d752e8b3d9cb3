# philox: checked wrappers.
