"""What a visitor has not agreed to does not happen."""

import pytest

from tests.browser.engine import Engine, Visitor
from tests.browser.site import Stage
from tests.until import until

pytestmark = pytest.mark.browser

AD = "/?ScCid=click-of-the-asked"


def test_before_a_yes_nothing_after_it_everything_after_a_no_nothing_again(
    visitor: Visitor, stage: Stage
) -> None:
    site, tab = stage.site(), visitor.tab()
    site.visit(tab, AD)
    site.visit(tab, "/next")
    site.visit(tab, AD)
    assert (site.asked, visitor.cookies(site.edge)) == ([], {})
    assert tab.run("localStorage.length") == 0

    tab.run("void edge.consent({ad: true})")
    event = site.arrived("PAGE_VIEW")
    jar = until(lambda: visitor.cookies(site.edge), "the answer has come, too")
    assert set(jar) == {"_scid", "_scclid", "edge"}
    assert (event["click_id"], event["uuid_c1"]) == ("click-of-the-asked", jar["_scid"].value)

    tab.run("void edge.consent({ad: false})")
    until(lambda: set(visitor.cookies(site.edge)) == {"edge_optout"}, "the cookies are gone")
    asked = len(site.asked)
    site.visit(tab, AD)
    site.visit(tab, "/next")
    assert len(site.asked) - asked <= 1  # a refusal may be told again, an event may not
    assert not [head for head in site.asked[asked:] if head.line.startswith("POST /e ")]
    assert set(visitor.cookies(site.edge)) == {"edge_optout"}
    site.arrived("PAGE_VIEW")


def test_global_privacy_control_outweighs_a_yes(engine: Engine, stage: Stage) -> None:
    """The tag obeys it; where the browser sends the header, the proxy does on its own, too."""
    site = stage.site("implied")
    with engine.visitor(gpc=True) as visitor:
        tab = visitor.tab()
        path = "/" if engine.sends_gpc else "/gpc"
        site.visit(tab, path)
        tab.run("void edge.consent({ad: true})")
        tab.run("void edge.track('Order Completed', {total: 5, currency: 'USD'})")
        site.visit(tab, path)
        assert not [head for head in site.asked if head.line.startswith("POST /e ")]
        if engine.sends_gpc:
            batch = "{v: 1, consent: {ad: true}, events: [{name: 'page'}]}"
            answer = tab.run(
                f"fetch('{site.edge}/e', {{method: 'POST', credentials: 'include',"
                f" body: JSON.stringify({batch})}}).then((answer) => answer.json())"
            )
            assert answer["dropped"] == {"gpc": 1}
        assert visitor.cookies(site.edge) == {}
    assert site.events == []


def test_a_consent_manager_decides(visitor: Visitor, stage: Stage) -> None:
    site, tab = stage.site(), visitor.tab()
    site.visit(tab, "/manager")
    until(
        lambda: tab.run("(() => { try { decide(true); return true } catch { return false } })()"),
        "the adapter listens",
    )
    site.arrived("PAGE_VIEW")
    tab.run("void decide(false)")
    until(lambda: set(visitor.cookies(site.edge)) == {"edge_optout"}, "the cookies are gone")
