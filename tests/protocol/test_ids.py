"""Ids are Restate's: what a real restate-server has printed, we parse and print the same."""

from __future__ import annotations

import pytest
from hypothesis import assume, example, given
from hypothesis import strategies as st

from perdure.errors import RequestError
from perdure.protocol import ids

# (invocation, its first awakeable), recorded from restate-server 1.7.12 with restate-sdk 1.3.0. The SDK makes
# the awakeable's id of the invocation's 24 bytes, so a pair shows both the text and the bytes behind it.
RECORDED = [
    ("inv_19Sc8IICGZ4a5Q3AsTV7SHID6A6ZBdzRsc", "sign_1hhkLSOGSAnMAo-8gtx_KEvpum1DIT9-_AAAAEQ"),
    ("inv_1kJOrhmb0mNU7gQIb4NmysT475oHSl1YEm", "sign_1HjOulL4ij_H-OXZ0NTUpLF0rdcqFgO3uAAAAEQ"),
    ("inv_1gZhpUwsM8DO6CtttYxPAAPpdgFcVLnvhp", "sign_1hDahunra38VLktPObCNHYql6ff-B-YfZAAAAEQ"),
    ("inv_1ieCs3CBDbg95rNZmJb1ozEqNd0sFwcykx", "sign_1LT9qvHhcZ9QBogYN6iEp9e0KS-3UKwWzAAAAEQ"),
    ("inv_18zcXj4EQDmG1gVkrGLCxF0mipmZUdQvlB", "sign_1ukgml1Cky2Mn1B1L7UpU4iQkRUGeedMpAAAAEQ"),
]
FIRST_AWAKEABLE = 17  # the indices below are the protocol's own
DOCUMENTED = "inv_1gdJBtdVEcM942bjcDmb1c1khoaJe11Hbz"  # Restate's documentation shows this one

raw_ids = st.binary(min_size=24, max_size=24)


@pytest.mark.parametrize(("invocation", "awakeable"), RECORDED)
def test_ids_of_a_real_server(invocation: str, awakeable: str) -> None:
    assert ids.decode_awakeable_id(awakeable) == (invocation, FIRST_AWAKEABLE)
    assert ids.encode_awakeable_id(invocation, FIRST_AWAKEABLE) == awakeable
    assert ids.encode_invocation_id(ids.decode_invocation_id(invocation)) == invocation


def test_the_id_in_the_documentation() -> None:
    assert ids.encode_invocation_id(ids.decode_invocation_id(DOCUMENTED)) == DOCUMENTED


@given(raw_ids)
@example(bytes(24))
@example(b"\xff" * 24)
def test_every_invocation_id_comes_back(raw: bytes) -> None:
    text = ids.encode_invocation_id(raw)
    assert len(text) == len(DOCUMENTED)
    assert ids.decode_invocation_id(text) == raw


def test_awakeables_are_found_in_any_text() -> None:
    mail = ", ".join(f'"{awakeable}"' for _, awakeable in RECORDED)
    content = f"sign_1 sign_1{'A' * 38} é {mail}x".encode()
    assert list(ids.awakeables_in(content)) == [(whose, FIRST_AWAKEABLE) for whose, _ in RECORDED]


@pytest.mark.parametrize("index", [0, 1, 16])
def test_a_built_in_signal_is_no_awakeable(index: int) -> None:
    with pytest.raises(RequestError, match="bad awakeable id"):
        ids.decode_awakeable_id(ids.encode_awakeable_id(DOCUMENTED, index))


@given(raw_ids, st.integers(17, 2**32 - 1))
def test_every_awakeable_id_comes_back(raw: bytes, index: int) -> None:
    invocation = ids.encode_invocation_id(raw)
    assert ids.decode_awakeable_id(ids.encode_awakeable_id(invocation, index)) == (invocation, index)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "foo",
        "inv_1",
        "inv_1xx",
        DOCUMENTED[:-1],
        DOCUMENTED + "0",
        DOCUMENTED.replace("inv_1", "inv_2"),
        DOCUMENTED.replace("inv_1", "dep_1"),
        DOCUMENTED[:-1] + "!",
        DOCUMENTED[:-1] + "é",
        DOCUMENTED[:-1] + "٣",  # a digit, but not one of ours
        "inv_1" + "Z" * 33,  # more than 64 and 128 bits hold
    ],
)
def test_what_is_no_invocation_id_is_the_clients_mistake(text: str) -> None:
    with pytest.raises(RequestError, match="bad invocation id") as refused:
        ids.decode_invocation_id(text)
    assert refused.value.status == 400


@pytest.mark.parametrize(
    "text",
    [
        "",
        "foo",
        "sign_1",
        "sign_1AAAA",
        DOCUMENTED,
        RECORDED[0][1][:-1],
        RECORDED[0][1] + "A",
        RECORDED[0][1][:-1] + "!",
        RECORDED[0][1][:-1] + "é",
        RECORDED[0][1].replace("sign_1", "sign_2"),
        RECORDED[0][1].replace("-", "+"),
        RECORDED[0][1] + "==",
        RECORDED[0][1][:-1] + "R",  # the same bytes, and four bits more
        RECORDED[0][1].replace("sign_1", "prom_1"),  # protocols before 5: it names a journal entry, no signal
    ],
)
def test_what_is_no_awakeable_id_is_the_clients_mistake(text: str) -> None:
    with pytest.raises(RequestError, match="bad awakeable id") as refused:
        ids.decode_awakeable_id(text)
    assert refused.value.status == 400


@given(st.integers(0, 2**48 - 1), st.binary(min_size=18, max_size=18))
def test_a_random_id_is_a_valid_one_and_holds_its_time(now_ms: int, random: bytes) -> None:
    raw = ids.decode_invocation_id(ids.random_invocation_id(now_ms, random))
    assert int.from_bytes(raw[8:14], "big") == now_ms


# Keys are free text: a client may put into one whatever another request's parts are joined with.
parts = st.lists(st.text(alphabet=",\x00ab", max_size=4), max_size=4)


@given(parts, parts)
@example(["a,b", "c"], ["a", "b,c"])
@example(["a", ""], ["a"])
def test_derived_ids_are_equal_only_for_equal_requests(one: list[str], other: list[str]) -> None:
    assume(one != other)
    assert ids.derived_invocation_id(*one) != ids.derived_invocation_id(*other)
    assert ids.deployment_id(*one) != ids.deployment_id(*other)


def test_an_idempotency_key_stands_for_one_request_of_one_handler_and_object() -> None:
    request = ("Service", "handler", "key", "idempotency")
    made = ids.idempotent_invocation_id(*request)
    assert made == ids.idempotent_invocation_id(*request)
    others = {
        ids.idempotent_invocation_id(*request[:at], "another", *request[at + 1 :])
        for at in range(len(request))
    }
    assert len(others | {made}) == 5
    # An object's key that looks like the rest of another request does not answer for it.
    assert ids.idempotent_invocation_id("S", "h", "a,h,b", "c") != ids.idempotent_invocation_id(
        "S", "h", "a", "b,h,c"
    )


def test_the_seed_is_a_fact_of_the_invocation_alone() -> None:
    seeds = [ids.random_seed(invocation) for invocation, _ in RECORDED]
    assert seeds == [ids.random_seed(invocation) for invocation, _ in RECORDED]
    assert len(set(seeds)) == len(seeds)
    assert all(0 <= seed < 2**64 for seed in seeds)
