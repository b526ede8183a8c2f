"""Clients that come and go on all three transports: what a server keeps of them, and whether it grows."""
