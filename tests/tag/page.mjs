/**
 * A browser's page small enough to read: window, document, clock, network and storage as the tag sees
 * them, in a context of their own. Nothing runs by itself; `pass` moves the clock.
 */
import { readFileSync } from 'node:fs'
import { test } from 'node:test'
import vm from 'node:vm'

export const STATIC = new URL('../../static/', import.meta.url)
export const EDGE = 'https://edge.shop.example'
const NOW_MS = 1706540000000

/** The parts that the tag imports, beside the program that runs. */
const PARTS = {
  'tag.js': { 'cmp.js': 'cmp.source.js', 'layer.js': 'layer.source.js' },
  's.js': { 'cmp.js': 'cmp.js', 'layer.js': 'layer.js' }
}

/** The source and the file that is served are two programs: each claim is proved for both. */
export function claim(name, prove) {
  for (const file of Object.keys(PARTS)) {
    test(`${name} (${file})`, () => prove((options) => new Page({ ...options, file })))
  }
}

export class Page {
  requests = [] // {path, url, init, body, event(s)} in the order they were sent
  warnings = []
  logs = []
  cookieWrites = []
  imports = [] // addresses, in the order they were asked for
  /** What the network does next: a status, {status, headers}, an Error, or `hang()`; then 202. */
  answers = []
  now_ms = NOW_MS
  #listeners = {}
  #timers = []

  /**
   * @param file      which program runs
   * @param url       the address in the bar
   * @param data      the script tag's data-* attributes, as a dataset
   * @param stub      what the page left in window.edge, or a text to evaluate in the page
   * @param storage   what lies in localStorage; share it between pages of one site
   * @param scripts   addresses of the page's other scripts
   * @param blocked   whether a policy keeps the tag from importing its parts
   * @param before    a function that may spoil the window before the tag starts
   */
  constructor({
    file,
    url = 'https://www.shop.example/',
    referrer = '',
    src = `${EDGE}/s.js`,
    data = {},
    stub,
    storage = {},
    cookie = '',
    navigator = {},
    document = {},
    scripts = [],
    answers = [],
    blocked = false,
    now_ms = NOW_MS,
    before = () => {}
  }) {
    const page = this
    this.answers = answers
    this.now_ms = now_ms
    this.file = file
    this.blocked = blocked
    this.storage = storage
    const script = { src, dataset: data }
    this.document = {
      currentScript: script,
      scripts: [...scripts.map((one) => ({ src: one, dataset: {} })), script],
      readyState: 'interactive',
      referrer,
      hidden: false,
      get cookie() {
        return cookie
      },
      set cookie(value) {
        page.cookieWrites.push(value)
      },
      ...document
    }
    this.navigator = { onLine: true, ...navigator }
    this.history = {
      length: 1,
      pushState: (_state, _title, to) => this.#go(to) ?? 'pushed',
      replaceState: (_state, _title, to) => this.#go(to) ?? 'replaced'
    }
    this.window = vm.createContext({
      document: this.document,
      navigator: this.navigator,
      location: { href: url },
      history: this.history,
      URL,
      performance: { getEntries: () => [{ name: url }] },
      crypto: globalThis.crypto,
      localStorage: storage,
      fetch: (address, init) => this.#fetch(address, init),
      setTimeout: (run, wait_ms) => this.#timers.push({ at_ms: this.now_ms + wait_ms, run }),
      addEventListener: (type, listener) => (this.#listeners[type] ??= []).push(listener),
      console: {
        warn: (...what) => this.warnings.push(what.join(' ').replace('Error: ', '')),
        log: (...what) => this.logs.push(what.join(' '))
      }
    })
    this.window.window = this.window
    this.window.clock = () => this.now_ms
    this.window.importPart = (address) => this.#import(address)
    this.run('Date.now = clock')
    if (typeof stub === 'string') this.run(stub)
    else if (stub !== undefined) this.window.edge = stub
    before(this.window, this)
    this.load(file)
  }

  /** Loads the tag, as often as the page asks for it. */
  load(file) {
    // A program in a context of its own has no import(): here it is a function of the page.
    this.run(readFileSync(new URL(file, STATIC), 'utf8').replace(/\bimport\((?!')/g, 'importPart('))
  }

  async #import(address) {
    this.imports.push(address)
    if (this.blocked) throw new TypeError('Failed to fetch dynamically imported module')
    const part = PARTS[this.file][new URL(address).pathname.replace(/.*\//, '')]
    const code = readFileSync(new URL(part, STATIC), 'utf8')
    this.window.part = {}
    this.run(`(() => { 'use strict'; ${code.replace('export default function', 'part.default = function')} })()`)
    return this.window.part
  }

  #go(to) {
    if (to !== undefined) this.window.location.href = new URL(to, this.window.location.href).href
  }

  /** The visitor goes back or follows a fragment. */
  pop(to) {
    this.#go(to)
    this.fire('popstate')
  }

  run(code) {
    return vm.runInContext(code, this.window)
  }

  get edge() {
    return this.window.edge
  }

  get listens() {
    return Object.keys(this.#listeners).sort()
  }

  /** Every event that reached the edge's door, in order. */
  get events() {
    return this.batches.flatMap((batch) => batch.events)
  }

  get names() {
    return this.events.map((event) => event.name)
  }

  get batches() {
    return this.requests.filter(({ path }) => path === '/e').map(({ body }) => body)
  }

  get choices() {
    return this.requests.filter(({ path }) => path === '/consent').map(({ body }) => body)
  }

  fire(type, event = {}) {
    for (const listener of this.#listeners[type] ?? []) listener({ type, ...event })
  }

  hide() {
    this.document.hidden = true
    this.fire('visibilitychange')
  }

  show() {
    this.document.hidden = false
    this.fire('visibilitychange')
  }

  /** What a browser does when the visitor goes elsewhere. */
  leave() {
    this.fire('pagehide', { persisted: false })
    this.hide()
  }

  /** Moves the clock, running what is due in order and everything that it sets off. */
  async pass(ms = 0) {
    const until_ms = this.now_ms + ms
    await microtasks()
    for (;;) {
      const due = this.#timers.filter((timer) => timer.at_ms <= until_ms)
      if (!due.length) break
      const next = due.reduce((a, b) => (b.at_ms < a.at_ms ? b : a))
      this.#timers.splice(this.#timers.indexOf(next), 1)
      this.now_ms = Math.max(this.now_ms, next.at_ms)
      next.run()
      await microtasks()
    }
    this.now_ms = until_ms
  }

  #fetch(address, init) {
    const url = new URL(address, this.window.location.href)
    this.requests.push({
      url: url.href,
      path: url.pathname.replace(/.*(?=\/)/, ''),
      init,
      text: init.body,
      body: JSON.parse(init.body),
      at_ms: this.now_ms
    })
    const answer = this.answers.length ? this.answers.shift() : 202
    if (answer instanceof Error) return Promise.reject(answer)
    if (answer instanceof Promise) return answer
    return Promise.resolve(response(answer))
  }
}

/** An answer that comes when the test says so: `hang.answer(202)`. */
export function hang() {
  let answer
  const waiting = new Promise((resolve) => {
    answer = resolve
  })
  waiting.answer = (status) => answer(response(status))
  return waiting
}

export const offline = () => new TypeError('Failed to fetch')

function response(answer) {
  const { status = answer, headers = {} } = answer
  return { status, headers: new Headers(headers) }
}

function microtasks() {
  return new Promise((resolve) => setImmediate(resolve))
}
