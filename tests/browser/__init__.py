"""Claims about pages as a browser shows them."""
