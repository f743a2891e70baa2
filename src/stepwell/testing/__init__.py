"""For tests, ours and others': the store contract suite and a reference model of the rules."""
