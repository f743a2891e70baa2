"""The embedded store: one folder of SQLite files. docs/format/ has its tables and bytes."""
