"""Every fault that the proxy has to outlive, and the test that does it to it.

A row without a test says why. `tests/test_fault_matrix.py` keeps the table true.
"""

from typing import NamedTuple


class Row(NamedTuple):
    """One fault: its number, what it is, the tests as "file::function", or why there is none."""

    number: int
    fault: str
    tests: tuple[str, ...] = ()
    why_not: str = ""


ROWS: tuple[Row, ...] = (
    Row(
        1,
        "kill -9 under load",
        (
            "test_kill.py::test_kill_9_under_load_loses_no_acknowledged_event",
            "chaos/test_chaos.py::test_every_promise_is_kept_whatever_goes_wrong",
        ),
    ),
    Row(
        2,
        "kill -9 between send and settle",
        (
            "test_serve.py::test_an_accepted_event_survives_kill_9_and_reaches_snap_once",
            "chaos/test_chaos.py::test_every_promise_is_kept_whatever_goes_wrong",
        ),
    ),
    Row(
        3,
        "kill -9 in checkpoint, sweep, migration",
        ("contract/test_store_faults.py::test_a_store_that_ends_at_any_point_keeps_its_promises",),
    ),
    Row(
        4,
        "power cut",
        (
            "contract/test_store_crash.py::test_a_power_cut_loses_nothing_acknowledged",
            "contract/test_store_crash.py::test_these_cuts_would_notice_a_commit_that_is_not_synced",
        ),
    ),
    Row(
        5,
        "answer before commit",
        ("test_store_sqlite_writer.py::test_nobody_is_answered_before_the_commit",),
    ),
    Row(
        6,
        "disk full on insert",
        (
            "contract/test_store_faults.py::test_a_full_disk_refuses_and_recovers_by_itself",
            "test_cli_doctor.py::test_a_store_that_is_full_refuses_and_delivery_makes_room",
        ),
    ),
    Row(
        7,
        "disk full, bookkeeping",
        (
            "test_store_sqlite_writer.py::test_what_makes_room_is_done_when_the_events_beside_it_do_not_fit",
            "test_store_sqlite_store.py::test_a_full_store_refuses_events_delivers_and_recovers",
            "test_store_full_volume.py::test_with_little_room_it_starts_delivers_and_takes_events_again_later",
        ),
    ),
    Row(
        8,
        "EFBIG, EIO at sync",
        (
            "contract/test_store_faults.py::test_an_io_error_ends_the_store_with_nothing_acknowledged",
            "test_cli_doctor.py::test_a_file_that_may_not_grow_ends_the_process_and_loses_nothing",
        ),
    ),
    Row(
        9,
        "read-only, no permission",
        ("test_store_sqlite_file.py::test_a_place_that_cannot_be_written",),
    ),
    Row(
        10,
        "header, page, truncated, zero length, deleted",
        (
            "test_store_sqlite_damage.py::test_damage_is_found_after_an_unclean_end",
            "test_store_sqlite_damage.py::test_a_file_cut_short_is_found_at_any_start",
            "test_cli_doctor.py::test_a_store_that_is_damaged_is_brought_back",
            "test_cli_doctor.py::test_a_loss_may_be_accepted",
        ),
    ),
    Row(
        11,
        "two servers on one store",
        ("test_workers.py::test_two_proxies_on_one_store_send_each_event_once",),
    ),
    Row(
        12,
        "foreign write lock",
        (
            "test_store_sqlite_store.py::test_a_foreign_writer_is_waited_for_and_then_refused",
            "test_store_sqlite_held.py::test_sigterm_ends_it_soon_and_what_was_acknowledged_arrives",
        ),
    ),
    Row(
        13,
        "long reader",
        (
            "test_store_sqlite_store.py::test_a_reader_that_does_not_end_is_told_of",
            "test_store_sqlite_store.py::test_the_log_is_cut_unless_a_reader_is_in_the_way",
        ),
    ),
    Row(
        14,
        "older and newer schema",
        (
            "test_store_migrate.py::test_a_store_of_each_older_version_goes_on",
            "test_store_migrate.py::test_a_newer_schema_is_refused_untouched",
        ),
    ),
    Row(
        15,
        "PostgreSQL killed, restarted",
        (
            "test_store_postgres_failover.py::test_a_restart_of_the_server_is_refused_events_and_no_loss",
        ),
    ),
    Row(
        16,
        "failover to the synchronous standby",
        (
            "test_store_postgres_failover.py::test_a_failover_loses_nothing_acknowledged",
            "test_store_postgres_serve.py::test_a_failover_under_load_loses_no_acknowledged_event",
        ),
    ),
    Row(
        17,
        "standby down, wait cancelled",
        (
            "test_store_postgres_failover.py::test_without_its_standby_nothing_is_acknowledged_and_delivery_goes_on",
        ),
    ),
    Row(
        18,
        "deadlock, 40001, reset in commit, PgBouncer",
        (
            "test_store_postgres_link.py::test_two_that_lock_each_other_out_both_get_through",
            "test_store_postgres_link.py::test_what_the_server_undid_is_done_again_whole",
            "test_store_postgres_link.py::test_at_any_byte_of_an_append_each_event_is_stored_once_or_refused",
            "test_store_postgres_link.py::test_nothing_is_left_in_a_session",
            "test_store_postgres_pooled.py::test_the_contract_holds_where_sessions_are_shared",
            "test_store_postgres_pooled.py::test_the_proxy_serves_delivers_and_goes_on_after_kill_9",
        ),
    ),
    Row(
        19,
        "worker only slow, lease over",
        (
            "test_workers.py::test_who_is_stopped_beyond_its_lease_books_nothing",
            "test_store_postgres_link.py::"
            "test_a_node_that_freezes_in_a_transaction_keeps_the_others_for_seconds_only",
        ),
    ),
    Row(
        20,
        "clock set back and forward",
        (
            "contract/test_store.py::test_a_clock_set_back_stops_nothing",
            "contract/test_store.py::test_a_clock_set_back_a_little_stops_no_row_under_way",
            "contract/test_store.py::test_a_clock_set_back_a_little_before_a_restart_stops_nothing",
            "contract/test_store.py::test_a_day_forward_expires_nothing_early",
        ),
    ),
    Row(
        21,
        "100,000 events, writer paused",
        (
            "test_store_sqlite_writer.py::test_100_000_events_behind_a_writer_that_stands_still",
            "test_store_sqlite_writer.py::test_so_many_bytes_may_wait",
        ),
    ),
    Row(
        22,
        "descriptors exhausted",
        ("test_door.py::test_when_descriptors_are_used_up_it_recovers",),
    ),
    Row(
        23,
        "SIGTERM under load, stuck client",
        (
            "test_workers.py::test_sigterm_under_load_loses_nothing_and_leaves_no_lease",
            "test_serve.py::test_a_stuck_caller_does_not_stop_the_end",
        ),
    ),
    Row(24, "writer dead, loop blocked", ("test_watchdog.py::test_a_process_that_hangs_is_ended",)),
    Row(
        25,
        "Snap refuses for hours, 20,000 events wait",
        (
            "test_delivery_faults.py::test_a_backlog_outlives_a_long_refusal_with_one_probe_at_a_time",
        ),
    ),
    Row(
        26,
        "Snap hangs or drips",
        (
            "test_delivery_faults.py::test_a_snap_that_never_finishes_costs_one_deadline",
            "test_delivery_faults.py::test_an_attempt_ends_after_fifteen_seconds",
        ),
    ),
    Row(
        27,
        "reset, truncated, garbage",
        ("test_delivery_faults.py::test_an_answer_that_breaks_is_outlived_with_the_same_bytes",),
    ),
    Row(
        28,
        "bursts of 5xx, flapping",
        ("test_delivery_faults.py::test_a_snap_that_fails_every_second_time_gets_everything",),
    ),
    Row(
        29,
        "429 in every form",
        (
            "test_delivery_faults.py::test_a_429_means_the_wait_it_names_within_bounds_or_five_seconds",
        ),
    ),
    Row(
        30,
        "401, then a new token",
        (
            "test_delivery_faults.py::test_a_wrong_token_is_asked_about_four_times_an_hour",
            "test_delivery_faults.py::test_a_new_token_is_used_within_two_seconds",
        ),
    ),
    Row(
        31,
        "403, 404, redirect",
        (
            "test_delivery_faults.py::test_an_answer_that_points_elsewhere_pauses_and_is_not_followed",
        ),
    ),
    Row(
        32,
        "poison in a batch",
        ("test_delivery_faults.py::test_three_poisons_of_a_batch_die_alone_in_both_versions",),
    ),
    Row(
        33,
        "200 that means no, error records",
        (
            "test_delivery_faults.py::test_a_200_is_read_to_its_end",
            "test_delivery_faults.py::test_an_index_that_names_no_event_is_taken_apart_and_costs_nothing",
        ),
    ),
    Row(
        34,
        "200 without meaning, bombs",
        (
            "test_delivery_faults.py::test_an_answer_without_a_meaning_is_tried_again_and_kept_for_a_person",
        ),
    ),
    Row(
        35,
        "TLS faults",
        ("test_delivery_faults.py::test_an_expired_certificate_gets_nothing_and_loses_nothing",),
    ),
    Row(
        36,
        "DNS, unreachable, pool stuck",
        (
            "test_delivery_faults.py::test_a_place_that_cannot_be_reached_is_tried_again",
            "test_delivery_faults.py::test_requests_beyond_the_connections_wait_and_end_at_their_deadline",
        ),
    ),
    Row(
        37,
        "same batch delivered twice",
        ("test_delivery_faults.py::test_a_batch_that_went_twice_counts_once",),
    ),
    Row(
        38,
        "limiter, two nodes",
        (
            "test_delivery_faults.py::test_two_nodes_on_one_store_keep_one_limit",
            "test_store_postgres_store.py::test_a_limit_is_shared",
        ),
    ),
    Row(
        39,
        "restart over and over",
        ("test_delivery_faults.py::test_a_restart_over_and_over_is_no_way_around_the_limit",),
    ),
    Row(
        40,
        "too old in the queue",
        ("test_delivery_faults.py::test_what_grew_too_old_in_a_long_outage_is_never_sent",),
    ),
    Row(
        41,
        "10 MB body",
        (
            "test_door.py::test_a_body_that_is_too_large_is_refused_before_it_comes",
            "test_door.py::test_endless_bodies_take_no_memory",
        ),
    ),
    Row(
        42,
        "slow header, body, reader; silent crowd",
        (
            "test_door.py::test_who_takes_too_long_is_hung_up_on_and_others_are_served",
            "test_door.py::test_a_crowd_that_says_nothing_keeps_nobody_out",
            "nginx/test_slow.py::test_slow_clients_are_closed_while_others_are_served",
        ),
    ),
    Row(
        43,
        "large header, many headers, cookies",
        (
            "test_door.py::test_a_header_has_its_bounds",
            "test_door.py::test_of_many_cookies_only_ours_count",
        ),
    ),
    Row(
        44,
        "two Hosts, none, foreign",
        (
            "test_door.py::test_a_request_has_one_plain_host",
            "test_door.py::test_no_answer_repeats_a_foreign_host",
        ),
    ),
    Row(
        45,
        "request that reads in two ways",
        (
            "test_door.py::test_a_request_that_can_be_read_in_two_ways_is_refused",
            "test_door.py::test_a_line_ends_in_one_way_only",
            "nginx/test_refusals.py::test_a_malformed_request_is_refused_and_goes_no_further",
        ),
    ),
    Row(
        46,
        "JSON that is none",
        (
            "test_hostile.py::test_an_unusable_batch_is_refused_with_a_code",
            "test_intake_tag.py::test_any_json_is_a_batch_or_an_unusable_batch",
            "test_intake_tag.py::test_any_bytes_are_a_batch_or_an_unusable_batch",
        ),
    ),
    Row(47, "compressed body", ("test_door.py::test_nothing_compressed_is_inflated",)),
    Row(
        48,
        "wrong types and sizes",
        ("test_hostile.py::test_one_bad_event_does_not_sink_the_others",),
    ),
    Row(
        49,
        "one bad of 50",
        ("test_intake_tag.py::test_one_bad_of_fifty_is_named_and_forty_nine_go_on",),
    ),
    Row(
        50,
        "same id, two nodes",
        ("test_store_postgres_store.py::test_the_same_ids_from_three_nodes_are_accepted_once",),
    ),
    Row(51, "captured request", ("test_door.py::test_a_captured_request_does_not_multiply",)),
    Row(
        52,
        "flood",
        (
            "test_door.py::test_a_flood_is_refused_before_it_is_read",
            "test_public_segment.py::test_a_flood_with_one_key_is_refused_before_it_is_read",
            "test_public_segment.py::test_guessing_keys_from_one_address_is_slowed_down",
            "nginx/test_floods.py::test_a_flood_is_refused_and_others_are_served",
        ),
    ),
    Row(
        53,
        "forwarded headers",
        (
            "test_addresses.py::test_the_client_is_the_right_most_untrusted_hop",
            "test_addresses.py::test_what_a_client_writes_itself_never_becomes_its_address",
            "nginx/test_visitors.py::test_a_forged_address_reaches_neither_the_proxy_nor_snap",
        ),
    ),
    Row(
        54,
        "CR, LF and friends in cookies and ids",
        (
            "test_hostile.py::test_no_jar_breaks_an_answer",
            "test_hostile.py::test_no_unsafe_click_id_becomes_a_cookie",
            "test_identity.py::test_nothing_that_comes_in_adds_or_breaks_a_header",
        ),
    ),
    Row(
        55,
        "cookie forged, cut, foreign, old key",
        (
            "test_master.py::test_a_forged_cut_or_foreign_master_is_ignored",
            "test_master.py::test_an_old_key_verifies_until_it_is_removed",
        ),
    ),
    Row(56, "Origin look-alikes", ("test_hostile.py::test_a_foreign_origin_gets_nothing",)),
    Row(57, "no or foreign Origin", ("test_hostile.py::test_a_foreign_origin_gets_nothing",)),
    Row(
        58,
        "write key missing, wrong, revoked",
        (
            "test_public_segment.py::test_without_a_valid_key_the_answer_is_the_same_401",
            "test_public_segment.py::test_two_keys_live_side_by_side_and_a_revoked_one_is_wrong",
            "test_public_snap_shape.py::test_v2_takes_the_key_as_bearer_only",
            "test_public_snap_shape.py::test_v3_takes_the_key_as_access_token_or_bearer",
            "test_admin_app.py::test_no_route_opens_without_a_token",
            "test_admin_app.py::test_a_token_in_a_query_opens_nothing",
            "test_admin_auth.py::test_a_revoked_token_opens_nothing_and_takes_its_sessions_along",
        ),
    ),
    Row(
        59,
        "CSRF on admin",
        (
            "test_admin_app.py::test_a_form_of_another_page_is_refused",
            "test_admin_app.py::test_a_form_without_its_token_is_refused",
            "test_admin_app.py::test_nothing_changes_by_get",
        ),
    ),
    Row(
        60,
        "admin brute force, sessions",
        (
            "test_admin_auth.py::test_two_hundred_guesses_are_slowed_down",
            "test_admin_auth.py::test_the_login_page_is_slowed_down_as_the_api_is",
            "test_admin_sessions.py::test_a_session_that_was_planted_stays_unknown",
            "test_admin_sessions.py::test_a_logout_ends_the_session_at_the_server",
            "test_admin_sessions.py::"
            "test_a_login_gives_a_cookie_that_scripts_and_other_sites_cannot_use",
            "test_admin_sessions.py::test_over_tls_the_cookie_stays_there",
        ),
    ),
    Row(
        61, "timing of comparisons", ("test_security.py::test_no_secret_is_compared_byte_by_byte",)
    ),
    Row(
        62,
        "open redirect",
        (
            "test_security.py::test_no_answer_sends_anybody_elsewhere",
            "test_admin_app.py::test_a_login_leads_to_no_other_site",
            "test_admin_app.py::test_every_redirect_stays_here",
        ),
    ),
    Row(
        63,
        "upstream elsewhere",
        (
            "test_config_rules.py::test_the_upstream_is_snap_or_this_machine",
            "test_config_rules.py::test_events_and_tokens_go_nowhere_else",
        ),
    ),
    Row(64, "foreign pixel or token in a body", ("test_security.py::test_a_body_names_no_target",)),
    Row(65, "traversal", ("test_security.py::test_no_path_leads_to_a_file",)),
    Row(
        66,
        "stored XSS, CSV formula",
        (
            "test_admin_app.py::test_what_people_name_is_shown_as_text",
            "test_admin_app.py::test_what_is_asked_is_not_written_into_the_answer",
            "test_admin_app.py::test_no_page_has_code_in_it_or_asks_others",
            "browser/test_dashboard.py::test_a_name_with_code_in_it_runs_nothing",
            "test_admin_views_events.py::test_what_came_from_outside_is_shown_as_text",
            "browser/test_events.py::test_what_came_from_outside_runs_nothing",
        ),
    ),
    Row(
        67,
        "framing, sniffing, cached admin pages",
        ("test_admin_app.py::test_every_answer_is_guarded",),
    ),
    Row(
        68,
        "token leak",
        ("test_logs.py::test_no_secret_is_in_any_line_whoever_writes_it",),
        "and conftest.py searches all output and files of the whole run for the canaries",
    ),
    Row(
        69,
        "personal data leak",
        ("test_serve.py::test_strict_sends_no_raw_agent_and_no_raw_address",),
        "and conftest.py searches all output and files of the whole run for the canaries",
    ),
    Row(
        70,
        "log injection",
        (
            "test_logs.py::test_one_event_is_one_line_whatever_is_in_it",
            "test_logs_redaction.py::test_control_characters_are_escaped",
            "test_logs_redaction.py::test_a_megabyte_becomes_two_kilobytes",
        ),
    ),
    Row(
        71,
        "endless names and paths",
        ("test_security.py::test_names_of_visitors_make_no_counters",),
    ),
    Row(
        72,
        "pickle, eval, shell, weak random",
        ("test_security.py::test_the_linter_looks_for_unsafe_calls",),
    ),
    Row(
        73,
        "vulnerable or unpinned dependency",
        why_not="an audit needs the network, which tests do not use",
    ),
    Row(
        74,
        "secret file that others can read, short key",
        (
            "test_keys.py::test_a_key_that_others_can_reach_is_refused_with_the_cure",
            "test_keys.py::test_a_file_without_a_good_key_is_refused",
            "test_config_rules.py::test_a_secret_that_others_can_read_is_refused_with_the_cure",
        ),
    ),
)
"""All faults, in order."""
