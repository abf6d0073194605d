"""The tables of numbers that judge: [alerts] and [quality.weights]."""

from typing import Any

from pydantic import Field, SecretStr, ValidationInfo, field_validator

from edgeproxy.config import kinds
from edgeproxy.config.table import Table

_PERCENT: dict[str, Any] = {"unit": "percent"}


class AlertsTable(Table):
    """[alerts]: when people are told that something is wrong."""

    webhook_url_file: kinds.WebhookFile | None = Field(
        default=None, description="File that holds the webhook's URL."
    )
    webhook_url: kinds.Webhook | None = Field(
        default=None,
        description="Where alerts are sent: a Slack webhook, or what takes the same; without one"
        " they stand in the log and on the dashboard.",
    )
    success_percent: kinds.Real = Field(
        default=95.0,
        ge=0,
        le=100,
        description="Told when fewer of half an hour's events go out at once; 0 is never, here and"
        " below.",
        json_schema_extra=_PERCENT,
    )
    backlog_minutes: kinds.Real = Field(
        default=15.0,
        ge=0,
        le=10_080,
        description="Told when an event has waited for so long.",
        json_schema_extra={"unit": "minutes"},
    )
    dead_per_hour: kinds.Whole = Field(
        default=10,
        ge=0,
        le=1_000_000_000,
        description="Told when so many dead letters came in an hour.",
        json_schema_extra={"unit": "events"},
    )
    zero_expected: kinds.Real = Field(
        default=7.0,
        ge=0,
        le=1_000_000_000,
        description="Told when no conversion came in hours in which so many are usual on that"
        " weekday.",
        json_schema_extra={"unit": "events"},
    )
    consent_drop_percent: kinds.Real = Field(
        default=30.0,
        ge=0,
        le=100,
        description="Told when the share of events with consent fell by so much against the week"
        " before.",
        json_schema_extra=_PERCENT,
    )
    token_days: kinds.Whole = Field(
        default=365,
        ge=0,
        le=36_500,
        description="Told when an access token has been in use for so long.",
        json_schema_extra={"unit": "days"},
    )
    repeat_hours: kinds.Real = Field(
        default=24.0,
        ge=0,
        le=8760,
        description="An alert that goes on is told again after so long; 0 is never.",
        json_schema_extra={"unit": "hours"},
    )

    @field_validator("webhook_url")
    @classmethod
    def _webhook_once(cls, value: SecretStr | None, info: ValidationInfo) -> SecretStr | None:
        if value is not None and info.data.get("webhook_url_file") is not None:
            raise ValueError("and webhook_url_file are both set; keep one")
        return value


def _weight(default: float, words: str) -> float:
    field: float = Field(
        default=default,
        ge=0,
        le=100,
        description=f"How surely a person is recognised by {words} alone.",
        json_schema_extra=_PERCENT,
    )
    return field


class WeightsTable(Table):
    """[quality.weights]: what each identifier is worth in the match-quality estimate."""

    click_id: kinds.Real = _weight(80.0, "Snap's click id")
    email: kinds.Real = _weight(60.0, "the e-mail")
    phone: kinds.Real = _weight(45.0, "the phone number")
    mobile_ad_id: kinds.Real = _weight(45.0, "an app's advertising id")
    scid: kinds.Real = _weight(40.0, "the _scid cookie")
    ip_and_agent: kinds.Real = _weight(25.0, "IP address and user agent")
    name_and_address: kinds.Real = _weight(10.0, "name and postal address")
    external_id: kinds.Real = _weight(5.0, "the shop's own id")
    value: kinds.Real = Field(
        default=10.0,
        ge=0,
        le=100,
        description="What an event that sells loses without value and currency.",
        json_schema_extra=_PERCENT,
    )
    item_ids: kinds.Real = Field(
        default=5.0,
        ge=0,
        le=100,
        description="What it loses without item ids.",
        json_schema_extra=_PERCENT,
    )


class QualityTable(Table):
    """[quality]: the match-quality estimate."""

    weights: WeightsTable = Field(default_factory=WeightsTable)
