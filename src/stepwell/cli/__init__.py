"""The command `stepwell`: one module a command."""
