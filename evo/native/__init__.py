"""Kernels in C, generated from the op table and compiled on first use."""
