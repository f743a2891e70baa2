"""Ingest: from a request that was understood to points that are durable."""
