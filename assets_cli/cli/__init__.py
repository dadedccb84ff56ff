"""The command line: parse, call `project`, print, exit code. Knows nothing of how anything is decided."""
