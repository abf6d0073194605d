"""One sentence for a person's next page: what the form that was sent has done."""

from collections import OrderedDict

_KEPT_MAX = 500


class Flashes:
    """Sentences by session, each shown once. Lost with the process, which harms nobody."""

    def __init__(self) -> None:
        self._kept: OrderedDict[str, str] = OrderedDict()

    def say(self, session: str, sentence: str) -> None:
        """Keep a sentence for the session's next page; "" keeps none."""
        if sentence:
            self._kept[session] = sentence
        if len(self._kept) > _KEPT_MAX:
            self._kept.popitem(last=False)

    def take(self, session: str) -> str:
        """The sentence, which is then gone; "" for none."""
        return self._kept.pop(session, "")
