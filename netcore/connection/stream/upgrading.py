"""TLS on a connection that is open already: STARTTLS, as in SMTP (RFC 3207).

The handshake is the filter's. Here is what is around it: what came before and was not read, the time that it
may take, and who wants to know how it ends.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from netcore._arguments import check_callback, check_text, switch_of
from netcore.connection.core import (
    DIALLED,
    ENROLLED,
    NO_FIELDS,
    STALL,
    UPGRADING,
    State,
    notify,
)
from netcore.connection.stream.filtered import FilteredHalves
from netcore.connection.stream.filtering import Filtering
from netcore.connection.stream.upgrade import Upgrade
from netcore.errors import ConnectionClosedError, UnsupportedOperationError
from netcore.handler import Callback, CloseReason

if TYPE_CHECKING:
    import ssl

    from netcore.tls import TlsFilter

__all__ = ["UpgradableHalves"]


class UpgradableHalves(FilteredHalves):
    """Both halves of a stream, between which and the sockets TLS may come at any time."""

    __slots__ = NO_FIELDS

    def start_tls(
        self,
        context: ssl.SSLContext,
        *,
        server_side: bool | None = None,
        server_hostname: str | None = None,
        callback: Callback | None = None,
    ) -> None:
        """See ``Conn.start_tls``."""
        check_callback(callback)
        self._check_thread("start_tls")
        self._refuses_writes()  # one that has failed is about to tell by its end
        if self.is_filtered:
            raise UnsupportedOperationError(f"connection {self.id} has begun with TLS already")
        if self._posted:
            text = (
                "this thread's async_write before it is not carried out yet, and would wait for the handshake"
            )
            raise UnsupportedOperationError(f"start_tls of connection {self.id}: {text}")
        its = self._make_filter(context, server_side, server_hostname)
        filtering = self._begin_filtering(its)
        seconds = self._host.limits.tls_handshake_timeout
        timer = self._host.schedule(seconds, self._handshake_due)
        filtering.upgrade = Upgrade(its, callback, timer, self._host.now() + seconds)
        self._mark(UPGRADING, True)
        self.listen_for(filtering)

    def _make_filter(
        self, context: object, server_side: bool | None, server_hostname: str | None
    ) -> TlsFilter:
        import ssl

        from netcore.tls import TlsFilter, bios_of_this_thread  # not for those who do without

        if not isinstance(context, ssl.SSLContext):
            raise TypeError(f"start_tls needs an ssl.SSLContext, and not {context!r}")
        if server_side is None:
            if self._flags & ENROLLED:
                raise ValueError("start_tls needs server_side for a connection that was enrolled")
            server_side = not self._flags & DIALLED
        check_text(server_hostname, "server_hostname")
        is_server = switch_of(server_side, "server_side")
        return TlsFilter(
            context,
            server_side=is_server,
            server_hostname=None if is_server else server_hostname,
            bios=bios_of_this_thread(),
        )

    @property
    def upgrading(self) -> bool:
        """Whether ``start_tls`` was called, and what came before it is still to be read."""
        return self._flags & UPGRADING != 0

    # What comes of it.

    def was_fed(self, filtering: Filtering, upgrade: Upgrade) -> None:
        """See ``FilteredHalves.was_fed``."""
        self._look_back(filtering)
        upgrade.begun = True
        upgrade.came_at = self._host.now()
        if upgrade.filter.done:
            self._host.counters.tls_handshakes += 1
            self._end_upgrade(filtering, None)

    def _look_back(self, filtering: Filtering) -> None:
        """Gives TLS up if what came before it was left unread: it may be somebody else's (CVE-2011-0411)."""
        if not self._flags & UPGRADING:
            return
        self._mark(UPGRADING, False)
        upgrade = filtering.upgrade
        if upgrade is None:
            return
        from netcore.tls import TlsError, TlsHandshakeError

        if self.inbound_buffered:  # how much it is only whoever keeps it knows: a FrameHandler, say
            text = "what came in plain before TLS was not all read: it may be anybody's"
            upgrade.filter.give_up(TlsError(text))
        elif self.state is State.PEER_CLOSED:
            upgrade.filter.give_up(TlsHandshakeError("the peer has ended its direction before TLS"))

    def _handshake_due(self) -> None:
        """Gives the handshake up, unless what had arrived in time brings it on."""
        filtering = self._filtering
        upgrade = None if filtering is None else filtering.upgrade
        if filtering is None or upgrade is None or self.ending is not None:
            return
        host = self._host
        late = host.now() - upgrade.due
        host.receive_now(self)
        if filtering.upgrade is None or upgrade.filter.failure is not None:
            return
        if upgrade.came_at > upgrade.due and late > STALL:
            upgrade.give(late, host, self._handshake_due)
            return
        if not upgrade.begun and self._has_taken_more(upgrade):
            upgrade.give(host.limits.tls_handshake_timeout, host, self._handshake_due)
            return
        from netcore.tls.errors import overdue

        upgrade.filter.give_up(overdue(host.limits.tls_handshake_timeout))
        host.settle_later(self)

    def _has_taken_more(self, upgrade: Upgrade) -> bool:
        """Whether the peer is still busy with what was written before, and has taken some of it since."""
        before = upgrade.ahead
        upgrade.ahead = self._host.outbox.bytes_of(self) + (self._backlog.buffered if self._backlog else 0)
        return 0 < upgrade.ahead < before

    def find_end(self, filtering: Filtering) -> bool:
        """See ``FilteredHalves.find_end``."""
        if self._flags & UPGRADING:
            self._look_back(filtering)
        return super().find_end(filtering)

    def ended(self) -> None:
        """See ``Connection.ended``; who waits for TLS hears of it before the handler does."""
        filtering, ending = self._filtering, self.ending
        if filtering is not None and filtering.upgrade is not None and ending is not None and not ending.over:
            if filtering.upgrade.begun and ending.reason is CloseReason.ERROR:
                self._host.counters.tls_handshake_failures += 1
            text = f"connection {self.id} was closed before its TLS handshake was done"
            self._end_upgrade(filtering, ending.error or ConnectionClosedError(text))
        super().ended()

    def _end_upgrade(self, filtering: Filtering, error: Exception | None) -> None:
        upgrade, filtering.upgrade = filtering.upgrade, None
        if upgrade is None:
            return
        upgrade.timer.cancel()
        self._mark(UPGRADING, False)
        if error is None:
            self.listen_for(filtering)  # from here on only as the application wants it
        if upgrade.callback is not None:
            notify(self._host, self, upgrade.callback, error)
