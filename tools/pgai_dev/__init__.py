"""The work of `make`, in Python's standard library only: it runs before anything is installed."""
