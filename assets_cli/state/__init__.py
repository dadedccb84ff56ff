"""History and snapshots: all SQL on our own file, and the kernel locks beside it. Knows nothing of planning.

`store.open_reader` reads and never writes; `record.open_recorder` reads and writes; `locks.LockService` says who is
at work on what; `run_ids.new_run_id` names runs.
"""
