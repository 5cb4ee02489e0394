"""Secrets of command lines, settings, labels and attributes are not in traces."""

from __future__ import annotations

import os
import shlex
import stat
import sys
import threading

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import fwmemtrace
from fwmemtrace import phase
from fwmemtrace.errors import SettingsError
from fwmemtrace.records import PhaseBegin, SessionBegin
from fwmemtrace.redaction import REDACTED, Redactor

SECRET = "hunter2hunter2hunter2"
GITHUB = "ghp_" + "a1" * 18
JWT = "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxMjM0In0.c2lnbmF0dXJl"


@pytest.mark.parametrize(
    "arguments",
    [
        f"--token {SECRET}",
        f"--token={SECRET}",
        f"--api-key {SECRET}",
        f"--apiKey={SECRET}",
        f"--db.password={SECRET}",
        f"DB_PASSWORD={SECRET}",
        f"AWS_SECRET_ACCESS_KEY={SECRET}",
        f"-H 'Authorization: Bearer {SECRET}'",
        f"-H 'authorization: Basic {SECRET}'",
        f"-H 'X-Api-Key: {SECRET}'",
        f"--db postgres://user:{SECRET}@db.example.org/x",
        f"--db=redis://:{SECRET}@db:6379",
        f"https://{SECRET}@github.com/a/b",
        f"'https://example.org/?size=1&token={SECRET}&x=2'",
        f'-c \'connect(user="a", password="{SECRET}")\'',
        f"""--config '{{"password": "{SECRET}"}}'""",
        f"--header='Cookie: session={SECRET}'",
        f"--passphrase {SECRET}",
        f"--credentials {SECRET}",
        f"-p {SECRET}",
        f"--pw {SECRET}",
        f"--otp {SECRET}",
        f"-u user:{SECRET}",
        f"-c 'mysql --password {SECRET} -u root'",
        f"-H 'Cookie: a=b; session={SECRET}'",
        f"postgres://user:a/b#c?d{SECRET}@db/x",
        f"'https://example.org/?key={SECRET}&x=2'",
        f"""--config '{{\\"password\\": \\"{SECRET}\\"}}'""",
        f"'-----BEGIN PGP PRIVATE KEY BLOCK-----\n{SECRET}'",
        f"'-----BEGIN RSA PRIVATE KEY-----\n{SECRET}\n-----END RSA PRIVATE KEY-----'",
        f"'-----BEGIN PRIVATE KEY-----\n{SECRET}'",
        f"--session-id={SECRET}",
        f"--csrf {SECRET}",
        f"sid={SECRET}",
        f"'https://example.org/callback?code={SECRET}&state=1'",
        f"-uuser:{SECRET}",
        f"-c 'curl -u user:{SECRET} https://example.org'",
        f"-c 'curl --user user:{SECRET} https://example.org'",
        f"-c 'mysql -h db -p{SECRET} -u root'",
        f"-c 'sshpass -p {SECRET} ssh host'",
        f"-c 'docker login -u me -p {SECRET} registry'",
        f"--message \"the password is '{SECRET}'\"",
        f"--message 'token {SECRET} has expired'",
        f"--azure 'AccountName=a;AccountKey={SECRET};EndpointSuffix=core.windows.net'",
    ],
)
def test_a_secret_is_not_in_the_command(arguments):
    shown = Redactor().arguments(["python", "app.py", *shlex.split(arguments), "--verbose"])
    assert SECRET not in " ".join(shown)
    assert shown[-1] == "--verbose"


@pytest.mark.parametrize(
    "token",
    [
        GITHUB,
        JWT,
        "AKIAIOSFODNN7EXAMPLE",
        "sk-proj-" + "a1" * 12,
        "sk_live_" + "a1" * 12,
        "glpat-" + "a1" * 10,
        "xoxb-1234567890-" + "a1" * 8,
        "hf_" + "aB" * 17,
        "AIza" + "aB3" * 12,
        "npm_" + "aB" * 18,
        "github_pat_" + "a1" * 20,
        "dapi" + "0a" * 16,
        "AGE-SECRET-KEY-1" + "QPZRY9X8GF2TVDW0S3JN",
        "1234567890:AA" + "aB3_" * 8,
        "aB3daB3d7XkQ2mZ5pL8w",  # of nobody's that is known, but drawn
        "aB3da+B3d7XkQ2m/Z5pL8wQ7rT2/yU9iO4pA6sD8f",
        "4111 1111 1111 1111",
        "5500-0000-0000-0004",
        "378282246310005",
    ],
)
def test_a_well_known_token_is_replaced_wherever_it_stands(token):
    redactor = Redactor()
    assert redactor.text(f"before {token} behind") == f"before {REDACTED} behind"
    assert redactor.arguments([token]) == [REDACTED]
    assert redactor.attributes({"note": token}) == {"note": REDACTED}


