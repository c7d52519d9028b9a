"""What the description says about events beyond their types; `check` of each pack refuses the rest.

The structs do not say it themselves: a limit in a struct is looked at for every event of the log.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from models.lists import LONGEST_NAME
from models.packs.access.columns import LARGEST_BODY, LONGEST

WITHOUT_NUL = "^[^\\u0000]*$"
WITHOUT_CONTROLS = "^[^\\u0000-\\u001f\\u007f-\\u009f]*$"
ACTIONS = {"enum": ["alert", "challenge", "block"]}
DURATION = {"pattern": "^([0-9]{1,9}[dhms])+$"}

LIMITS: Mapping[str, Mapping[str, dict[str, Any]]] = {
    "AccessEvent": {
        **{field: {"maxLength": most, "pattern": WITHOUT_NUL} for field, most in LONGEST.items()},
        "client_ip": {
            "minLength": 1,
            "maxLength": LONGEST["client_ip"],
            "pattern": "^[^\\u0000]+$",
        },
        "occurred_at": {"format": "date-time"},
        "status": {"minimum": 100, "maximum": 999},
        "bytes": {"minimum": 0, "maximum": LARGEST_BODY},
    },
    "NewEntry": {
        "entry": {"minLength": 1, "maxLength": LONGEST_NAME},
        "until": {"format": "date-time"},
        "note": {"pattern": WITHOUT_CONTROLS},
        "author": {"pattern": WITHOUT_CONTROLS},
    },
    "PolicyFile": {
        "score": {"propertyNames": ACTIONS, "additionalProperties": {"minimum": 0, "maximum": 1}},
        "severity": {"propertyNames": {"enum": ["low", "medium", "high", "critical"]}},
        "ttl": {"propertyNames": ACTIONS, "additionalProperties": DURATION},
    },
    "GrowthFile": {"factor": {"minimum": 1}, "longest": DURATION, "forgotten_after": DURATION},
}
"""Struct to field to more of its schema."""
