// Shopify runs this in a frame of its own: no page, no tag. Each customer event is told to the
// proxy's server API under the id that Shopify gave it, so that a repeat counts once.
const ENDPOINT = {{ (endpoint + "/v1/batch") | js }};
const WRITE_KEY = {{ write_key | js }};

// A no to the sale of data (California) is a no here too.
const agreed = (privacy) =>
  Boolean(privacy && privacy.marketingAllowed && privacy.saleOfDataAllowed !== false);

let allowed = agreed(init.customerPrivacy);
let visitor;
if (typeof customerPrivacy !== 'undefined') {
  customerPrivacy.subscribe('visitorConsentCollected', (event) => {
    const withdrawn = allowed && !agreed(event.customerPrivacy);
    allowed = agreed(event.customerPrivacy);
    // What the proxy has not delivered yet is cancelled.
    if (withdrawn && visitor) {
      send({ type: 'identify', anonymousId: visitor, context: { consent: { ad: false } } });
    }
  });
}

const amount = (money) => (money ? Number(money.amount) : undefined);

const item = (variant, quantity = 1) => ({
  product_id: variant.id,
  sku: variant.sku || undefined,
  name: variant.product.title,
  brand: variant.product.vendor || undefined,
  category: variant.product.type || undefined,
  price: amount(variant.price),
  currency: variant.price ? variant.price.currencyCode : undefined,
  quantity
});

const items = (lines) =>
  (lines || []).filter((line) => line.variant).map((line) => item(line.variant, line.quantity));

const order = ({ checkout }) => ({
  order_id: (checkout.order && checkout.order.id) || undefined,
  checkout_id: checkout.token || undefined,
  total: amount(checkout.totalPrice),
  currency: checkout.currencyCode || undefined,
  products: items(checkout.lineItems)
});

// Customer event → its properties. The names are known to the proxy as they are.
const EVENTS = {
  page_viewed: () => ({}),
  product_viewed: (data) => item(data.productVariant),
  collection_viewed: ({ collection }) => ({
    list_id: collection.id,
    category: collection.title,
    products: (collection.productVariants || []).map((variant) => item(variant))
  }),
  search_submitted: ({ searchResult }) => ({ query: searchResult.query }),
  product_added_to_cart: ({ cartLine }) => item(cartLine.merchandise, cartLine.quantity),
  checkout_started: order,
  payment_info_submitted: order,
  checkout_completed: order
};

const traits = ({ checkout }) => {
  const address = (checkout && (checkout.billingAddress || checkout.shippingAddress)) || {};
  return {
    email: (checkout && checkout.email) || undefined,
    phone: (checkout && checkout.phone) || address.phone || undefined,
    firstName: address.firstName || undefined,
    lastName: address.lastName || undefined,
    address: {
      city: address.city || undefined,
      state: address.provinceCode || undefined,
      postalCode: address.zip || undefined,
      country: address.countryCode || undefined
    }
  };
};

// The ad click of this visit or of an earlier one.
const clicked = async (url) => {
  const found = /[?&]sc(?:c|l|_click_)id=([\w.-]+)/i.exec(url);
  if (found) await browser.localStorage.setItem('edge_click', found[1]);
  return found ? found[1] : await browser.localStorage.getItem('edge_click');
};

// Again after a while, under the same id, when the proxy cannot promise to keep the event now.
const send = async (message, waits = [2000, 10000, 30000]) => {
  const answer = await fetch(ENDPOINT, {
    method: 'POST',
    // Without a header of its own the request needs no leave of the proxy (no preflight).
    mode: 'cors',
    credentials: 'omit',
    keepalive: true,
    body: JSON.stringify({ writeKey: WRITE_KEY, sentAt: new Date().toISOString(), batch: [message] })
  }).catch(() => null);
  const refused = !answer || answer.status === 429 || answer.status >= 500;
  if (!refused || !waits.length) return;
  await new Promise((resolve) => setTimeout(resolve, waits[0]));
  await send(message, waits.slice(1));
};

const tell = async (event, read) => {
  if (!allowed) return;
  const page = event.context.document;
  visitor = (await browser.cookie.get('_scid')) || event.clientId;
  const click = await clicked(page.location.href);
  const message = {
    type: event.name === 'page_viewed' ? 'page' : 'track',
    event: event.name,
    messageId: event.id,
    timestamp: event.timestamp,
    anonymousId: visitor,
    properties: { ...read(event.data || {}), url: page.location.href, click_id: click || undefined },
    context: {
      page: { url: page.location.href, referrer: page.referrer },
      userAgent: event.context.navigator.userAgent,
      traits: traits(event.data || {}),
      consent: { ad: true, categoryPreferences: { advertising: true } }
    }
  };
  await send(message);
};

for (const [name, read] of Object.entries(EVENTS)) {
  analytics.subscribe(name, (event) => tell(event, read).catch(() => {}));
}