@pytest.mark.parametrize(
    "command",
    [
        "fwmemtrace run -o trace.bin --probes native app.py --verbose",
        "app.py --max-tokens 512 --tokens=100 --tokenizer bert --keyboard us --key-file /etc/x --cache-key abc",
        "app.py --token-count 5 --password-file /run/pw --auth-type basic --monkey a=b=c",
        "app.py https://example.org/a?b=c user@example.org C:/a/b 12:30:01 -x",
        "uvicorn app:app --host 0.0.0.0 --port 8000",
        "app.py -p 8000 -p resident,imports -p no:x -p src/app -u script.py --user bob -u 1000:1000",
        "app.py https://example.org:8080/a?mail=user@example.org",
        "app.py paraphrase-multilingual-MiniLM-L12-v2 9fceb02d0ae598e95dc970b74767f19372d61af8",
        "app.py TestHTTP2ConnectionPoolManager",
        "app.py hf_model_v2_loading_phase sk-learn-random-forest dapi/routes/users/list_all xai-explainer-pipeline-2",
        "app.py the token count is 128000 and the password reset page, 4096 4111111111111112 1732723459123456789",
        "app.py 123e4567-e89b-12d3-a456-426614174000 /home/a/.cache/huggingface/hub/models--BAAI--bge-small-en-v1.5",
    ],
)
def test_what_is_no_secret_stays(command):
    assert Redactor().arguments(command.split()) == command.split()


SECRET_NAMES = [
    "session_id", "sessionId", "SESSION-ID", "sid", "PHPSESSID", "JSESSIONID", "cookie", "sessionCookie", "csrf",
    "csrf_token", "xsrf-token", "jwt", "bearer", "private_key", "privatekey", "client_secret", "access_token",
    "refreshToken", "id_token", "x-api-key", "totp", "mfa_code", "cvv", "card_number", "creditCard", "iban", "ssn",
    "creds", "AWS_SECRET_ACCESS_KEY", "hmac", "sas_token", "db.password", "signing_key", "account_key", "passkey",
]  # fmt: skip
HARMLESS_NAMES = [
    "token_count", "max_tokens", "tokens_per_second", "tokenizer", "pad_token", "eosToken", "mask_token",
    "token_ids", "author", "password_reset", "session", "session_count", "cookie_count", "key", "keyboard",
    "monkey", "passenger", "bypass", "authority", "csrf_enabled", "jwt_alg", "keys", "public_key", "primary_key",
    "cache_key", "first_pass", "num_passes", "design", "assignment", "side", "sidecar", "input_ids", "credits",
    "card_count", "discard", "inside", "tokenization", "secretary", "consider", "authors", "password_policy",
    "signal",
]  # fmt: skip


@pytest.mark.parametrize("name", SECRET_NAMES)
def test_a_name_of_a_secret(name):
    redactor = Redactor()
    assert redactor.attributes({name: "a value"}) == {name: REDACTED}
    assert redactor.text(f"{name}=value1") == f"{name}={REDACTED}"
    assert redactor.text(f"{{'{name}': 'value1'}}") == f"{{'{name}': {REDACTED}}}"
    assert redactor.arguments([f"--{name}", "value1"]) == [f"--{name}", REDACTED]


@pytest.mark.parametrize("name", HARMLESS_NAMES)
def test_a_harmless_name(name):
    redactor = Redactor()
    assert redactor.attributes({name: "a value"}) == {name: "a value"}
    assert redactor.text(f"{name}=value1") == f"{name}=value1"
    if name != "key":  # of an option, it is one
        assert redactor.arguments([f"--{name}", "value1"]) == [f"--{name}", "value1"]


