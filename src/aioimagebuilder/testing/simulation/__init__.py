"""What the service does over time: pure, with the clock handed in, and nothing of moto or the network."""
