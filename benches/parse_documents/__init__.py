"""Real documents from public registries: fetched, read, and compared with what independent readers found in them."""