@settings(max_examples=60)
@given(
    st.sampled_from(SECRET_NAMES),
    st.text("abcdefghijkmnpqrstuvwxyzABCDEFGHJKLMNPQRSTUVWXYZ", min_size=10, max_size=30),
    st.sampled_from(
        ["{0}={1}", "a {0}: {1}", "--{0} {1}", "{{'{0}': '{1}'}}", "https://h/?a=1&{0}={1}&b=2", "{0} = {1};"]
    ),
    st.text("abc 12=:'-/", max_size=10),
)
def test_a_named_secret_is_found_in_any_text(name, secret, form, around):
    """Of letters only, as those of no known shape are."""
    text = f"{around} {form.format(name, secret)}"
    assert secret not in Redactor().text(text)


@pytest.mark.parametrize(
    ("text", "secret"),
    [
        ("curl -H 'Authorization: ApiKey abc123' x", "abc123"),
        ("Config(secret_key=SecretStr('abc 123'))", "123"),
        ("{'token': b'abc123'}", "abc123"),
        ('{"password": "hun\\"ter2"}', "ter2"),
        ("password => 'abc'", "abc"),
        ("api_key := abc", "abc"),
        ("<password>abc123</password>", "abc123"),
        ("API key: abc123def", "abc123def"),
        ("curl -x proxy:80 -U me:abc", "abc"),
        ("curl --proxy-user me:abc", "abc"),
        ("keytool -storepass abc123", "abc123"),
        ("kubectl create --from-literal=pw=abc", "abc"),
        ("https://api.telegram.org/bot123456789:AAFabcdefghijklmnopqrstuvwxyz012345/send", "AAFabc"),
    ],
)
def test_a_secret_in_a_form_of_its_own(text, secret):
    assert secret not in Redactor().text(text)


@pytest.mark.parametrize("text", ["<title>abc</title>", "f('key', size=3)", "a := b", "<tokens>512</tokens>", "-U me"])
def test_a_form_without_a_secret(text):
    assert Redactor().text(text) == text


def test_attributes():
    redactor = Redactor()
    given = {"token": "x", "secret": 5, "password": True, "tokens": 7, "size": 1.5, "model": "minilm", "apiKey": "q"}
    shown = {"token": REDACTED, "secret": REDACTED, "password": True, "tokens": 7, "size": 1.5, "model": "minilm",
             "apiKey": REDACTED}  # fmt: skip
    assert redactor.attributes(given) == shown
    assert redactor.attributes(given) == shown  # from what it remembers
    assert redactor.attributes({"secret": 1}) == {"secret": REDACTED}  # though it has seen True


def test_own_patterns():
    redactor = Redactor([r"customer-\d+", "^tenant$"])
    assert redactor.arguments(["--for=customer-17", "--tenant", "acme"]) == [f"--for={REDACTED}", "--tenant", REDACTED]
    assert redactor.attributes({"tenant": "acme", "who": "customer-1 and b"}) == {
        "tenant": REDACTED,
        "who": f"{REDACTED} and b",
    }
    with pytest.raises(SettingsError, match=r"the argument redact: '\(' is not a regular expression"):
        fwmemtrace.session("never.bin", redact="(")


@settings(max_examples=50)
@given(st.text(), st.lists(st.text(max_size=10), max_size=5))
def test_it_takes_any_text(text, words):
    redactor = Redactor()
    redactor.text(text)
    assert len(redactor.arguments(words)) == len(words)
    redactor.attributes({text: text})


def test_a_trace_has_no_secrets(tmp_path, monkeypatch):
    monkeypatch.setattr(sys, "orig_argv", ["python", "app.py", "--token", SECRET])
    monkeypatch.setattr(sys, "argv", ["app.py", "--token", SECRET])
    labels = {"db.password": SECRET, "url": f"http://u:{SECRET}@h", "region": "eu"}
    service = f"shop password={SECRET}"
    with fwmemtrace.session(tmp_path / "t.bin", interval=0, labels=labels, redact=[SECRET[:8]], service=service):
        with phase("a", api_key=SECRET, url=f"http://u:{SECRET}@h", model="minilm", note=f"it is {SECRET}"):
            pass
    assert SECRET[:8].encode() not in (tmp_path / "t.bin").read_bytes()
    trace = fwmemtrace.read(tmp_path / "t.bin")
    (begin,) = [record for record in trace if isinstance(record, PhaseBegin)]
    assert begin.attributes is not None
    assert begin.attributes["model"] == "minilm"
    assert trace.processes[0].session().labels["region"] == "eu"


