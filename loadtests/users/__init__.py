"""The users of the Locust tests: what they ask for, how they connect, what they check, and what becomes of it."""
