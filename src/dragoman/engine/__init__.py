"""One exchange, from the arrival of a request to its record."""
