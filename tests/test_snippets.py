"""What a site pastes: exact, escaped, and nothing that the proxy would refuse."""

import pytest

from edgeproxy.snippets import PLACEHOLDER, PLATFORMS, Tag, endpoint_of, snippet


def test_the_plain_tag_is_one_line_with_its_policy() -> None:
    made = snippet(Tag(endpoint="https://edge.example.com"))
    assert made.code == '<script async src="https://edge.example.com/s.js"></script>'
    assert made.policy == (
        "script-src https://edge.example.com; connect-src https://edge.example.com"
    )
    assert made.place == "in the <head> of every page"


def test_a_prefix_stands_in_the_tag_and_not_in_the_policy() -> None:
    made = snippet(Tag(endpoint="https://WWW.example.com:443/edge/"))
    assert made.code == '<script async src="https://www.example.com/edge/s.js"></script>'
    assert made.policy == (
        "script-src https://www.example.com; connect-src https://www.example.com"
    )


def test_every_option_that_differs_from_the_default_is_an_attribute() -> None:
    tag = Tag(endpoint=PLACEHOLDER, consent="implied", name="px", auto=False)
    assert snippet(tag).code == (
        '<script async src="https://edge.example.com/s.js" data-consent="implied" '
        'data-global="px" data-auto="false"></script>'
    )


def test_a_local_proxy_may_be_http() -> None:
    assert endpoint_of("http://localhost:8000/") == "http://localhost:8000"


@pytest.mark.parametrize(
    "endpoint",
    [
        "",
        "edge.example.com",
        "http://edge.example.com",
        "https://edge.example.com/s.js?x=1",
        "https://edge.example.com/#x",
        'https://edge.example.com/"><script>',
        "https://edge.example.com/a b",
        "https://user@edge.example.com",
        "javascript:alert(1)",
        "https://[::1",
    ],
)
def test_an_endpoint_that_browsers_would_not_take_is_refused(endpoint: str) -> None:
    with pytest.raises(ValueError, match=r"."):
        endpoint_of(endpoint)


@pytest.mark.parametrize("name", ["a b", "1a", 'x"y', "a-b", "é"])
def test_names_are_names_of_variables(name: str) -> None:
    with pytest.raises(ValueError, match="variable"):
        snippet(Tag(endpoint=PLACEHOLDER, name=name))


@pytest.mark.parametrize("platform", PLATFORMS)
def test_every_platform_has_its_text(platform: str) -> None:
    made = snippet(Tag(endpoint=PLACEHOLDER), platform=platform)
    assert PLACEHOLDER in made.code
    assert made.place
    assert PLACEHOLDER in made.policy
