"""All contenders, in the order in which each round runs them."""

from __future__ import annotations

from scripts.bench.contenders.contender import Contender
from scripts.bench.contenders.crowdsec.offline import CrowdSec
from scripts.bench.contenders.jvm.programs import jvm_programs
from scripts.bench.contenders.ours import centinelas
from scripts.bench.contenders.python import python_programs


def contenders() -> tuple[Contender, ...]:
    return (*centinelas(), *python_programs(), *jvm_programs(), CrowdSec())
