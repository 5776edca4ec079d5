"""HTTP/1.1 over bytes: heads, bodies, targets, replies. No socket, no clock, no file system.

The modules in the order in which a request meets them: ``head`` finds and parses it into a ``request``; ``sites``
chooses whom it is for (``https_redirect`` answers it where it came in over plain HTTP); ``answer`` runs the pipeline:
``rules`` (what holds for its path, with ``glob``, ``destination``, ``auth``, ``cors``, ``disposition``), ``target``
(where to), ``representation`` and ``negotiation`` (which file), ``conditionals``, ``ranges``, ``reply``; ``body`` reads
over what came with the request. ``dates`` and ``presets`` are used by several.
"""
