"""The pages in a real browser."""

from pathlib import Path

from tests.support.harness import Stack, node
from tests.support.people import Guarded


def test_a_person_sends_a_sample_and_sees_it(stack: Stack, tmp_path: Path) -> None:
    picture = tmp_path / "page.png"
    with node("test-page.mjs", stack.url, picture) as browser:
        assert browser.wait(90) == 0, browser.output
        assert "the page works" in browser.output
    assert picture.stat().st_size > 10_000
    assert stack.rows("SELECT hr, temp, eda FROM history_stress WHERE device_id = 'PAGE_1' ORDER BY id LIMIT 1") == [
        (81.0, 36.5, None)
    ]


def test_a_person_reads_both_documents(shared_stack: Stack, tmp_path: Path) -> None:
    with node("docs-page.mjs", shared_stack.url, tmp_path) as browser:
        assert browser.wait(90) == 0, browser.output
        assert "both documents are shown" in browser.output


def test_a_person_signs_in_and_out(tmp_path: Path) -> None:
    made = Guarded(tmp_path)
    with made.stack:
        secrets = [made.tokens["vera"], made.tokens["alice"]]
        with node("login-page.mjs", made.stack.url, tmp_path, "vera", secrets[0], "alice", secrets[1]) as browser:
            assert browser.wait(90) == 0, browser.output
            assert "signing in works" in browser.output
        assert made.stack.rows("SELECT hr FROM history_stress WHERE device_id = 'alice'") == [(83.0,)]
    assert not any(secret in made.stack.output for secret in secrets)
