"""`edgeproxy nginx`: the configuration on stdout, and faults that say what would do."""

import pytest

from edgeproxy.cli import main
from edgeproxy.front import Front, configuration

Output = pytest.CaptureFixture[str]


@pytest.mark.parametrize(
    ("args", "front"),
    [
        (["--domain", "edge.example.com"], Front()),
        (["--domain", "Edge.Shop.TEST"], Front(domain="edge.shop.test")),
        (
            ["--domain", "www.example.com", "--mode", "path", "--prefix", "/px/"],
            Front(mode="path", domain="www.example.com", prefix="/px"),
        ),
        (
            ["--domain", "edge.example.com", "--site", "www.example.com", "--mode", "path"],
            Front(mode="path", domain="www.example.com", site="www.example.com"),
        ),
        (
            ["--domain", "www.example.com", "--mode", "html", "--backend", "127.0.0.1:3000"],
            Front(mode="html", domain="www.example.com", backend="127.0.0.1:3000"),
        ),
        (
            ["--domain", "edge.example.com", "--site", "www.example.com", "--mode", "html"],
            Front(mode="html", site="www.example.com"),
        ),
        (
            ["--domain", "edge.example.com", "--upstream", "10.0.0.7:9000"],
            Front(upstream="10.0.0.7:9000"),
        ),
    ],
)
def test_the_file_is_printed_and_nothing_else(
    args: list[str], front: Front, capsys: Output
) -> None:
    assert main(["nginx", *args]) == 0
    said = capsys.readouterr()
    assert (said.out, said.err) == (configuration(front), "")


def test_a_site_that_changes_nothing_is_pointed_out(capsys: Output) -> None:
    assert main(["nginx", "--domain", "edge.example.com", "--site", "www.example.com"]) == 0
    said = capsys.readouterr()
    assert said.out == configuration(Front())
    assert said.err == "edgeproxy: --site is for the modes path and html; it changes nothing\n"


@pytest.mark.parametrize(
    ("args", "sentence"),
    [
        ([], "Missing option '--domain'"),
        (["--domain", "https://a.example"], "Invalid value for '--domain': must "),
        (["--domain", "a.example", "--site", "a b"], "Invalid value for '--site': must "),
        (["--domain", "a.example", "--prefix", "edge"], "such as /edge"),
        (["--domain", "a.example", "--upstream", "8000"], "such as 127.0.0.1:8000"),
        (["--domain", "a.example", "--backend", "x;y:1"], "Invalid value for '--backend'"),
        (["--domain", "a.example", "--mode", "cname"], "'cname' is not one of"),
    ],
)
def test_wrong_usage_says_what_would_do(args: list[str], sentence: str, capsys: Output) -> None:
    assert main(["nginx", *args]) == 2
    said = capsys.readouterr()
    assert said.out == ""
    assert sentence in said.err
