"""The status page: what runs, what waits, what was said, without patient names."""
