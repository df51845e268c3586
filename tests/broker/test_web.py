"""The port for browsers: the log's tiles read by the specification alone, one-time links, and what is refused."""

from __future__ import annotations

import base64
import gzip
import hashlib
import http.client
import logging
import ssl
import struct
import threading
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from hefu.errors import Malformed, Unauthenticated, Unavailable
from hefu_broker.membership import visits
from hefu_broker.rooms import Spaces
from hefu_broker.settings import Settings
from hefu_broker.storage.spaces import SqlSpaceStore
from hefu_broker.web import app
from hefu_broker.web.listener import Listener

from tests.broker.site import Site
from tests.broker.world import Person, World

JOURNALLED = 300  # one full tile and a part


def journal(site: Site, who: Person, count: int = JOURNALLED) -> None:
    log = site.world.rooms.log
    for start in range(0, count, 100):
        said = [who.says("computation.sealed", {"computation": f"cmp-{each}"}) for each in range(start, start + 100)]
        log.append(who.caller, said)
    site.world.sequenced()


# A reader that knows the texts of C2SP tlog-tiles, tlog-checkpoint, signed-note and RFC 6962, and none of our code.


def node(left: bytes, right: bytes) -> bytes:
    return hashlib.sha256(b"\x01" + left + right).digest()


def merkle(hashes: list[bytes]) -> bytes:
    """MTH over leaf hashes, as RFC 6962 section 2.1 has it."""
    if len(hashes) == 1:
        return hashes[0]
    split = 1
    while split * 2 < len(hashes):
        split *= 2
    return node(merkle(hashes[:split]), merkle(hashes[split:]))


def tile_path(level: str, index: int, width: int) -> str:
    digits = f"{index:0{-(-len(str(index)) // 3) * 3}d}"
    groups = [digits[each : each + 3] for each in range(0, len(digits), 3)]
    named = "/".join([*(f"x{each}" for each in groups[:-1]), groups[-1]])
    return f"/tile/{level}/{named}" + (f".p/{width}" if width < 256 else "")


def read_note(note: str, vkey: str) -> tuple[str, int, bytes]:
    """Origin, size and root of a note that the key of a vkey signed."""
    name, hashed, key = vkey.split("+", 2)
    raw = base64.b64decode(key)
    assert raw[0] == 1
    assert hashlib.sha256(name.encode() + b"\n" + raw).digest()[:4].hex() == hashed
    text, signatures = note.rsplit("\n\n", 1)
    lines = [each for each in signatures.splitlines() if each.startswith(f"— {name} ")]
    signature = base64.b64decode(lines[0].rsplit(" ", 1)[1])
    assert signature[:4].hex() == hashed
    Ed25519PublicKey.from_public_bytes(raw[1:]).verify(signature[4:], text.encode() + b"\n")
    origin, size, root = text.split("\n")
    return origin, int(size), base64.b64decode(root)


