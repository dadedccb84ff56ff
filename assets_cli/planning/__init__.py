"""The decisions: what is stale, what is overdue, what would run. Pure: no clock, disk, environment or process."""
