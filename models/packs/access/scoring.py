"""How a request is judged: the rules, what the model sees, and the policy."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta
from typing import Literal

from feature_store.columns import Columns, Mask
from feature_store.definitions import HOUR, MINUTE
from models.contracts import Action, Severity
from models.packs.access.columns import agent_has, has
from models.packs.access.features import (
    is_blind_post,
    is_guess,
    is_post,
    is_probe,
    is_redirected_post,
)
from models.policy import Policy
from models.rules import Rule

LIKELY_PAYLOAD, SURE_PAYLOAD = 0.99, 0.999
"""Of simulated ordinary values that the text model had not seen, 1 in 13,000 reaches the first."""


def expression_injection(event: Columns, feature: Columns) -> Mask:
    return has(event, "expression") | agent_has(event, "expression")


def command_injection(event: Columns, feature: Columns) -> Mask:
    return has(event, "command") | agent_has(event, "command")


def sql_injection(event: Columns, feature: Columns) -> Mask:
    return has(event, "sql") | agent_has(event, "sql")


def path_traversal(event: Columns, feature: Columns) -> Mask:
    return has(event, "traversal")


def cross_site_scripting(event: Columns, feature: Columns) -> Mask:
    return has(event, "scripting")


def payload_injection(event: Columns, feature: Columns) -> Mask:
    """Reads like an attack, letter by letter, whatever its words are."""
    mask: Mask = event.payload_score >= SURE_PAYLOAD
    return mask


def suspicious_payload(event: Columns, feature: Columns) -> Mask:
    score = event.payload_score
    mask: Mask = (score >= LIKELY_PAYLOAD) & (score < SURE_PAYLOAD)
    return mask


def scanner_agent(event: Columns, feature: Columns) -> Mask:
    return agent_has(event, "tool")


def secret_file_probe(event: Columns, feature: Columns) -> Mask:
    return has(event, "secret")


def repeated_probes(event: Columns, feature: Columns) -> Mask:
    """The second thing of a day that the site does not have: no dead link explains it."""
    mask: Mask = is_probe(event) & (feature.client_probes_distinct_24h >= 2)
    return mask


def known_weakness_probe(event: Columns, feature: Columns) -> Mask:
    return is_probe(event)


def scan_of_missing_pages(event: Columns, feature: Columns) -> Mask:
    """Different paths in vain, and little else: a broken page asks for the same few again."""
    mask: Mask = (feature.client_missing_distinct_10m >= 15) & (
        feature.client_errors_share_10m >= 0.5
    )
    return mask


def guesses_pages(event: Columns, feature: Columns) -> Mask:
    """Most of a day's requests are for pages that are not there, from its first ones on.

    Silent on what says that it is a crawler: those follow dead links for years.
    """
    distinct, share = feature.client_guesses_distinct_24h, feature.client_guesses_share_24h
    at_once = (distinct >= 3) & (share >= 0.7)
    soon = (distinct >= 4) & (share >= 0.5)
    mask: Mask = is_guess(event) & (at_once | soon) & ~agent_has(event, "crawler")
    return mask


def ignores_redirects(event: Columns, feature: Columns) -> Mask:
    """Sent on to a page after its forms three times more often than it went to any."""
    went = feature.client_requests_count_24h - feature.client_posts_count_24h
    sent_on = feature.client_redirected_posts_count_24h
    mask: Mask = is_redirected_post(event) & (sent_on >= went + 3)
    return mask


def form_robot(event: Columns, feature: Columns) -> Mask:
    """Sends forms from no page, and in a day fetched nothing of what a page shows."""
    mask: Mask = (
        is_blind_post(event)
        & (feature.client_blind_posts_count_24h >= 3)
        & (feature.client_pages_share_24h == 1)
    )
    return mask


def posts_and_no_pages(event: Columns, feature: Columns) -> Mask:
    """Says that it is a browser, but in a day hardly does anything but send forms."""
    sends = is_post(event) & ~has(event, "call") & agent_has(event, "browser")
    mask: Mask = (
        sends
        & (feature.client_posts_count_24h >= 4)
        & (feature.client_posts_share_24h >= 0.7)
        & (feature.client_pages_share_24h == 1)
    )
    return mask


def login_bruteforce(event: Columns, feature: Columns) -> Mask:
    """Fast, or all that the client does for an hour: an editor also fetches pages and images."""
    fast = feature.client_logins_count_10m >= 15
    steady = (feature.client_logins_count_1h >= 25) & (feature.client_logins_share_1h >= 0.4)
    mask: Mask = fast | steady
    return mask


def password_guessing(event: Columns, feature: Columns) -> Mask:
    mask: Mask = (feature.client_denials_count_10m >= 20) & (feature.client_errors_share_10m >= 0.5)
    return mask


def request_flood(event: Columns, feature: Columns) -> Mask:
    mask: Mask = feature.client_requests_count_1m >= 600
    return mask


def scraper(event: Columns, feature: Columns) -> Mask:
    """Page after page without the images that a browser fetches, and no crawler by its name."""
    mask: Mask = (
        (feature.client_paths_distinct_1h >= 100)
        & (feature.client_pages_share_1h >= 0.95)
        & ~agent_has(event, "crawler")
    )
    return mask


def error_burst(event: Columns, feature: Columns) -> Mask:
    mask: Mask = feature.client_faults_count_10m >= 10
    return mask


def uncommon_method(event: Columns, feature: Columns) -> Mask:
    """TRACE, CONNECT, WebDAV's methods, or no method at all."""
    mask: Mask = event.method == 0
    return mask


