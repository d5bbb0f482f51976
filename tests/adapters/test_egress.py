"""Which addresses does the egress guard let pass, and what does it say of those it does not?"""

import pytest

from lmshooks.adapters.egress import EgressRefused, Guard

REFUSED = {
    "127.0.0.1": "loopback",
    "127.8.9.1": "loopback",
    "0.0.0.0": "unspecified",
    "10.1.2.3": "not globally routable",
    "172.16.0.1": "not globally routable",
    "192.168.1.1": "not globally routable",
    "100.64.0.1": "not globally routable",
    "169.254.169.254": "link-local",
    "198.18.0.1": "not globally routable",
    "224.0.0.1": "multicast",
    "239.1.1.1": "multicast",
    "240.0.0.1": "not globally routable",
    "255.255.255.255": "not globally routable",
    "::": "unspecified",
    "::1": "loopback",
    "fe80::1": "link-local",
    "fe80::1%eth0": "link-local",
    "fc00::1": "not globally routable",
    "fec0::1": "site-local",
    "ff0e::1": "multicast",
    "2001:db8::1": "not globally routable",
    "::ffff:127.0.0.1": "leads to 127.0.0.1",
    "::ffff:10.0.0.1": "leads to 10.0.0.1",
    "::127.0.0.1": "IPv4-compatible",
    "64:ff9b::a9fe:a9fe": "leads to 169.254.169.254",
    "64:ff9b:1::a00:1": "not globally routable",
    "64:ff9b:1::808:808": "not globally routable",
    "64:ff9b:1:7f00:0:100:808:808": "not globally routable",
    "::ffff:0:7f00:1": "not globally routable",
    "::ffff:0:808:808": "not globally routable",
    "192.0.0.8": "not globally routable",
    "192.0.0.192": "not globally routable",
    "::ffff:192.0.0.192": "leads to 192.0.0.192",
    "64:ff9b::c000:c0": "leads to 192.0.0.192",
    "3fff::1": "not globally routable",
    "5f00::1": "not globally routable",
    "2002:7f00:1::1": "leads to 127.0.0.1",
    "2002:a9fe:a9fe::": "leads to 169.254.169.254",
    "2001:0:4136:e378:8000:63bf:3fff:fdd2": "not globally routable",
    "localhost": "not an IP address",
}
PASSED = [
    "8.8.8.8",
    "1.1.1.1",
    "192.0.0.9",
    "192.0.0.10",
    "192.0.1.1",
    "2606:4700:4700::1111",
    "::ffff:8.8.8.8",
    "64:ff9b::808:808",
    "2002:808:808::1",
]


@pytest.mark.parametrize(("address", "rule"), REFUSED.items())
def test_refuses_what_is_not_globally_routable_and_names_the_rule(address, rule):
    with pytest.raises(EgressRefused, match=rule):
        Guard().check(address)


@pytest.mark.parametrize("address", PASSED)
def test_lets_globally_routable_addresses_pass(address):
    Guard().check(address)


def test_a_refusal_names_the_address_and_the_option_that_lifts_it():
    with pytest.raises(EgressRefused) as refused:
        Guard().check("::ffff:127.0.0.1")
    assert "127.0.0.1" in str(refused.value)
    assert "egress.allow_networks" in str(refused.value)
    assert isinstance(refused.value, OSError)


@pytest.mark.parametrize("address", ["10.0.0.7", "::ffff:10.0.0.7", "2002:a00:7::1"])
def test_a_listed_network_passes_however_it_is_written(address):
    Guard(["10.0.0.0/24"]).check(address)


def test_a_listed_network_lets_nothing_else_pass():
    guard = Guard(["10.0.0.0/24", "fd00::/8"])
    guard.check("10.0.0.7")
    guard.check("fd12::1")
    for address in ("10.0.1.7", "127.0.0.1", "::1", "fc00::1"):
        with pytest.raises(EgressRefused):
            guard.check(address)


def test_an_answer_that_was_given_once_is_given_again():
    guard = Guard()
    for _ in range(2):
        guard.check("8.8.8.8")
        with pytest.raises(EgressRefused):
            guard.check("10.0.0.1")


def test_a_network_that_is_none_is_an_error_at_once():
    with pytest.raises(ValueError, match=r"10\.0\.0\.0/99"):
        Guard(["10.0.0.0/99"])
