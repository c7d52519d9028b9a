"""Seeds that once found a fault of ours; each is run again with the others.

A change to what the simulation draws makes other runs of them. Then look for seeds that find the
fault again, with the fault planted (`tests/planted/plants.py` has each).
"""

from __future__ import annotations

FOUND = {
    252: "a lane at rest kept its chunk uncommitted while another had more to do",
    51: "a partition left while the broker was asked about a gap, and was folded all the same",
    121: "the same of the decision stage",
    7349: "the books expected the strikes that a log cut short still tells, of an answer before it",
    35131: "and, where Redis had lost the answer, the one to the batch's second coming",
    7490: "and took the answer to a record that was cut off for one to the copy behind it",
}
"""Seed to what it found."""
