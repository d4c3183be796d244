"""The simulation of the service over time: pure code without I/O, network or moto."""