@pytest.mark.slow
def test_a_snapshot_has_no_secrets(tmp_path):
    over = threading.Event()
    thread = threading.Thread(target=over.wait, name=f"worker for token={SECRET}")
    thread.start()
    try:
        with fwmemtrace.session(tmp_path / "t.bin", interval=0):
            fwmemtrace.snapshot(f"password={SECRET}")
    finally:
        over.set()
        thread.join()
    assert SECRET.encode() not in (tmp_path / "t.bin").read_bytes()
    notes = " ".join(fwmemtrace.read(tmp_path / "t.bin").summary().trace.notes)
    assert f"password={REDACTED}" in notes
    assert f"worker for token={REDACTED}" in notes


@pytest.mark.parametrize("mode", ["", "production"])
def test_names_of_phases_have_no_secrets(mode, tmp_path):
    @phase("query https://me:hunter2@db.internal/x")
    def decorated():
        pass

    @phase("with ghp_abcdefghijklmnopqrstuvwxyz0123456789")
    def with_token():
        pass

    with fwmemtrace.session(tmp_path / "t.bin", mode=mode, redact=["ticket-[0-9]+"], interval=0):
        for number in range(30):
            decorated()
            with_token()
            with phase("GET https://me:hunter2@db.internal/x"), phase("password=hunter2"):
                pass
            with phase(f"ticket-{number}"):
                pass
    written = (tmp_path / "t.bin").read_bytes()
    assert [secret for secret in (b"hunter2", b"ghp_", b"ticket") if secret in written] == []
    rows = {row.names: row.calls for row in fwmemtrace.read(tmp_path / "t.bin").phases}
    url = f"https://{REDACTED}@db.internal/x"
    assert rows == {
        (f"query {url}",): 30,
        (f"with {REDACTED}",): 30,
        (f"GET {url}",): 30,
        (f"GET {url}", f"password={REDACTED}"): 30,
        (REDACTED,): 30,
        (): 1,
    }


@pytest.mark.parametrize(
    ("command", "arguments", "kept"),
    [
        (["python", "-X", "dev", "app.py", "a", "b"], ["app.py", "a", "b"], ["python", "-X", "dev", "app.py"]),
        (["python", "app.py"], ["app.py"], ["python", "app.py"]),
        (["python", "-c", "print(1)", "a"], ["-c", "a"], ["python", "-c"]),
    ],
)
def test_the_arguments_can_be_left_out(command, arguments, kept, tmp_path, monkeypatch):
    monkeypatch.setattr(sys, "orig_argv", command)
    monkeypatch.setattr(sys, "argv", arguments)
    with fwmemtrace.session(tmp_path / "t.bin", interval=0, record_arguments=False):
        pass
    (begin,) = [record for record in fwmemtrace.read(tmp_path / "t.bin") if isinstance(record, SessionBegin)]
    assert begin.command == kept


def test_an_undecodable_path_and_label_reach_the_worker(tmp_path, monkeypatch):
    monkeypatch.setenv("FWMEMTRACE_LABELS", os.fsdecode(b"region=\xe9u"))
    path = os.path.join(tmp_path, os.fsdecode(b"caf\xe9.bin"))
    with fwmemtrace.session(path, interval=0):
        from fwmemtrace.recording.workers import inherited

        found = inherited()
    assert found is not None
    assert found.settings.target == path
    assert found.settings.labels == {"region": os.fsdecode(b"\xe9u")}


@pytest.mark.slow
def test_a_capture_has_no_secrets_and_is_private(tmp_path, monkeypatch):
    pytest.importorskip("memray")
    other = tmp_path / "other"
    other.write_bytes(b"kept")
    (tmp_path / "t.bin.memray").symlink_to(other)
    argv = ["app.py", "--token", SECRET, os.fsdecode(b"\xe9")]
    monkeypatch.setattr(sys, "argv", argv)
    monkeypatch.setattr(sys, "orig_argv", ["python", *argv])
    with fwmemtrace.session(tmp_path / "t.bin", probes=["native"], interval=0):
        assert stat.S_IMODE((tmp_path / "t.bin.memray").lstat().st_mode) == 0o600
        assert sys.argv is argv
        with phase("a"):
            pass
    trace = fwmemtrace.read(tmp_path / "t.bin")
    assert trace["a"].native is not None
    assert SECRET.encode() not in (tmp_path / "t.bin").read_bytes()
    assert other.read_bytes() == b"kept"