def leaves(get: Callable[[str], bytes], size: int) -> list[bytes]:
    data = b"".join(get(tile_path("0", start // 256, min(256, size - start))) for start in range(0, size, 256))
    return [data[each : each + 32] for each in range(0, len(data), 32)]


def test_a_reader_of_the_specification_rebuilds_the_root_and_verifies_the_note(site: Site, provider: Person) -> None:
    journal(site, provider)
    status, headers, note = site.ask("/checkpoint")
    assert (status, headers["content-type"], headers["cache-control"]) == (200, "text/plain; charset=utf-8", "no-cache")
    origin, size, root = read_note(note.decode(), site.world.space.log_key)
    assert origin == site.world.space.log_origin
    assert size > JOURNALLED
    hashes = leaves(site.get, size)
    assert merkle(hashes) == root
    above = site.get(tile_path("1", 0, size // 256))
    assert above == merkle(hashes[:256])
    assert site.get("/space/demo/checkpoint") == note


def test_entries_hash_to_the_leaves_of_their_tile_and_go_to_who_may_read_them(
    site: Site, provider: Person, regulator: Person
) -> None:
    journal(site, provider)
    _, size, _ = read_note(site.get("/checkpoint").decode(), site.world.space.log_key)
    path, width = tile_path("entries", 1, size - 256), size - 256
    status, headers, body = site.ask(path)
    assert (status, headers["content-type"]) == (403, "text/plain; charset=utf-8")
    assert b"one-time link" in body
    cookie = site.enter(regulator, visits.LOG)
    status, headers, body = site.ask(path, cookie=cookie, accept_encoding="gzip")
    assert (status, headers["content-type"], headers["content-encoding"]) == (200, "application/octet-stream", "gzip")
    assert headers["cache-control"].startswith("private, max-age=")
    data, found = gzip.decompress(body), []
    while data:
        (length,) = struct.unpack(">H", data[:2])
        found.append(hashlib.sha256(b"\x00" + data[2 : 2 + length]).digest())
        data = data[2 + length :]
    assert b"".join(found) == site.get(tile_path("0", 1, width))


def test_a_participant_gets_bundles_of_its_own_entries_and_no_others(
    site: Site, provider: Person, consumer: Person
) -> None:
    journal(site, provider, 600)
    own, other = site.enter(provider, visits.LOG), site.enter(consumer, visits.LOG)
    assert site.ask("/tile/entries/001", cookie=own)[0] == 200
    status, _, body = site.ask("/tile/entries/001", cookie=other)
    assert (status, b"256 to 511" in body) == (403, True)
    assert site.ask("/tile/entries/001", cookie=f"hefu-log-demo={'A' * 43}")[0] == 403


ABSENT = """
    /tile/0/002 /tile/0/001.p/200 /tile/1/000.p/2 /tile/2/000.p/1 /tile/63/000.p/1
    /tile/0/x999/x999/x999/x999/x999/x999/x999/999 /tile/0/000.p/256 /tile/0/000.p/0 /tile/0/000.p/01 /tile/0/0
    /tile/0/x000/000 /tile/00/000 /tile/64/000 /tile/-1/000 /tile/0/000/ /tile/0//000 /tile/0/%D9%A0%D9%A0%D9%A0
    /tile/entries/002 /tile/entries/x000/000 /tile/ /tile/0/%2e%2e/000 /tile/0/000%0a /tile/0/000.p/1%00
"""


def test_what_is_not_under_the_published_checkpoint_or_spelt_otherwise_is_not_there(
    site: Site, provider: Person
) -> None:
    journal(site, provider)
    reader = site.enter(provider, visits.LOG)
    assert {path: site.ask(path, cookie=reader)[0] for path in ABSENT.split()} == dict.fromkeys(ABSENT.split(), 404)


def test_what_is_committed_and_not_published_is_not_served(site: Site, provider: Person) -> None:
    site.world.sequenced()
    size = site.world.rooms.sequencer.newest[0]
    site.world.rooms.log.append(provider.caller, [provider.says("computation.sealed", {"computation": "cmp-1"})])
    site.world.rooms.sequencer.sequence()
    assert site.ask(tile_path("0", 0, size))[0] == 200
    assert site.ask(tile_path("0", 0, size + 1))[0] == 404
    site.world.rooms.sequencer.publish()
    assert site.ask(tile_path("0", 0, size + 1))[0] == 200
    assert "immutable" in site.ask(tile_path("0", 0, size))[1]["cache-control"]


def test_nothing_but_reading_is_possible_and_every_answer_says_how_little_a_page_may_do(site: Site) -> None:
    site.world.sequenced()
    for method in ("POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "PROPFIND"):
        assert site.ask("/checkpoint", method)[0] == 405
    for path in ("/checkpoint", "/nothing", "/openapi.json", "/docs", "/tile/0/900", "/space/other/checkpoint"):
        status, headers, _ = site.ask(path)
        assert status == (200 if path == "/checkpoint" else 404)
        assert "default-src 'self'" in headers["content-security-policy"]
        assert "frame-ancestors 'none'" in headers["content-security-policy"]
        assert "unsafe" not in headers["content-security-policy"]
        assert (headers["x-content-type-options"], headers["referrer-policy"]) == ("nosniff", "no-referrer")
        assert "server" not in headers
    status, headers, body = site.ask("/checkpoint", "HEAD")
    assert (status, body) == (200, b"")


def test_a_link_opens_once_whoever_tries_at_once(site: Site, provider: Person) -> None:
    path, found = site.link(provider, visits.LOG), []
    threads = [threading.Thread(target=lambda: found.append(site.ask(path)[0])) for _ in range(8)]
    for each in threads:
        each.start()
    for each in threads:
        each.join()
    assert sorted(found) == [200] + [403] * 7


def test_who_only_looks_at_a_link_does_not_use_it(site: Site, provider: Person) -> None:
    path = site.link(provider, visits.LOG)
    assert site.ask(path, "HEAD")[0] == 405 or site.ask(path, "HEAD")[0] == 404
    assert site.ask(path)[0] == 200


def test_links_and_visits_end(site: Site, provider: Person) -> None:
    site.world.sequenced()
    late = site.link(provider, visits.LOG)
    site.world.clock.move(minutes=5)
    assert site.ask(late)[0] == 403
    reader = site.world.rooms.visits
    secret = site.enter(provider, visits.LOG).partition("=")[2]
    assert reader.reader(secret, visits.LOG).participant == provider.id
    site.world.clock.move(minutes=59)
    reader.reader(secret, visits.LOG)
    site.world.clock.move(minutes=1)
    with pytest.raises(Unauthenticated):
        reader.reader(secret, visits.LOG)


def test_a_visit_is_to_the_one_page_that_its_link_was_for(site: Site, provider: Person) -> None:
    secret = site.enter(provider, visits.contract_page("agr-1")).partition("=")[2]
    reader = site.world.rooms.visits
    assert reader.reader(secret, "contracts/agr-1").participant == provider.id
    for page in ("contracts/agr-2", "contracts/agr-", visits.LOG, visits.CATALOG):
        with pytest.raises(Unauthenticated):
            reader.reader(secret, page)


def test_neither_a_link_nor_a_guess_nor_a_digest_is_the_secret_of_a_visit(site: Site, provider: Person) -> None:
    token = site.link(provider, visits.LOG).rpartition("/")[2]
    with site.world.rooms.database.engine.connect() as connection:
        kept = [row[0] for row in connection.exec_driver_sql("SELECT digest FROM page_visit")]
    assert token not in "".join(kept)
    for guess in ("", "x", token, "A" * 43, "=" * 43, *kept):
        with pytest.raises(Unauthenticated):
            site.world.rooms.visits.reader(guess, visits.LOG)
        assert site.ask(f"/open/{guess}")[0] in ((200,) if guess == token else (403, 404))


def test_what_a_browser_held_before_is_never_taken_up(site: Site, provider: Person) -> None:
    planted = f"hefu-log-demo={'B' * 42}A"
    cookie = site.enter(provider, visits.LOG, cookie=planted)
    assert cookie != planted
    with pytest.raises(Unauthenticated):
        site.world.rooms.visits.reader(planted.partition("=")[2], visits.LOG)


def test_a_visit_dies_with_the_standing_of_its_participant(site: Site, provider: Person) -> None:
    secret = site.enter(provider, visits.LOG).partition("=")[2]
    waiting = site.link(provider, visits.LOG)
    site.world.rooms.standings.suspend(provider.id, "a test")
    with pytest.raises(Unauthenticated):
        site.world.rooms.visits.reader(secret, visits.LOG)
    assert site.ask(waiting)[0] == 403


def test_cookies_are_strict_and_no_secret_stands_in_a_log(
    site: Site, provider: Person, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    path = site.link(provider, visits.contract_page("agr-1"))
    _, headers, body = site.ask(path)
    parts = {each.strip().lower() for each in headers["set-cookie"].split(";")[1:]}
    assert {"httponly", "samesite=strict", "path=/contracts/agr-1"} <= parts
    assert headers["cache-control"] == "no-store"
    secret, token = headers["set-cookie"].partition(";")[0].partition("=")[2], path.rpartition("/")[2]
    assert secret.encode() not in body
    assert token.encode() not in body
    assert token not in caplog.text
    assert secret not in caplog.text


def test_over_tls_the_certificate_is_the_brokers_and_follows_its_renewal(world: World, tmp_path: Path) -> None:
    from hefu_broker.bootstrap import _Identity

    now = datetime.now(UTC)
    world.clock.at = now - timedelta(hours=13)  # of a life of 24
    identity = _Identity(world.rooms, ("127.0.0.1", "space.example"))
    spaces = Spaces(world.rooms, SqlSpaceStore(world.rooms.database))
    world.sequenced()
    listener = Listener("127.0.0.1:0", app.make(spaces), identity)
    listener.start()
    try:
        context = ssl.create_default_context(cadata=world.space.transport_ca)
        context.check_hostname = False
        context.verify_flags |= ssl.VERIFY_X509_PARTIAL_CHAIN

        def serial() -> int:
            connection = http.client.HTTPSConnection("127.0.0.1", listener.number, context=context, timeout=30)
            connection.request("GET", "/checkpoint")
            assert connection.getresponse().status == 200
            der = connection.sock.getpeercert(binary_form=True) if connection.sock else None  # type: ignore[union-attr]
            connection.close()
            certificate = x509.load_der_x509_certificate(der or b"")
            names = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
            assert "space.example" in names.get_values_for_type(x509.DNSName)
            return certificate.serial_number

        first = serial()
        assert serial() == first
        world.clock.at = now
        assert serial() != first
    finally:
        listener.stop()


def test_without_tls_only_loopback_and_without_an_address_no_link(world: World, provider: Person) -> None:
    with pytest.raises(Malformed):
        Settings("demo", "broker", "n", "h:1", "h:2", "o", web="0.0.0.0:80", web_plain=True)
    with pytest.raises(Malformed):
        Settings("demo", "broker", "n", "h:1", "h:2", "o", web_url="javascript:alert(1)")
    with pytest.raises(Unavailable):
        world.rooms.visits.link(provider.caller, visits.LOG)
