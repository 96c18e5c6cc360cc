"""Configuration in; spec, components and outputs in that order."""
