"""The types of settings: pydantic's types with our rules on them."""

from typing import Annotated

from pydantic import AfterValidator, BeforeValidator, SecretStr, StringConstraints, WithJsonSchema
from pydantic_core import PydanticCustomError
from pydantic_settings import NoDecode

from edgeproxy import settings, site_rules
from edgeproxy.config import rules, secret_files
from edgeproxy.urls import origin_of


def _no_bool(value: object) -> object:
    if isinstance(value, bool):
        raise PydanticCustomError("int_type", "a number, not true or false")
    return value


def _token(value: object) -> object:
    return SecretStr(site_rules.token(value)) if isinstance(value, str) else value


def _write_key(value: object) -> object:
    return SecretStr(site_rules.write_key(value)) if isinstance(value, str) else value


def _webhook(value: object) -> object:
    return SecretStr(rules.webhook(value)) if isinstance(value, str) else value


def _webhook_of_file(value: object) -> object:
    return SecretStr(rules.webhook(secret_files.read_url(value)))


def _lower(value: object) -> object:
    return value.lower() if isinstance(value, str) else value


_FILE = WithJsonSchema({"type": "string", "format": "path"})

Whole = Annotated[int, BeforeValidator(_no_bool)]
Real = Annotated[float, BeforeValidator(_no_bool)]
Text = Annotated[str, StringConstraints(strip_whitespace=True)]
Texts = Annotated[tuple[Text, ...], NoDecode, BeforeValidator(rules.split)]
Id = Annotated[str, AfterValidator(site_rules.name)]

ListenHost = Annotated[str, AfterValidator(rules.listen_host)]
Prefix = Annotated[str, AfterValidator(rules.prefix)]
Networks = Annotated[
    tuple[Annotated[Text, AfterValidator(rules.trusted_proxy)], ...],
    NoDecode,
    BeforeValidator(rules.split),
]
StoreUrl = Annotated[str, AfterValidator(rules.store_url)]
StoreUrlFile = Annotated[
    str, BeforeValidator(secret_files.read_url), AfterValidator(rules.store_url), _FILE
]
Durability = Annotated[settings.Durability, BeforeValidator(_lower)]
Upstream = Annotated[str, AfterValidator(rules.upstream)]
LogFormat = Annotated[settings.LogFormat, BeforeValidator(_lower)]
Role = Annotated[settings.Role, BeforeValidator(_lower)]
LogLevel = Annotated[settings.LogLevel, BeforeValidator(_lower)]

Origins = Annotated[
    tuple[Annotated[Text, AfterValidator(origin_of)], ...], BeforeValidator(rules.split)
]
Country = Annotated[str, AfterValidator(site_rules.country)]
WriteKey = Annotated[SecretStr, BeforeValidator(_write_key)]
WriteKeysFile = Annotated[
    tuple[SecretStr, ...], BeforeValidator(secret_files.read_write_keys), _FILE
]
SnapNames = Annotated[
    tuple[Annotated[str, AfterValidator(site_rules.snap_name)], ...], BeforeValidator(rules.split)
]
UnknownEvents = Annotated[str, AfterValidator(site_rules.unknown_events)]
Webhook = Annotated[SecretStr, BeforeValidator(_webhook)]
WebhookFile = Annotated[SecretStr, BeforeValidator(_webhook_of_file), _FILE]
Token = Annotated[SecretStr, BeforeValidator(_token)]
TokenFile = Annotated[SecretStr, BeforeValidator(secret_files.read_token), _FILE]
