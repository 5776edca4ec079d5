"""The admin endpoint: health, metrics and a status page, answered by a process of its own.

All here is made from a ``Snapshot`` of what the workers and the supervisor show in shared memory.
"""
