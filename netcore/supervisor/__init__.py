"""Several processes, each with an engine of its own, on one set of listeners."""

from netcore._tls_files import TlsFiles
from netcore.overrides import ProcessOverrides
from netcore.supervisor.errors import BootError
from netcore.supervisor.supervisor import Supervisor

__all__ = ["BootError", "ProcessOverrides", "Supervisor", "TlsFiles"]
