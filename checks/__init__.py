"""What holds of a healthy mesh, asked of its clusters: `python -m checks --help`."""
