"""Clients that connect and disconnect on all three transports, to find leaks of memory, descriptors and samples."""
