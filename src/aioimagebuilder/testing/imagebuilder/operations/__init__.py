"""The operations of EC2 Image Builder, by subject."""
