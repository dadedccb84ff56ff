"""What a git repository holds: revisions, and the files of one. Read by git's plumbing alone; nothing is ever written.

Knows nothing of manifests.
"""