RULES = (
    Rule(
        "expression_injection",
        "the request carries an expression for a logging or template engine (Log4Shell)",
        Severity.CRITICAL,
        expression_injection,
        "CWE-917",
    ),
    Rule(
        "command_injection",
        "the request carries a shell command or code",
        Severity.CRITICAL,
        command_injection,
        "CWE-78, CAPEC-88",
    ),
    Rule(
        "sql_injection",
        "the request carries a piece of SQL",
        Severity.HIGH,
        sql_injection,
        "CWE-89, CAPEC-66",
    ),
    Rule(
        "path_traversal",
        "the request climbs out of the site's folder or names a system file",
        Severity.HIGH,
        path_traversal,
        "CWE-22, CAPEC-126",
    ),
    Rule(
        "cross_site_scripting",
        "the request carries a script for another visitor's browser",
        Severity.HIGH,
        cross_site_scripting,
        "CWE-79, CAPEC-63",
    ),
    Rule(
        "payload_injection",
        "a part of the request is written like an attack",
        Severity.HIGH,
        payload_injection,
        "CWE-74, CAPEC-152",
        quotes=True,
    ),
    Rule(
        "suspicious_payload",
        "a part of the request looks like an attack",
        Severity.MEDIUM,
        suspicious_payload,
        "CWE-74, CAPEC-152",
        quotes=True,
    ),
    Rule(
        "scanner_agent",
        "the user agent is an attack tool's",
        Severity.HIGH,
        scanner_agent,
        "ATT&CK T1595.002",
    ),
    Rule(
        "secret_file_probe",
        "the request asks for a file that holds secrets or source code",
        Severity.HIGH,
        secret_file_probe,
        "CWE-538, ATT&CK T1595.003",
    ),
    Rule(
        "repeated_probes",
        "asks again for software that the site does not have",
        Severity.HIGH,
        repeated_probes,
        "ATT&CK T1595.002",
        feature="client_probes_distinct_24h",
    ),
    Rule(
        "known_weakness_probe",
        "asks for software that the site does not have and that is often attacked",
        Severity.MEDIUM,
        known_weakness_probe,
        "ATT&CK T1595.002",
    ),
    Rule(
        "scan_of_missing_pages",
        "asks for many different pages that do not exist",
        Severity.HIGH,
        scan_of_missing_pages,
        "ATT&CK T1595.003",
        feature="client_missing_distinct_10m",
    ),
    Rule(
        "guesses_pages",
        "asks for pages that are not there, and for little else",
        Severity.HIGH,
        guesses_pages,
        "ATT&CK T1595.003",
        feature="client_guesses_distinct_24h",
    ),
    Rule(
        "ignores_redirects",
        "sends forms and does not go where it is sent on to",
        Severity.HIGH,
        ignores_redirects,
        "OWASP OAT-014",
        feature="client_redirected_posts_count_24h",
    ),
    Rule(
        "form_robot",
        "sends forms from no page of the site",
        Severity.HIGH,
        form_robot,
        "OWASP OAT-017",
        feature="client_blind_posts_count_24h",
    ),
    Rule(
        "posts_and_no_pages",
        "sends forms and hardly fetches a page",
        Severity.MEDIUM,
        posts_and_no_pages,
        "OWASP OAT-014",
        feature="client_posts_count_24h",
    ),
    Rule(
        "login_bruteforce",
        "tries to log in again and again",
        Severity.HIGH,
        login_bruteforce,
        "CWE-307, ATT&CK T1110",
        feature="client_logins_count_1h",
    ),
    Rule(
        "password_guessing",
        "is refused again and again",
        Severity.HIGH,
        password_guessing,
        "CWE-307, ATT&CK T1110.001",
        feature="client_denials_count_10m",
    ),
    Rule(
        "request_flood",
        "sends more requests than a site's visitor can",
        Severity.MEDIUM,
        request_flood,
        "CAPEC-125, ATT&CK T1499.002",
        feature="client_requests_count_1m",
    ),
    Rule(
        "scraper",
        "fetches page after page and nothing that a page shows",
        Severity.LOW,
        scraper,
        "OWASP OAT-011",
        feature="client_paths_distinct_1h",
    ),
    Rule(
        "error_burst",
        "makes the server fail again and again",
        Severity.LOW,
        error_burst,
        "CAPEC-28",
        feature="client_faults_count_10m",
    ),
    Rule(
        "uncommon_method",
        "the method is none that a website's visitor uses",
        Severity.LOW,
        uncommon_method,
        "CAPEC-274",
    ),
)

