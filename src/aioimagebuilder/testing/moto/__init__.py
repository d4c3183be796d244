"""The moto backend of the simulated service, laid out like moto's own services."""
