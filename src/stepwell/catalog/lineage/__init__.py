"""Lineage: artifacts, actions, contexts, and edges between entities of any kind."""
