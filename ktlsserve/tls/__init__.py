"""TLS up to the hand-over: handshake, key schedule, crypto_info, certificates. Pure but for OpenSSL."""
