/** Snap's own snippet with another host: what a site's calls become, and who keeps them. */
import assert from 'node:assert/strict'

import { claim, EDGE } from './page.mjs'

const P1 = '67d34640-b7a4-42a8-b821-6434d70f08a4'
const P2 = '7b3a7917-a82a-47e8-9728-e1b3b045abb2'
const SNAP = 'https://pixel.example/scevent.min.js'
const IMPLIED = { consent: 'implied' }

/** The stub of Snap's snippet, word for word but for the part that inserts the script. */
const SNIPPET = `(function(e,t,n){if(e.snaptr)return;var a=e.snaptr=function()
  {a.handleRequest?a.handleRequest.apply(a,arguments):a.queue.push(arguments)};
  a.queue=[];})(window,document,'');`

/** A page whose snippet names our host; `calls` are made before the tag is there. */
function shop(open, calls = '', options = {}) {
  return open({ src: `${EDGE}/scevent.min.js`, data: IMPLIED, stub: SNIPPET + calls, ...options })
}

const tracked = (page) => page.events.filter(({ name }) => name !== 'identify')

claim("Snap's snippet works as it stands: the early queue, in order, each event once", async (open) => {
  const page = shop(open, `
    snaptr('init', '${P1}', { user_email: 'jane@example.com' })
    snaptr('track', 'PAGE_VIEW')
    snaptr('track', 'PURCHASE', { price: 49.99, currency: 'USD', transaction_id: 'o-1' })`)
  await page.pass(100)
  assert.deepEqual(page.names, ['identify', 'PAGE_VIEW', 'PURCHASE'])
  assert.deepEqual(page.events[2].properties, { price: 49.99, currency: 'USD', transaction_id: 'o-1' })
  for (const { pixels, user } of page.batches) {
    assert.deepEqual(pixels, [P1])
    assert.deepEqual(user, { user_email: 'jane@example.com' })
  }
  assert.equal(page.requests[0].url, `${EDGE}/e`)
  assert.equal(page.window.snaptr.queue.length, 0)
})

claim('calls after loading reach the tag through the same function', async (open) => {
  const page = shop(open, 'kept = snaptr;')
  page.run(`kept('init', '${P1}'); kept('track', 'ADD_CART', { item_ids: ['A'] })`)
  await page.pass(100)
  assert.deepEqual(tracked(page).map(({ name }) => name), ['ADD_CART'])
})

claim('/s.js is the same drop-in', async (open) => {
  const page = shop(open, `snaptr('init', '${P1}'); snaptr('track', 'PAGE_VIEW')`, { src: `${EDGE}/s.js` })
  await page.pass(100)
  assert.deepEqual(page.names, ['identify', 'PAGE_VIEW'])
})

claim('without a stub snaptr is there after loading', async (open) => {
  const page = open({ data: { ...IMPLIED, auto: 'false' } })
  page.run(`snaptr('init', '${P1}'); snaptr('track', 'SIGN_UP', { sign_up_method: 'mail' })`)
  await page.pass(100)
  assert.deepEqual(tracked(page).map(({ name }) => name), ['SIGN_UP'])
  assert.deepEqual(page.batches[0].pixels, [P1])
})

claim('page views are the site\'s: none is sent by itself, on single-page sites neither', async (open) => {
  const page = shop(open, `snaptr('init', '${P1}')`)
  page.history.pushState({}, '', '/second')
  await page.pass(100)
  assert.deepEqual(tracked(page), [])
  const asked = shop(open, '', { data: { ...IMPLIED, auto: 'true' } })
  await asked.pass(100)
  assert.deepEqual(asked.names, ['page'])
})

claim('an event goes to all pixels that are there by then, a named one to one', async (open) => {
  const page = shop(open, `
    snaptr('init', '${P1}')
    snaptr('track', 'VIEW_CONTENT')
    snaptr('init', '${P2}')
    snaptr('track', 'ADD_CART', { price: 5 })
    snaptr('track', '${P2}', 'PURCHASE', { price: 10 })
    snaptr('track', '${P1}', 'SAVE')`)
  await page.pass(1000)
  const where = Object.fromEntries(
    page.batches.flatMap(({ pixels, events }) => events.map(({ name, properties }) => [name, [pixels, properties]]))
  )
  delete where.identify
  assert.deepEqual(where, {
    VIEW_CONTENT: [[P1], {}],
    ADD_CART: [[P1, P2], { price: 5 }],
    PURCHASE: [[P2], { price: 10 }],
    SAVE: [[P1], {}]
  })
})

