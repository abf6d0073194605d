"""One sentence for the next page."""

from edgeproxy.admin.flash import Flashes


def test_a_sentence_is_shown_once_and_to_its_session_only() -> None:
    flashes = Flashes()
    flashes.say("one", "It is done.")
    assert flashes.take("other") == ""
    assert flashes.take("one") == "It is done."
    assert flashes.take("one") == ""


def test_nothing_to_say_is_nothing_kept() -> None:
    flashes = Flashes()
    flashes.say("one", "first")
    flashes.say("one", "")
    assert flashes.take("one") == "first"


def test_the_oldest_give_way() -> None:
    flashes = Flashes()
    for number in range(600):
        flashes.say(str(number), "x")
    assert flashes.take("0") == ""
    assert flashes.take("599") == "x"
