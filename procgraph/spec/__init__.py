"""Declaring a Process: ports, parameters, state, units, and the traced expression language."""
