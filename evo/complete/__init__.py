"""Complete fronts: every program up to a size, told apart, reduced to families, fitted."""
