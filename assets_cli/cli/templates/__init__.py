"""The files that `assets init` writes, as they are written but for the project's name. `init_project` lists them."""
