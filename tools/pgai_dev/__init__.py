"""What `make` does, in Python's standard library only: it runs before anything is installed."""
