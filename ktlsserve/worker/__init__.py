"""The event loop of one process: connections, their states, timers, receiving and sending."""
