"""Clusters that the stack itself makes, on Google Cloud."""
