"""Answering queries: what to read, and points into buckets. Columns in, columns out."""
