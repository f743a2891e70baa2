"""Stepwell's benchmarks: each speed and size that the design promises, against a yardstick.

A figure alone says more about the machine than about Stepwell, so every line is a ratio:
the product and its yardstick (a handler that does nothing, a decoder alone, a writer alone)
take turns within one run, and medians are compared. `python -m benchmarks` runs the lines,
`python -m benchmarks.peers` sets other tools beside Stepwell.

Nothing here is imported by the product, and from the product only its console command, its
HTTP interface and its documented file format are used.
"""
