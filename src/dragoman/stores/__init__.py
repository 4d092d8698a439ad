"""Where what outlives an exchange is kept."""
