"""What the gateway costs: `make bench` measures its CPU time beside that of nginx as a plain proxy."""
