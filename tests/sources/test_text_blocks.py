from threading import Event, Thread

from recbench.sources.text_blocks import AHEAD, map_ahead


def test_values_are_mapped_in_order() -> None:
    assert list(map_ahead(lambda value: value**2, range(20))) == [value**2 for value in range(20)]


def test_an_abandoned_generator_waits_for_no_thread() -> None:
    done = Event()
    mapped = map_ahead(lambda value: value == 0 or done.wait(), range(AHEAD + 2))
    assert next(mapped) is True
    closing = Thread(target=mapped.close, daemon=True)
    closing.start()
    closing.join(timeout=10)
    stuck = closing.is_alive()
    done.set()
    assert not stuck
