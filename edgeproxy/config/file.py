"""The TOML file as a layer of pydantic-settings."""

from pathlib import Path
from typing import Any

from pydantic_settings import TomlConfigSettingsSource

from edgeproxy.config.tables import Tables

_REASON_MAX_CHARS = 120


class File(TomlConfigSettingsSource):
    """A TOML file; paths in it are relative to its folder.

    Raises:
        ValueError: It cannot be read, or is no TOML; with a sentence.
    """

    def __init__(self, path: Path) -> None:
        self._folder = path.absolute().parent
        try:
            super().__init__(Tables, toml_file=path)
        except OSError as error:
            raise ValueError(f"cannot be read: {error.strerror}") from None
        except UnicodeDecodeError:
            raise ValueError("is no TOML: it is not UTF-8") from None
        except ValueError as error:  # a fault of TOML, or a number of thousands of digits
            raise ValueError(f"is no TOML: {str(error)[:_REASON_MAX_CHARS]}") from None

    def __call__(self) -> dict[str, Any]:
        """The tables as written."""
        anchored: dict[str, Any] = _anchored(super().__call__(), self._folder)
        return anchored


def _anchored(value: Any, folder: Path, key: str = "") -> Any:
    if isinstance(value, dict):
        return {name: _anchored(part, folder, name) for name, part in value.items()}
    if isinstance(value, list):
        return [_anchored(part, folder) for part in value]
    if isinstance(value, str) and value and key.endswith(("_file", "keys_dir")):
        return str(folder / value)
    return value
