"""Seeds that once found a fault of ours; each is run again with the others."""

from __future__ import annotations

FOUND = {
    4: "a partition left while the broker was asked about a gap",
}
"""Seed to what it found."""
