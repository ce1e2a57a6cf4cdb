"""The commands, one module for each kind, and the table of all of them."""

from ..table import CommandTable
from . import (
    clients,
    command_docs,
    configuration,
    connections,
    expiry,
    hashes,
    info,
    keys,
    list_edits,
    lists,
    scans,
    set_algebra,
    sets,
    sorted_set_ranges,
    sorted_sets,
    string_options,
    strings,
)

TABLE = CommandTable(
    strings.GROUP,
    string_options.GROUP,
    keys.GROUP,
    keys.SERVER_GROUP,
    expiry.GROUP,
    scans.KEY_GROUP,
    scans.SET_GROUP,
    scans.HASH_GROUP,
    scans.SORTED_SET_GROUP,
    lists.GROUP,
    list_edits.GROUP,
    sets.GROUP,
    set_algebra.GROUP,
    hashes.GROUP,
    sorted_sets.GROUP,
    sorted_set_ranges.GROUP,
    connections.GROUP,
    clients.GROUP,
    configuration.GROUP,
    info.GROUP,
    command_docs.GROUP,
)

__all__ = ["TABLE"]
