"""The plan without Beam: start rows are sorted in space, cut into partitions, and settled in phases."""
