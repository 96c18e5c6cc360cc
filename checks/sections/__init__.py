"""The checks, a file for each section."""
