"""The native API under /api/v1, by which the Studio lives: frames, runs, sessions, live."""
