"""How a box becomes a unit, and stays one: its keys, its coordinator, its certificate.

This runs as a process of its own that ends when it is done (`python -m diemcau_agent.identity`), because it
needs cryptography, and the unit process is to stay small for months.
"""
