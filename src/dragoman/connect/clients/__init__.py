"""One module for each client; none imports another."""
