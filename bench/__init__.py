"""Measures the figures of the README. None of them is a test."""
