"""The simulated net: what lies between hosts, and the kernels of the hosts."""
