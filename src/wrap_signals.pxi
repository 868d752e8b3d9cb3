# signals: checked wrappers.
