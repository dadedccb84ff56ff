"""How one command is started, watched and ended. Knows nothing of assets, databases or records."""
