"""The glue between moto and the simulated service, laid out as moto's own services are."""
