"""The domain: names, points, queries, limits and errors. Imports nothing of ours."""
