"""Data in and out of Python functions: upstreams read as frames, returned values written. Arrow is between all of them.

`reading` hands upstreams over, `returned` says what a function gave back, `files` writes it. Each library is imported
only where an annotation or a value asks for it.
"""
