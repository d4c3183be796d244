"""EC2 Image Builder as a moto backend, laid out like moto's own services."""
