"""A simulated world: whole applications under a seed, in virtual time."""
