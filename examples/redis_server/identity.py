"""Who this server says it is."""

# Clients decide by the version which commands and options they may use.
COMPATIBLE_WITH = "7.0.15"
