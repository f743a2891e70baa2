"""The control plane: the Experiments API over JSON 1.1, one function an operation."""
