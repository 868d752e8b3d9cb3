"""Which units every value carries, and what every operation says of them."""
