"""The fields Snap documents, each with the check of its value; one table for each JSON object.

Source: Snap, business SDKs for v2 and v3 (OpenAPI files); Snap, Parameters page; and the fields
that integrators are known to send with success.
"""

from collections.abc import Iterable, Mapping

from edgeproxy.sandbox import checks
from edgeproxy.sandbox.checks import Check

Table = Mapping[str, Check]


def _all(names: str | Iterable[str], check: Check) -> dict[str, Check]:
    """One check for several fields, written as words."""
    return dict.fromkeys(names.split() if isinstance(names, str) else names, check)


_PERSON_V2 = _all(
    "hashed_email hashed_phone_number hashed_mobile_ad_id hashed_idfv hashed_first_name_sha "
    "hashed_middle_name_sha hashed_last_name_sha hashed_city_sha hashed_state_sha hashed_zip "
    "hashed_dob_month hashed_dob_day hashed_user_agent",
    checks.digest,
)

V2: Table = {
    **_PERSON_V2,
    **_all(
        "event_tag app_id integration item_category transaction_id client_dedup_id description "
        "level search_string sign_up_method customer_status delivery_method att_status "
        "advertiser_cookie_1 device_model os_version country region hashed_first_name_sdx "
        "hashed_middle_name_sdx hashed_last_name_sdx hashed_city_sdx hashed_state_sdx",
        checks.text_or_number,
    ),
    "hashed_ip_address": checks.ip_digest,
    "pixel_id": checks.asset,
    "snap_app_id": checks.asset,
    "event_type": checks.name,
    "event_conversion_type": checks.one_of("WEB", "MOBILE_APP", "OFFLINE"),
    "timestamp": checks.anything,
    "page_url": checks.url,
    "data_use": checks.data_use,
    "user_agent": checks.user_agent,
    "uuid_c1": checks.raw_text,
    "hashed_sc_cookie": checks.raw_text,  # in spite of its name: the cookie as it is
    "click_id": checks.raw_text,
    "price": checks.amount_or_text,
    "currency": checks.currency_code,
    "item_ids": checks.text_or_texts,
    "brands": checks.text_or_texts,
    "number_items": checks.integer_or_text,
}

STRONG_V2 = ("hashed_email", "hashed_phone_number", "hashed_mobile_ad_id")
"""Each is enough for Snap to look for a person; so are IP address and user agent together."""

ANY_V2 = frozenset(_PERSON_V2) | {"hashed_ip_address", "user_agent", "uuid_c1", "click_id"}

WEB_SOURCES = ("WEB", "website")
APP_SOURCES = ("MOBILE_APP", "app")
_OTHER_SOURCES = (
    "OFFLINE",
    "physical_store",
    "phone_call",
    "chat",
    "email",
    "system_generated",
    "other",
)

V3: Table = {
    "event_name": checks.name,
    "event_time": checks.anything,
    "action_source": checks.one_of(*WEB_SOURCES, *APP_SOURCES, *_OTHER_SOURCES),
    "event_source_url": checks.url,
    "user_data": checks.anything,
    "custom_data": checks.anything,
    "app_data": checks.anything,
    "data_processing_options": checks.processing_options,
    "opt_out": checks.flag,
    **_all("data_processing_options_country data_processing_options_state", checks.integer),
    **_all("event_id integration test_event_code", checks.text),
}
USER_V3: Table = {
    **_all("em ph fn ln ge ct st zp country", checks.digests),
    **_all("subscription_id lead_id download_id partner_id", checks.text),
    **_all("madid mobile_ad_id idfv", checks.device_id),
    **_all("sc_click_id sc_cookie1", checks.raw_text),
    "db": checks.digest,
    "external_id": checks.external_id,
    "client_ip_address": checks.address,
    "client_user_agent": checks.user_agent,
}
CUSTOM_V3: Table = {
    **_all(
        "content_category content_name content_type order_id search_string sign_up_method status "
        "delivery_category brands event_tag "
        "checkin_date travel_start travel_end origin_airport destination_airport country city "
        "region neighborhood postal_code departing_departure_date departing_arrival_date "
        "returning_departure_date returning_arrival_date hotel_score",
        checks.text,
    ),
    **_all(
        "content_ids suggested_destinations suggested_hotels preferred_neighborhoods "
        "preferred_star_ratings",
        checks.texts,
    ),
    **_all("num_items num_adults num_children num_infants", checks.integer),
    "currency": checks.currency_code,
    "value": checks.amount,
    "predicted_ltv": checks.amount_or_text,
    "contents": checks.anything,
    "custom_fields": checks.anything,
    **_all("client_dedup_id event_id transaction_id", checks.misplaced),
}
LINE_V3: Table = {
    **_all("id delivery_category brand", checks.text),
    **_all("quantity item_price", checks.number_text),
}
APP_V3: Table = {
    **_all(
        "app_id install_referrer installer_package campaign_ids windows_attribution_id", checks.text
    ),
    "advertiser_tracking_enabled": checks.flag,
    "extinfo": checks.anything,
    "url_schemes": checks.texts,
}

STRONG_V3 = ("em", "ph", "madid", "mobile_ad_id")
EXTINFO_TEXTS = 16
