"""Where points are kept. `protocol` is the contract; each folder beside it is one store."""
