"""When each parameter first gets a gradient."""
