"""Figures of the README, measured: none of them is a test."""
