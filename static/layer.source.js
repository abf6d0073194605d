// @ts-check
/**
 * The data layer: GA4's e-commerce pushes become events.
 *
 * Served as /layer.js and fetched by the tag only where the page names a layer, `data-layer="dataLayer"`.
 * What was pushed before is read once, then every push is watched without changing what it does. Both
 * shapes are read: `dataLayer.push({event, ecommerce})` and `gtag('event', name, parameters)`.
 *
 * Source: Google, GA4 e-commerce events; user-provided data.
 */

/** @typedef {{[key: string]: any}} Values */

/** GA4's recommended events that are one of Snap's. Page views are the tag's own. */
const EVENTS = /^(add_payment_info|add_to_cart|add_to_wishlist|begin_checkout|generate_lead|login|purchase|search|share|sign_up|spend_virtual_currency|tutorial_complete|view_item|view_item_list|view_search_results)$/

/** @param {unknown} value */
const isObject = (value) => Object(value) === value

/**
 * Read one data layer for the tag.
 * @param {any} edge the tag's API
 * @param {HTMLScriptElement} script
 */
export default function start(edge, { dataset }) {
  const page = /** @type {Values} */ (window)
  const name = /** @type {string} */ (dataset.layer)
  /** @type {Values | undefined} */
  let commerce // pushed without an event, for the event that follows; null takes it back

  /** @param {any} user */
  function identify(user) {
    if (isObject(user)) edge.identify(user)
  }

  /** @param {any} entry what gtag() was called with */
  function command(entry) {
    const { 0: call, 1: first, 2: second } = entry
    if (call === 'event' && isObject(second)) identify(second.user_data)
    if (call === 'event' && EVENTS.test(first)) edge.track(first, second)
    if (call === 'set' && first === 'user_data') identify(second)
    if (call === 'set' && isObject(first)) settings(first)
    if ((call === 'set' || call === 'config') && isObject(second)) settings(second)
  }

  /** @param {Values} given */
  function settings({ user_data: user, user_id: id }) {
    identify(user)
    if (id) edge.identify(id)
  }

  /** @param {Values} entry */
  function message(entry) {
    settings(entry)
    if ('ecommerce' in entry) commerce = entry.ecommerce
    if (!EVENTS.test(entry.event)) return
    const { event, ecommerce, user_data: _user, user_id: _id, ...rest } = entry
    edge.track(event, Object.assign({}, rest, commerce))
  }

  /** @param {any} entry */
  function read(entry) {
    try {
      if (!isObject(entry) || typeof entry === 'function') return
      if (typeof entry[0] === 'string') command(entry)
      else if (!Array.isArray(entry)) message(entry)
    } catch (_) {} // what the page pushed is its own affair
  }

  try {
    const layer = (page[name] = page[name] || [])
    for (const entry of [].slice.call(layer)) read(entry)
    const push = layer.push
    layer.push = function () {
      const result = push.apply(this, arguments)
      for (const entry of arguments) read(entry)
      return result
    }
  } catch (_) {} // a layer that is frozen, or none
}
