"""Tests of the rsteller recipe; numbers in names are those of the acceptance checks of its spec."""
