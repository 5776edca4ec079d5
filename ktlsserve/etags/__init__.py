"""The command that makes entity-tags beforehand: ``app.js.etag`` beside ``app.js``, so that no server needs to read it.

``survey`` finds the files, ``task`` does one, ``command`` is what the operator sees. ``ktlsserve.files.etag_sidecar``
says what is in a sidecar, and ``ktlsserve.compress`` has what any command on a folder's files needs.

Every file is read, each time: the times that would save it are what the sidecars are there to do without. Where a build
gives all files the same time, they tell nothing of whether a file is the one that its sidecar was made of.
"""
