"""Carry a plan out and record what happened. Knows no YAML, no SQL of our own state, no terminal."""
