"""What all tables of the configuration share."""

from pydantic import BaseModel, ConfigDict


class Table(BaseModel):
    """No unknown key, no change, no input in errors."""

    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True)
