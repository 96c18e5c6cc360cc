"""The checks by topic; a section can have two files."""
