"""The made-up shop: an ad, six things to buy, a cart, a checkout, and a visit a week later.

Ordinary pages and forms that work without JavaScript. What the tag shall hear of stands in data
attributes, which the shop's own script reads.
"""

from collections.abc import Mapping
from urllib.parse import parse_qs

import msgspec
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import Route

from edgeproxy.demo import goods, pages
from edgeproxy.demo.dock import dock
from edgeproxy.demo.forward import PREFIX, VISITOR_ADDRESS
from edgeproxy.demo.parts import Stage

FORM_BYTES = 16 * 1024
ORDERS_KEPT = 100

_CART = "cart"


class Told(msgspec.Struct, frozen=True, kw_only=True):
    """An event that a page tells the tag when it opens; `id` "" for a new one at each opening."""

    name: str
    properties: Mapping[str, object]
    id: str = ""


class Shop:
    """The shop's pages. Remembers the last orders, and nothing of who placed them."""

    def __init__(self, stage: Stage) -> None:
        self._stage = stage
        self._orders: dict[str, goods.Cart] = {}

    def routes(self) -> list[Route]:
        """All of them."""
        return [
            Route("/", self.ad),
            Route("/landing", self.landing),
            Route("/products", self.products),
            Route("/products/{slug}", self.product),
            Route("/cart", self.cart),
            Route("/cart", self.change_cart, methods=["POST"], max_body_size=FORM_BYTES),
            Route("/checkout", self.checkout),
            Route("/checkout", self.take_details, methods=["POST"], max_body_size=FORM_BYTES),
            Route("/payment", self.payment),
            Route("/payment", self.take_order, methods=["POST"], max_body_size=FORM_BYTES),
            Route("/thanks/{order_id}", self.thanks),
            Route("/welcome-back", self.welcome_back),
        ]

    async def ad(self, request: Request) -> Response:
        """What stands for Snapchat: an ad whose click carries an id. No tag is on this page."""
        return self._page(request, "ad.html", click_id=self._stage.new_id(), tagged=False)

    async def landing(self, request: Request) -> Response:
        """Where the ad leads."""
        return self._page(request, "landing.html", products=goods.PRODUCTS[:3])

    async def products(self, request: Request) -> Response:
        """Everything."""
        told = Told(name="Product List Viewed", properties=goods.list_properties(goods.PRODUCTS))
        return self._page(request, "products.html", told=told, products=goods.PRODUCTS)

    async def product(self, request: Request) -> Response:
        """One thing; 404 when there is none of that name."""
        product = goods.BY_SLUG.get(request.path_params["slug"])
        if product is None:
            raise HTTPException(404)
        properties = goods.product_properties(product)
        return self._page(
            request,
            "product.html",
            told=Told(name="Product Viewed", properties=properties),
            product=product,
            added={**properties, "quantity": 1},
            others=[each for each in goods.PRODUCTS if each is not product][:3],
        )

    async def cart(self, request: Request) -> Response:
        """What is in the cart."""
        return self._page(request, "cart.html")

    async def change_cart(self, request: Request) -> Response:
        """Put one more of a product into the cart, or take it out (`change=remove`)."""
        fields = await _fields(request)
        by = -goods.MOST_OF_ONE if fields.get("change") == "remove" else 1
        cart = goods.changed(_cart(request), fields.get("sku", ""), by)
        response = RedirectResponse("/cart", 303)
        response.set_cookie(_CART, goods.write_cart(cart), httponly=True, samesite="lax")
        return response

    async def checkout(self, request: Request) -> Response:
        """Who it is, filled in with nobody's data."""
        cart = _cart(request)
        if not cart:
            return RedirectResponse("/cart", 303)
        told = Told(name="Checkout Started", properties=goods.cart_properties(cart))
        return self._page(request, "checkout.html", told=told, person=goods.PERSON)

    async def take_details(self, request: Request) -> Response:
        """Go on. The shop forgets the details at once; the tag has been told by the page."""
        return RedirectResponse("/payment", 303)

    async def payment(self, request: Request) -> Response:
        """Play money."""
        cart = _cart(request)
        if not cart:
            return RedirectResponse("/cart", 303)
        return self._page(request, "payment.html", paid=goods.cart_properties(cart))

    async def take_order(self, request: Request) -> Response:
        """Note the order under a new number and empty the cart."""
        cart = _cart(request)
        if not cart:
            return RedirectResponse("/cart", 303)
        order_id = f"TW-{self._stage.new_id()[:8].upper()}"
        self._orders[order_id] = cart
        if len(self._orders) > ORDERS_KEPT:
            del self._orders[next(iter(self._orders))]
        response = RedirectResponse(f"/thanks/{order_id}", 303)
        response.delete_cookie(_CART, httponly=True, samesite="lax")
        return response

    async def thanks(self, request: Request) -> Response:
        """An order. Its event has the order's number for an id: a reload is a duplicate."""
        order_id = request.path_params["order_id"]
        order = self._orders.get(order_id)
        if order is None:
            raise HTTPException(404)
        properties = goods.cart_properties(order, order_id)
        told = Told(name="Order Completed", properties=properties, id=f"order-{order_id}")
        return self._page(request, "thanks.html", told=told, order=order, order_id=order_id)

    async def welcome_back(self, request: Request) -> Response:
        """A visit without a click id in the address."""
        return self._page(request, "welcome_back.html", products=goods.PRODUCTS[3:])

    async def astray(self, request: Request, error: Exception) -> Response:
        """A page for what is not there."""
        status = error.status_code if isinstance(error, HTTPException) else 500
        return self._page(request, "astray.html", status=status, tagged=False)

    def _page(
        self,
        request: Request,
        template: str,
        *,
        status: int = 200,
        tagged: bool = True,
        told: Told | None = None,
        **values: object,
    ) -> Response:
        cart = _cart(request)
        common = {
            "status": status,
            "path": request.url.path,
            "tagged": tagged,
            "prefix": PREFIX,
            "address": VISITOR_ADDRESS,
            "told": told,
            "cart": cart,
            "cart_count": sum(row.quantity for row in cart),
            "cart_total": goods.total(cart),
            "sandbox_url": self._stage.sandbox_url,
            **dock(self._stage),
        }
        return pages.html(template, {**common, **values}, status=status)


def _cart(request: Request) -> goods.Cart:
    return goods.read_cart(request.cookies.get(_CART, ""))


async def _fields(request: Request) -> dict[str, str]:
    """A posted form, the first value of each field."""
    body = (await request.body()).decode("utf-8", "replace")
    return {name: values[0] for name, values in parse_qs(body).items()}
