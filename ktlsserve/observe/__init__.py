"""What happened, told to people: logs and the access log."""
