"""Costs of programs on a platform: what its ops take there, as measured, and the time that follows."""
