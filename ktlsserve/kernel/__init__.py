"""The only users of SOL_TLS, ctypes and other raw kernel interfaces."""
