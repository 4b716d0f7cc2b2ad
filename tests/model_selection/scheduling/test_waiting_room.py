"""Those that wait longest go to disk, where that is possible, and come back."""

from pathlib import Path

from sklearn_trainkit.model_selection.scheduling._waiting_room import WaitingRoom


class Luggage:
    def __init__(self, name, movable=True):
        self.name, self.movable, self.is_packed, self.is_closed = name, movable, False, False

    def pack(self):
        if not self.movable:
            raise TypeError("cannot be packed")
        packed = Luggage(self.name)
        packed.is_packed = True
        return packed

    def close(self):
        self.is_closed = True


def list_files(room):
    return sorted(path.name for path in Path(room._folder.name).glob("*.pkl"))


def test_the_longest_waiting_go_to_disk_and_come_back():
    room = WaitingRoom(max_in_memory=1)
    for number, name in enumerate("abc"):
        room.put(number, Luggage(name))
    assert list_files(room) == ["0.pkl", "1.pkl"]
    assert [room.take(number).name for number in range(3)] == ["a", "b", "c"]
    assert list_files(room) == []
    room.close()


def test_what_cannot_be_packed_stays_in_memory():
    room = WaitingRoom(max_in_memory=0)
    room.put(0, Luggage("a", movable=False))
    assert list_files(room) == []
    assert not room.take(0).is_packed


def test_nothing_is_left_when_it_closes():
    room, luggage = WaitingRoom(max_in_memory=1), Luggage("b")
    room.put(0, Luggage("a"))
    room.put(1, luggage)
    folder = Path(room._folder.name)
    room.close()
    assert luggage.is_closed
    assert not folder.exists()
