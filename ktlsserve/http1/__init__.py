"""HTTP/1.1 over bytes: heads, bodies, targets, replies. No socket, no clock, no file system."""
