"""Bytes <-> model. Knows no socket, clock or store."""
