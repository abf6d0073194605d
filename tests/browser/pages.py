"""The pages of the scenarios: what a site owner writes, and nothing for our convenience."""

import json
from dataclasses import dataclass
from html import escape

from tests.edge import PIXEL

ORDER = {
    "order_id": "ORDER",
    "total": 129.99,
    "currency": "USD",
    "products": [
        {"product_id": "SKU-A", "price": 49.99, "quantity": 2},
        {"product_id": "SKU-B", "price": 30.01, "quantity": 1},
    ],
}

_STUB = "window.edge = window.edge || []"

_THANKS = f"""{_STUB}
const order = {json.dumps(ORDER)}
order.order_id = location.hostname.split('.')[1] + '-order'
edge.push(['track', 'Order Completed', order])"""

_ROUTER = "history.replaceState(null, '', location.pathname)"
"""Cleans the address before any tag has loaded, as routers of single-page sites do."""

_FORM = """<form action="/next"><input name="email" type="email"><button>Sign up</button></form>
<script>
document.forms[0].addEventListener('submit', (event) => {
  edge.identify({email: event.target.email.value})
  edge.track('Signed Up', {sign_up_method: 'form'})
  // What is typed goes to nobody's log of addresses.
  event.target.email.disabled = true
})
</script>"""

_SHOWN = """addEventListener('pageshow', (event) => { window.kept = event.persisted })"""

_SENT = """const own = window.fetch
window.sent = []
window.fetch = (url, options) => {
  sent.push(options.body)
  return own(url, options)
}"""
"""What this tab sends, for what no server can tell: which of several tabs it was."""

_SNAP = f"""<!-- Snap Pixel Code -->
<script type='text/javascript'>
(function(e,t,n){{if(e.snaptr)return;var a=e.snaptr=function()
{{a.handleRequest?a.handleRequest.apply(a,arguments):a.queue.push(arguments)}};
a.queue=[];var s='script';r=t.createElement(s);r.async=!0;
r.src=n;var u=t.getElementsByTagName(s)[0];
u.parentNode.insertBefore(r,u);}})(window,document,
'https://sc-static.net/scevent.min.js');

snaptr('init', '{PIXEL}', {{
'user_email': '__INSERT_USER_EMAIL__'
}});

snaptr('track', 'PAGE_VIEW');

</script>
<!-- End Snap Pixel Code -->"""
"""Snap's own snippet, letter by letter, as its Ads Manager hands it out."""

_MANAGER = """let listener
window.__tcfapi = (command, version, callback) => { listener = callback }
window.decide = (yes) => listener({
  eventStatus: 'useractioncomplete', gdprApplies: true, listenerId: 1,
  purpose: {consents: {1: yes, 7: yes}}, vendor: {consents: {}}
}, true)"""
"""A consent manager as the TCF has it: a listener is told when the visitor has decided."""

_LAYER = """window.dataLayer = window.dataLayer || []
function gtag() { dataLayer.push(arguments) }
gtag('event', 'view_item', {currency: 'USD', value: 5, items: [{item_id: 'SKU-A', price: 5}]})"""

_PREVENTED = f"""document.cookie = 'by_script=1; path=/; domain=.' +
  location.hostname.slice(4) + '; max-age={395 * 86_400}'
document.cookie = '_scid=0b1f3c3e-8a1c-4a4e-9d5e-0123456789ab; path=/; domain=.' +
  location.hostname.slice(4) + '; max-age={395 * 86_400}'"""
"""A script's cookie, and `_scid` as Snap's pixel would have left it."""


@dataclass(frozen=True)
class Page:
    """One page.

    Attributes:
        script: In its head, before the tag.
        body: What is seen.
        tag: The tag's further attributes; None leaves the tag out.
        policy: Its Content-Security-Policy, with EDGE for the proxy's address.
        head: More of its head, after the tag.
    """

    script: str = ""
    body: str = "<h1>A page</h1>"
    tag: str | None = ""
    policy: str = ""
    head: str = ""

    def html(self, *, edge: str, consent: str) -> str:
        """The document, for a proxy at `edge` and a site with this rule of consent."""
        script = f"<script>{self.script}</script>" if self.script else ""
        rule = f' data-consent="{escape(consent)}"' if consent != "required" else ""
        tag = (
            "" if self.tag is None else f'<script async src="{edge}/s.js"{rule}{self.tag}></script>'
        )
        head = self.head.replace("https://sc-static.net", edge)
        return (
            f'<!doctype html><html lang="en"><head><meta charset="utf-8"><title>A page</title>'
            f"<link rel=icon href=data:,>{script}{tag}{head}</head><body>{self.body}</body></html>"
        )


PAGES = {
    "/": Page(script=_STUB),
    "/next": Page(),
    "/app": Page(script=_ROUTER),
    "/thanks": Page(script=_THANKS),
    "/form": Page(body=_FORM),
    "/tab": Page(script=_SENT),
    "/shown": Page(script=_SHOWN),
    "/elsewhere": Page(tag=None),
    "/gpc": Page(script="Object.defineProperty(navigator, 'globalPrivacyControl', {value: true})"),
    "/snap": Page(tag=None, head=_SNAP),
    "/manager": Page(script=_MANAGER, tag=' data-cmp="tcf"'),
    "/layer": Page(script=_LAYER, tag=' data-layer="dataLayer"'),
    "/locked": Page(
        tag=' data-layer="dataLayer"',
        policy="default-src 'none'; script-src EDGE; connect-src EDGE",
    ),
    "/trusted": Page(
        tag=' data-layer="dataLayer"',
        policy="require-trusted-types-for 'script'; trusted-types 'none'",
    ),
    "/prevented": Page(script=_PREVENTED),
}