MODEL_FEATURES = (
    "client_requests_count_1m",
    "client_requests_count_10m",
    "client_requests_count_1h",
    "client_requests_count_24h",
    "client_errors_count_10m",
    "client_errors_share_10m",
    "client_errors_share_24h",
    "client_faults_count_1h",
    "client_denials_count_1h",
    "client_logins_count_1h",
    "client_logins_share_1h",
    "client_probes_distinct_24h",
    "client_pages_share_10m",
    "client_pages_share_1h",
    "client_paths_distinct_10m",
    "client_paths_distinct_1h",
    "client_missing_distinct_10m",
    "client_missing_distinct_24h",
    "client_agents_distinct_24h",
    "client_gap_mean_10m",
    "client_gap_std_10m",
    "path_bytes",
)

POLICY = Policy(
    version="access-3",
    # A score alone never blocks: it says that a client is unlike the others, not what it is.
    # One event in twenty of the simulated training window is an attacker's. Of the window after
    # it, no ordinary event reaches 0.961, and 48 % and 25 % of the attackers' reach these two.
    by_score={Action.ALERT: 0.97, Action.CHALLENGE: 0.99},
    by_severity={
        Severity.LOW: Action.ALERT,
        Severity.MEDIUM: Action.CHALLENGE,
        Severity.HIGH: Action.BLOCK,
    },
    ttl={Action.ALERT: 10 * MINUTE, Action.CHALLENGE: HOUR, Action.BLOCK: timedelta(hours=4)},
)

CANARY = "203.0.113.254"
"""Who sends the events by which we see whether any are answered."""

TEST_CLIENTS: Mapping[str, Literal["block", "allow", "late"]] = {
    "203.0.113.250": "block",
    "203.0.113.251": "allow",
    "203.0.113.252": "late",
    CANARY: "allow",
}
"""Of the range that documentation uses (RFC 5737), from which no request comes."""
