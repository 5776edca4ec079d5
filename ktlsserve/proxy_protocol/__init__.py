"""The PROXY protocol: what a load balancer says of its client before the client's first byte. Pure, over bytes.

Sections cited are those of "The PROXY protocol, versions 1 & 2", which is HAProxy's doc/proxy-protocol.txt.
"""
