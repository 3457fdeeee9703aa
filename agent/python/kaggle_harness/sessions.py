"""Which session answers: the one for labelled rows, or one for a competition without labels."""

from pathlib import Path
from typing import Any

from .errors import BadInput
from .session import Session
from .unlabelled.game_session import GameSession
from .unlabelled.recognize import recognize_tour, recognizes_four_in_a_row
from .unlabelled.tour_session import TourSession

AnySession = Session | TourSession | GameSession
_KINDS: dict[str, type[TourSession] | type[GameSession]] = {"answer": TourSession, "agent": GameSession}


class Sessions:
    """Passes each request on. What a competition is gets decided by `profile`, or said by the profile that `fix_task` is given."""

    def __init__(self) -> None:
        self._session: AnySession = Session()

    def of(self, method: str, params: dict[str, Any]) -> AnySession:
        """The session that this request is for."""
        if method == "profile":
            self._session = Session()
        kind = params.get("profile", {}).get("kind") if method == "fix_task" else None
        wanted = Session if kind == "rows" else _KINDS.get(str(kind))
        if wanted is not None and type(self._session) is not wanted:
            self._session = wanted()
        return self._session

    def without_labels(self, method: str, params: dict[str, Any], error: BadInput) -> Any:
        """The profile of a competition that has no training rows, by its files and pages. Raises the error that there was where it is none that we know."""
        if method != "profile":
            raise error
        data_dir, description = Path(params["data_dir"]), str(params["description"])
        if recognize_tour(data_dir, description) is not None:
            self._session = TourSession()
        elif recognizes_four_in_a_row(data_dir, description):
            self._session = GameSession()
        else:
            raise error
        return self._session.profile(params["data_dir"], description)
