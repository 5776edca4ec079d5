"""HTTP/1.1 over bytes: heads, bodies, targets, replies. No socket, no clock, no file system.

The modules in the order in which a request meets them: ``head`` finds and parses it into a ``request``; ``answer`` runs
the pipeline: ``target`` (where to), ``representation`` and ``negotiation`` (which file), ``conditionals``, ``ranges``,
``reply``; ``body`` reads over what came with the request. ``dates`` is used by several.
"""
