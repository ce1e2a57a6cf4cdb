"""Which search is used, and what is particular to the native one."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence

import pytest

from netcore import OptionsError
from netcore._native import MISSING
from netcore.codec import Codec, Decoder, DelimiterCodec, LengthFieldCodec, LineCodec
from netcore.codec.batch import WORTH_A_CALL

MAKERS: list[Callable[[], Codec]] = [
    lambda: LineCodec(5000),
    lambda: DelimiterCodec(5000, b"--", b";"),
    lambda: LengthFieldCodec(5000),
]


@pytest.fixture
def calls(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """The sizes of what is searched natively."""
    sizes: list[int] = []
    from netcore.codec import scan

    searching = scan._searching

    def counting(call: Callable[..., int]) -> Callable[[bytes, int], tuple[Sequence[bytes], int]]:
        search = searching(call)

        def counted(batch: bytes, at: int) -> tuple[Sequence[bytes], int]:
            sizes.append(len(batch) - at)
            return search(batch, at)

        return counted

    monkeypatch.setattr(scan, "_searching", counting)
    return sizes


@pytest.mark.parametrize("make", MAKERS)
def test_the_environment_chooses(
    monkeypatch: pytest.MonkeyPatch, make: Callable[[], Codec], calls: list[int]
) -> None:
    monkeypatch.setenv("NETCORE_CODEC", "pure")
    codec = make()
    data = codec.encode(b"x" * 100) * 100
    decode(codec.decoder(), data)
    assert not calls
    monkeypatch.setenv("NETCORE_CODEC", "fast")
    with pytest.raises(OptionsError, match="NETCORE_CODEC is 'fast'"):
        make()
    monkeypatch.setenv("NETCORE_CODEC", "")
    decode(make().decoder(), data)
    assert bool(calls) != bool(MISSING)


@pytest.mark.parametrize("make", MAKERS)
def test_without_the_native_part(monkeypatch: pytest.MonkeyPatch, make: Callable[[], Codec]) -> None:
    def native() -> None:
        raise ImportError("not built")

    monkeypatch.delenv("NETCORE_CODEC", raising=False)
    monkeypatch.setattr("netcore.codec.scan.MISSING", "not built")
    monkeypatch.setattr("netcore.codec.scan.native", native)
    codec = make()
    data = codec.encode(b"x" * 100) * 100
    assert len(decode(codec.decoder(), data)) == 100
    monkeypatch.setenv("NETCORE_CODEC", "native")
    with pytest.raises(ImportError, match="not built"):
        make()


def decode(decoder: Decoder, data: bytes) -> list[bytes]:
    decoder.feed(data)
    return list(iter(decoder.next_frame, None))


@pytest.mark.native
@pytest.mark.parametrize("make", MAKERS)
def test_one_call_finds_all_frames_of_a_read(make: Callable[[], Codec], calls: list[int]) -> None:
    codec = make()
    frame = codec.encode(b"x" * 60)
    data = frame * (65536 // len(frame))
    assert decode(codec.decoder(), data) == decode(codec.decoder(), data)
    assert calls == [len(data)] * 2


@pytest.mark.native
@pytest.mark.parametrize("make", MAKERS)
def test_small_reads_are_not_worth_a_call(make: Callable[[], Codec], calls: list[int]) -> None:
    codec = make()
    frame = codec.encode(b"x" * 60)
    decoder = codec.decoder()
    for _ in range(100):
        assert decode(decoder, frame * 3) != []
    assert not calls
    assert len(decode(decoder, frame * 30)) == 30
    assert calls[0] >= WORTH_A_CALL


@pytest.mark.native
def test_any_number_of_frames(calls: list[int]) -> None:
    assert decode(LineCodec(10).decoder(), b"\n" * 100_000) == [b""] * 100_000
    assert decode(LengthFieldCodec(10, 0, 1).decoder(), bytes(100_000)) == [b"\0"] * 100_000
    assert 2 < len(calls) < 20


@pytest.mark.native
def test_pending_counts_what_was_found_and_not_taken() -> None:
    for codec, size in ((LineCodec(100), 11), (LengthFieldCodec(100, 1, 2, 0, 3), 13)):
        frame = b"0123456789\n" if size == 11 else b"x\x00\x0a0123456789"
        decoder = codec.decoder()
        decoder.feed(frame * 200 + frame[:7])
        for left in range(200, 0, -1):
            assert decoder.pending == left * size + 7
            assert decoder.next_frame() is not None
        decoder.feed(frame)
        assert decoder.pending == 7 + size


@pytest.mark.native
def test_loops_share_codecs_but_no_results() -> None:
    codec = LineCodec(5000)
    failures: list[object] = []

    def work(letter: bytes) -> None:
        decoder = codec.decoder()
        lines = [letter * (i % 90) for i in range(1000)]
        data = b"\n".join(lines) + b"\n"
        for _ in range(50):
            decoder.feed(data)
            if list(iter(decoder.next_frame, None)) != lines:
                failures.append(letter)

    threads = [threading.Thread(target=work, args=(bytes([97 + i]),)) for i in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not failures
