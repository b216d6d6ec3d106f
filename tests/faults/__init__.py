"""Faults done to a service on purpose: each script says what is lost and how long it takes to be back."""