claim('what init knows of the visitor goes along, raw and hashed, in the spelling given', async (open) => {
  const known = {
    user_email: 'jane@example.com',
    'USER-HASHED-PHONE-NUMBER': 'a'.repeat(64),
    firstName: 'Jane',
    geo_city: 'Berlin',
    age: '34'
  }
  const page = shop(open, `snaptr('init', '${P1}', ${JSON.stringify(known)}); snaptr('track', 'LOGIN')`)
  await page.pass(100)
  assert.deepEqual(page.batches[0].user, known)
})

claim('parameters are passed on in the spelling given; the edge reads any', async (open) => {
  const given = { 'Item-IDs': ['A'], TRANSACTIONID: 'o-1', User_Email: 'jane@example.com' }
  const page = shop(open, `snaptr('init', '${P1}'); snaptr('track', 'PURCHASE', ${JSON.stringify(given)})`)
  await page.pass(100)
  assert.deepEqual(tracked(page)[0].properties, given)
})

for (const key of ['client_dedup_id', 'client_deduplication_id', 'CLIENT_DEDUP_ID', 'clientDedupId']) {
  claim(`${key} is the event's id`, async (open) => {
    const page = shop(open, `snaptr('init', '${P1}'); snaptr('track', 'PURCHASE', { ${key}: 'dedup-1' })`)
    await page.pass(100)
    assert.equal(tracked(page)[0].id, 'dedup-1')
  })
}

claim('other commands do nothing, without a word', async (open) => {
  const page = shop(open, "for (const one of ['cm', 'helper', 'autofill', 'immersive_mode', 'x']) snaptr(one, {})")
  page.run("snaptr('cm', 1, 2)")
  await page.pass(100)
  assert.deepEqual(page.requests, [])
  assert.deepEqual(page.warnings, [])
})

claim('a malformed track call warns once, with the reason', async (open) => {
  const page = shop(open, `snaptr('init', '${P1}'); snaptr('track')`)
  page.run("snaptr('track', 5); snaptr('track', 'PURCHASE', 'o-1'); snaptr('track', 'PURCHASE', 7)")
  await page.pass(100)
  assert.deepEqual(tracked(page), [])
  assert.deepEqual(page.warnings, ['edge: needs name, {...}'])
})

claim('the edge API works beside it', async (open) => {
  const page = shop(open, `snaptr('init', '${P1}')`)
  page.edge.track('Product Viewed')
  await page.pass(100)
  assert.deepEqual(page.names, ['identify', 'Product Viewed'])
})

claim("Snap's own pixel that is loaded keeps its function and its calls", async (open) => {
  const page = open({
    data: IMPLIED,
    stub: `theirs = []
      snaptr = function () { snaptr.handleRequest.apply(null, arguments) }
      snaptr.handleRequest = handle = function () { theirs.push([].slice.call(arguments)) }
      original = snaptr`
  })
  page.run("snaptr('track', 'PURCHASE', { client_dedup_id: edge.track('purchase', { value: 5 }) })")
  await page.pass(100)
  assert.ok(page.run('snaptr === original && snaptr.handleRequest === handle'))
  assert.deepEqual(page.names, ['purchase'])
  assert.equal(page.run('theirs[0][2].client_dedup_id'), page.events[0].id)
})

claim("Snap's own pixel that is still loading finds its queue untouched", async (open) => {
  const page = open({
    data: IMPLIED,
    scripts: [SNAP],
    stub: SNIPPET + `snaptr('init', '${P1}'); snaptr('track', 'PAGE_VIEW')`
  })
  await page.pass(100)
  assert.equal(page.window.snaptr.queue.length, 2)
  assert.equal(page.window.snaptr.handleRequest, undefined)
  assert.deepEqual(page.requests, [])
})

claim('both give out one id for one event', async (open) => {
  const page = open({ data: { ...IMPLIED, auto: 'false' }, scripts: [SNAP], stub: SNIPPET })
  const id = page.edge.track('PURCHASE', { client_dedup_id: 'order-1' })
  await page.pass(100)
  assert.equal(id, 'order-1')
  assert.equal(page.events[0].id, 'order-1')
})
