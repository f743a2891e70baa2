"""The native API under /api/v1, which the Studio lives by: frames, runs, metrics, sessions, live."""
