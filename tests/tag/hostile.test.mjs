/** Pages that are broken or mean: the tag keeps its faults to itself, and its events where it can. */
import assert from 'node:assert/strict'

import { claim } from './page.mjs'

const IMPLIED = { consent: 'implied' }
const fail = () => {
  throw new Error('hostile')
}
const failing = (window, name) => Object.defineProperty(window, name, { get: fail })

/** Uses every call and every listener; an exception out of any of them fails the test. */
async function useEverything(page) {
  page.edge.page('Home')
  const id = page.edge.track('a', { n: 1 })
  page.edge.identify('u', {})
  page.edge.reset()
  page.edge.push(['track', 'b'])
  page.edge('track', 'c')
  page.edge.consent({ ad: true })
  for (const type of page.listens) page.fire(type)
  page.history.pushState({}, '', '/elsewhere')
  if (typeof page.window.snaptr === 'function') {
    page.window.snaptr('init', 'p-1', {})
    page.window.snaptr('track', 'PAGE_VIEW')
  }
  page.fire('pageshow', { persisted: true })
  await page.pass(10000000)
  page.edge.consent({ ad: false })
  await page.pass(10000000)
  assert.equal(typeof id, 'string')
}

// What is spoilt, and whether events must still arrive.
for (const [what, before, arrives] of [
  ['no crypto', (window) => delete window.crypto, true],
  ['crypto without randomUUID', (window) => {
    window.crypto = { getRandomValues: (array) => crypto.getRandomValues(array) }
  }, true],
  ['crypto that throws', (window) => {
    window.crypto = { randomUUID: fail, getRandomValues: fail }
  }, true],
  ['no performance', (window) => delete window.performance, true],
  ['performance that throws', (window) => failing(window, 'performance'), true],
  ['no navigation entry', (window) => {
    window.performance = { getEntries: () => [] }
  }, true],
  ['no localStorage', (window) => delete window.localStorage, true],
  ['localStorage that throws', (window) => failing(window, 'localStorage'), true],
  ['localStorage that is full', (window) => {
    window.localStorage = Object.freeze({})
  }, true],
  ['cookies that throw', (window, page) => failing(page.document, 'cookie'), true],
  ['fetch that throws', (window) => {
    window.fetch = fail
  }, false],
  ['fetch that gives nothing', (window) => {
    window.fetch = () => undefined
  }, false],
  ['no fetch', (window) => delete window.fetch, false],
  ['a history that cannot be wrapped', (window, page) => {
    Object.freeze(page.history)
  }, true],
  ['no history', (window) => delete window.history, true],
  ['storage that breaks later', (window, page) => {
    let reads = 0
    const { storage } = page
    Object.defineProperty(window, 'localStorage', {
      get: () => new Proxy(storage, { ownKeys: () => (reads++ > 2 ? fail() : []) })
    })
  }, true],
  ['storage that takes no more', (window, page) => {
    Object.defineProperty(window, 'localStorage', { get: () => new Proxy(page.storage, { set: fail }) })
  }, true],
  ['storage that is null', (window) => {
    window.localStorage = null
  }, true],
  ["another's rubbish in storage", (window) => {
    window.localStorage = { edge_1: '{', edge_2: 'null', edge_3: '[1,null]', edge_4: '[1,[null]]' }
  }, true],
  ['prototypes that are polluted', (window, page) => page.run(`
    Object.prototype.id = Object.prototype.until = Object.prototype.event = Object.prototype.scene = 'x'
    Array.prototype.extra = 1`), true],
  ['JSON that a prototype breaks', (window, page) => page.run('Object.prototype.toJSON = function () { throw 1 }'), false],
  ["a snaptr that is not Snap's", (window) => {
    window.snaptr = 5
  }, true],
  ['a snaptr that is frozen', (window) => {
    window.snaptr = Object.freeze(() => {})
  }, true],
  ['scripts that throw', (window, page) => failing(page.document, 'scripts'), true],
  ['no console', (window) => delete window.console, true],
  ['a console that throws', (window) => {
    window.console = { warn: fail, log: fail }
  }, true],
  ['timers that throw', (window) => {
    window.setTimeout = fail
  }, true], // when the page is left
  ['a global that is an element', (window) => {
    window.edge = { nodeType: 1 }
  }, true],
  ['a global that is a number', (window) => {
    window.edge = 5
  }, true],
  ['a stub that is frozen', (window) => {
    window.edge = Object.freeze([['track', 'early']])
  }, true],
  ['a prototype with more on it', (window, page) => page.run('Object.prototype.extra = function () { throw 1 }'), true]
]) {
  claim(`${what}: nothing reaches the page`, async (open) => {
    const rejected = []
    const collect = (reason) => rejected.push(reason)
    process.on('unhandledRejection', collect)
    try {
      const page = open({ data: IMPLIED, before })
      if (typeof page.edge === 'function') await useEverything(page)
      assert.ok(page.names.includes('a') === arrives, page.names.join())
      assert.ok(page.warnings.length <= 1)
      await page.pass(0)
    } finally {
      process.off('unhandledRejection', collect)
    }
    assert.deepEqual(rejected, [])
  })
}

claim('a fetch that throws is tried eight times at its pace, not in a loop', async (open) => {
  let calls = 0
  const page = open({
    data: IMPLIED,
    before: (window) => {
      window.fetch = () => {
        calls++
        fail()
      }
    }
  })
  await page.pass(1999)
  assert.equal(calls, 1)
  await page.pass(10000000)
  assert.equal(calls, 8)
})

claim('what the page replaces later does not reach us', async (open) => {
  const page = open({ data: { ...IMPLIED, auto: 'false' } })
  page.run(`fetch = JSON.stringify = JSON.parse = Date.now = function () { throw new Error('late') }
    XMLHttpRequest = Promise = undefined`)
  page.edge.track('a')
  await page.pass(100)
  assert.deepEqual(page.names, ['a'])
})

claim("ids differ where crypto's UUID is missing", (open) => {
  for (const before of [(window) => (window.crypto = {}), (window) => delete window.crypto]) {
    const page = open({ data: IMPLIED, before })
    const ids = Array.from({ length: 100 }, () => page.edge.track('a'))
    assert.equal(new Set(ids).size, 100)
    for (const id of ids) assert.match(id, /^[\d.e-]{16,64}$/)
  }
})

claim('an answer in no form at all counts as none', async (open) => {
  const page = open({ data: IMPLIED, answers: [Promise.resolve(undefined), 202] })
  await page.pass(1999)
  assert.equal(page.requests.length, 1)
  await page.pass(100)
  assert.equal(page.requests.length, 2)
})

claim('a status without headers is taken as it is, and not asked twice', async (open) => {
  const page = open({ data: IMPLIED, answers: [Promise.resolve({ status: 202 })] })
  await page.pass(10000000)
  assert.equal(page.requests.length, 1)
})
