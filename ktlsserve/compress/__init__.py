"""The command that compresses a site beforehand: ``app.js.br`` beside ``app.js``, for the server to send instead.

``survey`` finds out what there is to do, ``siblings`` does one file, ``command`` is what the operator sees. What is
made has the time of its original: the same time means that it is up to date, wherever both are copied
to. As times can be set, the time of change (``ctime``) is looked at too: where the original was touched after its
sibling, both are compared byte by byte before the sibling is believed.
"""
