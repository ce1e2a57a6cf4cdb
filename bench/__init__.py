"""Benchmarks of netcore beside its peers; `python -m bench --help`, and README.md for the method."""
