// @ts-check
/**
 * The tag: takes the page's calls, holds them until the visitor agrees, and posts them to the edge.
 *
 * No rule here that the edge does not enforce too, and nothing here may throw into the page.
 * ES2017 as it stands; `static/s.js` is this file minified by tests/tag/build.mjs, and every byte of
 * it is downloaded by every visitor.
 */
;(function () {
  /** @typedef {import('./edgeproxy.d.ts').EdgeOptions} Options */
  /** @typedef {{[key: string]: any}} Values */
  /** @typedef {{url?: string, referrer?: string, user?: Values}} Scene where and to whom events happen */
  /**
   * What waits for the edge: an event in its scene, or the visitor's choice in a scene without a url.
   * @typedef {{json: string, tries: number, scene: Scene}} Entry
   */

  const w = /** @type {Window & typeof globalThis & Values} */ (window)
  const d = /** @type {Document & {prerendering?: boolean}} */ (document)
  const nav = /** @type {Navigator & {globalPrivacyControl?: boolean}} */ (navigator)
  // Taken now: what the page does to them later does not reach us.
  const { fetch } = w
  const { parse, stringify } = JSON
  const now = Date.now
  const CLICK_ID =
    /[?&](?:sc(?:c|l|_click_)id|sscid(?==[\da-f]{8}(?:-[\da-f]{4}){3}-[\da-f]{12}(?![^&#])))=([\w.-]{1,256})(?![^&#])/i

  let warned = false

  /**
   * The function, made unable to throw: the first fault is told in the console, and '' comes back.
   * @param {(...args: any[]) => any} run
   */
  function safe(run) {
    return (/** @type {any[]} */ ...args) => {
      try {
        return run(...args)
      } catch (error) {
        try {
          // Only what was called: the values may be personal, and others read the console.
          if (!warned) console.warn('edge:', args[0], /** @type {Error} */ (error).message)
          warned = true
        } catch (_) {} // a page without a console
        return ''
      }
    }
  }

  safe(() => {
    const script = /** @type {HTMLScriptElement} */ (
      d.currentScript ||
        [...d.scripts].filter((one) => /\/s(\.\w+|cevent\.min)?\.js/.test(one.src)).pop()
    )
    const {
      auto,
      consent,
      debug,
      endpoint = script.src.replace(/[^/]*([?#].*)?$/, ''),
      global: name = 'edge',
      pixel
    } = script.dataset
    const stub = w[name] || []
    if (stub.loaded) return

    const keepalive = 'keepalive' in Request.prototype
    let required = consent !== 'implied'
    /** @type {object | undefined} */
    let choice // made on this page; not made is not the same as refused
    /** @type {unknown} */
    let agreed
    /** @type {string | undefined} */
    let told // the choice that the edge knows of, as JSON
    /** @type {string | undefined} */
    let clickId
    /** @type {Entry[]} */
    let queue = [] // a refusal makes a new one: what is in flight then comes back to nowhere
    /** @type {Scene} */
    let scene = { user: {} }
    let busy = 0
    let leaving = false

    /** @param {...unknown} what */
    function log(...what) {
      if (debug !== undefined) console.log('edge:', ...what)
    }

    /** @param {unknown} value */
    function isObject(value) {
      return Object(value) === value
    }

    /** A random id, also on a page that is not https and in a browser without crypto. */
    function newId() {
      try {
        return crypto.randomUUID()
      } catch (_) {
        return (
          w.crypto ? crypto.getRandomValues(new Uint32Array(4)) : [now(), Math.random()]
        ).join('-')
      }
    }

    /** Global Privacy Control is a refusal for as long as it is on, and outweighs any choice. */
    function refused() {
      return agreed === false || nav.globalPrivacyControl === true
    }

    function mayFlow() {
      return !refused() && (agreed || !required)
    }

    /**
     * Queue one event as it is at this moment, and give its id.
     * @param {unknown} name
     * @param {any} [properties]
     * @param {Options} [options]
     * @param {string} [call]
     */
    function record(name, properties, options, call) {
      const own = properties || {}
      if (!name || typeof name !== 'string' || !isObject(own)) throw Error('needs (name, {...})')
      const { id: given, time = now() } = options || {}
      const id = String(
        given || own.event_id || own.client_dedup_id || own.client_deduplication_id || newId()
      )
      const json = stringify({ id, name, call, time, properties: own })
      log(name, refused() ? 'refused' : mayFlow() ? 'queued' : 'held')
      if (!refused()) {
        const url = location.href
        if (scene.url !== url) scene = { url, referrer: d.referrer, user: scene.user }
        queue.push({ json, tries: 0, scene })
        // Over 200 the second goes: the first is the landing page, the last may be a purchase.
        if (queue.length > 200) queue.splice(1, 1)
        if (leaving) flush(true)
        else setTimeout(flush, 50)
      }
      return id
    }

    /**
     * Send what may go: one request at a time, because the next carries the cookies of its answer, or
     * all at once when this may be the last moment.
     */
    const flush = safe((/** @type {boolean} */ last) => {
      while (
        queue[0] &&
        !d.prerendering &&
        (last || !busy) &&
        (!queue[0].scene.url || mayFlow())
      ) {
        send(queue).catch(() => {})
      }
    })

    /**
     * Post the front of the queue: a choice alone, or events of one scene. What the edge has answered
     * for is forgotten, the rest comes back home.
     * @param {Entry[]} home
     */
    async function send(home) {
      const { json, scene } = home[0]
      const { url, referrer, user } = scene
      let size = 0
      // 9,000 characters and what is common to them are less than 32 KiB, half of what all keepalive
      // requests in flight may hold together.
      const end = home.findIndex(
        (entry, i) => i === 50 || entry.scene !== scene || ((size += entry.json.length) > 9000 && i)
      )
      const batch = home.splice(0, end < 0 ? 50 : end)
      const target = endpoint.replace(/\/*$/, url ? '/e' : '/consent')
      const body = url
        ? stringify({
            v: 1,
            sent_at: now(),
            page: { url, referrer },
            consent: choice,
            user,
            click_id: clickId,
            pixels: pixel ? pixel.split(/[\s,]+/) : undefined,
            webdriver: nav.webdriver || undefined,
            events: batch.map((entry) => parse(entry.json))
          })
        : json
      let status = 0
      let pause_s = 0
      busy++
      // A keepalive request is refused when the quota is used up, a plain one is not.
      for (const kept of keepalive ? [true, false] : [false]) {
        try {
          /** @type {any} A beacon's Origin may be "null": it is for browsers with nothing better. */
          const answer =
            leaving && !keepalive && nav.sendBeacon(target, body)
              ? { status: 204 }
              : await fetch(target, {
                  method: 'POST',
                  mode: 'cors',
                  credentials: 'include',
                  keepalive: kept,
                  body // a text, so its type is text/plain: JSON by name would cost a preflight
                })
          status = answer.status
          pause_s = +answer.headers.get('Retry-After')
        } catch (_) {}
        if (status) break
      }
      log(target, status)
      const again = /^(0|408|429|5..)$/.test('' + status)
      if (again) {
        pause_s = Math.max([2, 10, 30][batch[0].tries] || 120, pause_s || 0)
        home.unshift(...batch.filter((entry) => entry.tries++ < 7))
      }
      setTimeout(
        () => {
          busy--
          flush()
        },
        again ? pause_s * 1e3 : 0
      )
    }

    /** @type {{[name: string]: (...values: any[]) => any}} */
    const api = {
      track: record,
      page(name, properties, options) {
        if (isObject(name)) return api.page('', name, properties)
        return record('page', Object.assign({}, properties, name && { name }), options, 'page')
      },
      identify(id, traits) {
        if (isObject(id)) return api.identify('', id)
        const own = parse(stringify(traits || {}))
        Object.assign(/** @type {Values} */ (scene.user), own, id && { external_id: String(id) })
        record('identify')
      },
      /**
       * The edge hears of each choice once. A refusal reaches it even under Global Privacy Control,
       * which by itself would not cancel what is still queued there.
       */
      consent(given) {
        const text = stringify(given)
        if (!/:(true|false)/.test(text)) throw Error('needs {ad: true} or {ad: false}')
        choice = parse(text)
        agreed = /:true/.test(text) && !/"ad(vertising)?":false/.test(text)
        if (text === told || (agreed && refused())) return
        told = text
        if (!agreed) {
          queue = []
          scene = { user: {} }
          clickId = undefined
        }
        try {
          // The flag holds no id. It only lets the next page ask the edge, which has the record.
          if (agreed) localStorage.edge_consent = text
          else delete localStorage.edge_consent
        } catch (_) {} // a page without storage
        queue.push({ json: text, tries: 0, scene: {} })
        flush()
      },
      reset() {
        scene = { user: {} }
        record('reset')
      },
      push(...calls) {
        calls.forEach(safe((call) => run(...call)))
      }
    }

    /** @type {any} One call by its name; it is the global too, for `edge('track', …)`. */
    const run = safe((name, ...values) => api[name](...values))

    /** The visitor sees the page now. */
    function open() {
      if (auto !== 'false') api.page()
      else flush()
    }

    /** @param {boolean} goes */
    function leave(goes) {
      leaving = goes
      flush(goes)
    }

    /**
     * @param {string} type
     * @param {(event: any) => void} listener
     */
    function on(type, listener) {
      addEventListener(type, safe(listener), true)
    }

    try {
      // At once, because a single-page site's router cleans the address.
      clickId = /** @type {string[]} */ (
        CLICK_ID.exec(location.href) ||
          CLICK_ID.exec(performance.getEntriesByType('navigation')[0].name)
      )[1]
    } catch (_) {} // none, or a browser without the navigation's entry
    try {
      if (refused() || /edge_optout=1/.test(d.cookie)) {
        required = true
        delete localStorage.edge_consent
      } else agreed = told = localStorage.edge_consent
    } catch (_) {} // a page without cookies or storage

    w[name] = run
    for (const name in api) run[name] = run.bind(null, name)
    run.loaded = true
    on('visibilitychange', () => leave(d.visibilityState === 'hidden'))
    on('pagehide', () => leave(true))
    on('pageshow', (event) => {
      leave(false)
      if (event.persisted) open()
    })
    on('prerenderingchange', open)
    if (!d.prerendering) open()
    const early = stub.q || stub.queue || stub
    api.push(...early)
    early.push = api.push // for who kept a reference to the stub
  })()
})()
