"""What several protocols of one vendor share: its errors, its lists, its way to write files into JSON."""
