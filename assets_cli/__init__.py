"""assets: declare the data that should exist; see what is stale and why; bring exactly that up to date."""

__version__ = "0.1.0"
