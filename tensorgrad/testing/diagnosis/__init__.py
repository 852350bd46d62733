"""Guesses at what is wrong with a gradient, and at what cases that fail have in common."""
