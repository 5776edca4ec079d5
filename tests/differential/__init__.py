"""The same requests to this server and to Debian's nginx, which serve the same files.

``matrix`` writes the requests, ``tree`` the files, ``nginx`` runs the other server, ``asking`` sends, ``comparing``
finds what differs. Every difference must be one of those in ``accepted.toml``, each of which has its reason there; one
that doesn't occur any more has to go.
"""
