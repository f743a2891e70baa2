"""Experiments, trials, components, tags, lineage and access keys, in a relational database."""
