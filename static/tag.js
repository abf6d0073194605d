// @ts-check
/**
 * The tag: takes the page's calls, holds them until the visitor agrees, and posts them to the edge.
 *
 * No rule here that the edge does not enforce too, and nothing here may throw into the page.
 * ES2019 and `import()` as it stands; `static/s.js` is this file minified by tests/tag/build.mjs, and
 * every byte of it is downloaded by every visitor: what only some sites name, consent adapters and
 * the data layer, is in cmp.js and layer.js.
 */
;(function () {
  /** @typedef {import('./edgeproxy.d.ts').EdgeOptions} Options */
  /** @typedef {{[key: string]: any}} Values */
  /**
   * What waits for the edge: an event in its scene, or the visitor's choice, which has neither. `busy`
   * says that it is in flight.
   * @typedef {{event?: Values, scene?: Values, tries: number, busy?: any}} Entry
   */

  const d = /** @type {Document & {prerendering?: boolean}} */ (document)
  // Taken now: what the page does to them later does not reach us.
  const fetch = window.fetch
  const parse = JSON.parse
  const stringify = JSON.stringify
  const now = Date.now

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
          if (!warned) console.warn('edge:', error)
          warned = true
        } catch (_) {} // a page without a console
        return ''
      }
    }
  }

  safe(() => {
    const script = /** @type {HTMLScriptElement} */ (d.currentScript)
    const page = /** @type {Values} */ (window)
    const snap = page.snaptr
    const {
      auto = '' + !snap, // with Snap's snippet the site calls its page views itself
      consent,
      endpoint = new URL('.', script.src).href,
      global: name = 'edge',
      pixel
    } = script.dataset
    const stub = page[name] || []
    if (stub.loaded) return

    const own = 'edge_' + Math.random() // the name of what this page stores
    /** @type {object | undefined} */
    let choice // made on this page; not made is not the same as refused
    /** @type {unknown} */
    let agreed = consent === 'implied' || undefined // false is a refusal
    /** @type {any} */
    let told // the choice that the edge knows of, as JSON
    /** @type {string | undefined} */
    let clickId
    /** @type {Values} */
    let user = {}
    let pixels = pixel ? pixel.split(/[\s,]+/) : undefined
    /** @type {Entry[]} */
    let queue = [] // what the edge has not answered for; a refusal makes a new one
    /** @type {Values} */
    let disk = {}
    let idleUntil = 0 // Unix ms
    let leaving = false
    let seen = '' // the address of the last page view

    /** @param {unknown} value */
    const isObject = (value) => Object(value) === value

    /** @param {string} text a choice as JSON; a no to advertising is a no to all */
    const isYes = (text) => /^(?!.*"ad\w*":false).*:true/.test(text)

    /** Global Privacy Control is a refusal for as long as it is on, and outweighs any choice. */
    const refused = () => agreed === false || /** @type {Values} */ (navigator).globalPrivacyControl

    const mayFlow = () => !d.prerendering && !refused() && agreed

    /**
     * What may lie on the visitor's disk: nothing that tells who it is, unless it is hashed, and no
     * address with such a parameter. The edge adds what it knows of the visitor.
     * @param {string} key
     * @param {any} value
     */
    const scrub = (key, value) =>
      /^(?!.*=[\da-f]{64}$)(.*[?&])?[^=]*(mail|phone|.name|addr|external)|@|%40/i.test(
        key + '=' + value
      )
        ? undefined
        : value

    const stored = () => Object.keys(disk).filter((key) => /^edge_/.test(key))

    /** @param {string} key */
    const drop = (key) => delete disk[key]

    /**
     * Write ahead: what the edge has not answered for lies in storage, and what a page left there that
     * is no more is ours. A page keeps its own for longer than its longest wait between two tries.
     */
    const save = safe(() => {
      if (!mayFlow()) return
      drop(own)
      for (const key of stored()) {
        const { 0: until, 1: entries } = parse(disk[key])
        if (until < now()) {
          drop(key)
          queue.push(...entries)
        }
      }
      const fresh = queue.filter((entry) => entry.event && !(entry.event.time < now() - 8e7))
      let text
      let most = 50
      while (
        (text = stringify([leaving ? 0 : now() + 9e5, fresh.slice(-most--)], scrub)).length > 3e4
      );
      if (fresh[0]) disk[own] = text
    })

    /**
     * Send what may go: one request at a time, because the next carries the cookies of its answer, or
     * all at once when this may be the last moment.
     */
    const flush = safe(() => {
      save()
      const first = queue.find((entry) => !entry.busy)
      if (!first || idleUntil > now() || (!leaving && navigator.onLine === false)) return
      const scene = first.scene
      if (scene ? !mayFlow() : d.prerendering) return
      const common = stringify(scene)
      let size = 0
      send(
        queue.filter(
          (entry) =>
            !entry.busy &&
            // 9,000 characters and what is common to them are less than 32 KiB, half of what all
            // keepalive requests in flight may hold; and 180 each are less than 50.
            ((scene &&
              stringify(entry.scene) === common &&
              (size += 180 + stringify(entry.event).length) < 9000) ||
              entry === first)
        ),
        scene
      ).catch(save)
      flush()
    })

    /** Together with what the page calls next, if there is a next moment. */
    function soon() {
      if (leaving) flush()
      else setTimeout(flush, 50)
    }

    /**
     * Post the visitor's choice, or events of one scene. What the edge has answered for is forgotten.
     * @param {Entry[]} batch
     * @param {Values} [scene]
     */
    async function send(batch, scene) {
      let status = 0
      let after_s = 0
      for (const entry of batch) entry.busy = send // a function, which JSON leaves out
      idleUntil = leaving ? 0 : Infinity
      try {
        const answer = await fetch(endpoint.replace(/\/*$/, scene ? '/e' : '/consent'), {
          method: 'POST',
          credentials: 'include',
          // The quota of keepalive requests in flight may be used up: a repeat needs none.
          keepalive: leaving || !batch[0].tries,
          // A text, so its type is text/plain: JSON by name would cost a preflight.
          body: stringify(
            scene
              ? Object.assign(
                  { v: 1, sent_at: now(), consent: choice, events: batch.map((entry) => entry.event) },
                  scene
                )
              : choice
          )
        })
        status = answer.status
        after_s = +(/** @type {any} */ (answer.headers.get('Retry-After')))
      } catch (_) {}
      const again = /^(0|408|429|5..)$/.test(/** @type {any} */ (status))
      const pause_ms = again ? (after_s || ([2, 10, 30][batch[0].tries] || 120)) * 1e3 : 0
      idleUntil = now() + pause_ms
      queue = queue.filter(
        (entry) => !batch.includes(entry) || ((entry.busy = 0), again && ++entry.tries < 8)
      )
      save()
      setTimeout(flush, pause_ms)
    }

    /** @type {{[name: string]: (...values: any[]) => any}} */
    const api = {
      track: record,
      init(id, traits) {
        pixels = (pixels || []).concat(id)
        api.identify('', traits)
      },
      page(name, properties, options) {
        if (isObject(name)) return api.page('', name, properties)
        return record('page', Object.assign({}, properties, name && { name }), options, 'page')
      },
      identify(id, traits) {
        if (isObject(id)) return api.identify('', id)
        Object.assign(user, parse(stringify(traits || {})), id && { external_id: '' + id })
        record('identify')
      },
      /**
       * The edge hears of each choice once. A refusal reaches it even under Global Privacy Control,
       * which by itself would not cancel what is still queued there.
       */
      consent(given) {
        const text = stringify(given)
        if (!/:(true|false)/.test(text)) throw Error('needs {...}')
        choice = parse(text)
        agreed = isYes(text)
        if (text === told || (agreed && refused())) return
        told = text
        if (!agreed) {
          queue = []
          user = {}
          clickId = undefined
          stored().forEach(drop)
        }
        queue.push({ tries: 0 })
        flush()
        // It holds no id. A yes lets the next page ask the edge, which has the record; a no is told
        // again there, until the edge's own mark of it is seen.
        disk.edge_consent = text
      },
      reset() {
        user = {}
        record('reset')
      },
      push(...calls) {
        calls.forEach(safe((call) => run(...call)))
      }
    }

    /** @type {any} One call by its name; it is the global too, for `edge('track', …)`. */
    const run = safe((name, ...values) => api[name] && api[name](...values))

    /**
     * A page view where the address is another than before. A fragment is a place on the page, unless
     * it is a route, and a query that went may only have been cleaned.
     * @param {boolean} whole with its query
     */
    function view(whole) {
      if (d.prerendering) return
      const ignored = whole ? /#(?![!/]).*/ : /[?#](?![!/]).*/
      const from = seen
      seen = location.href
      if (auto !== 'false' && from.replace(ignored, '') !== seen.replace(ignored, '')) api.page()
    }

    /** The page is shown, hidden, left, back, elsewhere, or online again. */
    const live = safe((event) => {
      if (event.type === 'pagehide') leaving = true
      else {
        leaving = d.hidden
        if (event.persisted) seen = ''
        view(event.type === 'popstate')
      }
      if (leaving || idleUntil < Infinity) idleUntil = 0
      soon()
    })

    /**
     * Queue one event as it is at this moment, and give its id.
     * @param {unknown} name
     * @param {any} [properties]
     * @param {Options} [options]
     * @param {string} [call]
     */
    function record(name, properties, options, call) {
      if (typeof properties === 'string' && /** @type {any} */ (name)[35]) {
        return record(properties, options, { pixels: [/** @type {any} */ (name)] }) // to one pixel: Snap's other form
      }
      properties = properties || {}
      if (!name || typeof name !== 'string' || !isObject(properties)) throw Error('needs name, {...}')
      const { id: given, time = now(), pixels: narrowed = pixels } = options || /** @type {Options} */ ({})
      let id =
        given ||
        properties[
          /** @type {any} */ (Object.keys(properties).find((key) => /dedup|event.?id/i.test(key)))
        ]
      try {
        id = id || crypto.randomUUID()
      } catch (_) {
        id = now() + '-' + Math.random() // a page that is not https, or an old browser
      }
      const entry = parse(
        stringify({
          event: { id: (id = '' + id), name, call, time, properties },
          scene: {
            page: { url: location.href, referrer: d.referrer },
            click_id: clickId,
            pixels: narrowed
          },
          tries: 0
        })
      )
      if (!refused()) {
        entry.scene.user = user
        queue.push(entry)
        // Over 200 the second goes: the first is the landing page, the last may be a purchase.
        queue.splice(1, queue.length - 200)
        save()
        soon()
      }
      return id
    }

    try {
      // At once, because a single-page site's router cleans the address; the first entry is the
      // navigation's. The edge checks the value, and reads the page's own address for other names.
      clickId = /** @type {string[]} */ (
        /[?&]sc(?:c|l|_click_)id=([^&#]+)/i.exec(
          location.href + '&' + performance.getEntries()[0].name
        )
      )[1]
    } catch (_) {} // none, or a browser without the navigation's entry
    try {
      disk = window.localStorage || disk
      const memory = disk.edge_consent
      if (refused() || /edge_optout=1/.test(d.cookie)) {
        agreed = undefined
        stored().forEach(drop)
      } else if (isYes(memory)) agreed = told = memory
      else if (memory) api.consent(parse(memory))
    } catch (_) {} // a page without cookies or storage

    page[name] = run
    for (const name in api) run[name] = (/** @type {any[]} */ ...values) => run(name, ...values)
    run.loaded = true
    for (const type of [
      'visibilitychange',
      'pagehide',
      'pageshow',
      'online',
      'popstate',
      'prerenderingchange'
    ]) {
      addEventListener(type, live, true)
    }
    live({})

    safe(() => {
      for (const name of ['pushState', 'replaceState']) {
        const old = page.history[name]
        const follow = safe(() => view(name < 'q'))
        page.history[name] = function () {
          const result = old.apply(this, arguments)
          follow()
          return result
        }
      }
    })()

    safe(() => {
      // Snap's own pixel, loaded or about to be, keeps its calls.
      if (snap && snap.handleRequest) return
      for (const one of d.scripts) if (one !== script && /scevent/.test(one.src)) return
      const snaptr = (page.snaptr = snap || run)
      snaptr.handleRequest = run
      api.push(...(snaptr.queue || []).splice(0))
    })()

    for (const file of ['cmp', 'layer']) {
      if (script.dataset[file]) {
        import(new URL(file + '.js', script.src).href).then((part) => part.default(run, script), save)
      }
    }

    api.push(...stub)
    stub.push = api.push // for who kept a reference to the stub
  })()
})()
