"""Goldens that compare Processes with models of NEST: cases, the runs that make them, and how they are written."""
