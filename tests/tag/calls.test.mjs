/** The calls a page makes, and the batch that comes of them. */
import assert from 'node:assert/strict'

import { claim, EDGE } from './page.mjs'

const UUID4 = /^[\da-f]{8}-[\da-f]{4}-4[\da-f]{3}-[89ab][\da-f]{3}-[\da-f]{12}$/
const IMPLIED = { consent: 'implied' }
const QUIET = { consent: 'implied', auto: 'false' }

claim('a batch has the shape of the contract and nothing else', async (open) => {
  const page = open({
    url: 'https://www.shop.example/landing?ScCid=abc123def456',
    referrer: 'https://www.snapchat.com/',
    data: { auto: 'false', pixel: 'p-1, p-2' }
  })
  page.edge.consent({ ad: true })
  page.edge.identify('u-1', { email: 'jane@example.com', phone: '+1 (555) 123-4567' })
  const id = page.edge.track('Order Completed', { order_id: 'ORD-001', total: 129.99 })
  await page.pass(100)
  assert.deepEqual(page.batches, [
    {
      v: 1,
      sent_at: 1706540000000,
      page: {
        url: 'https://www.shop.example/landing?ScCid=abc123def456',
        referrer: 'https://www.snapchat.com/'
      },
      consent: { ad: true },
      user: { email: 'jane@example.com', phone: '+1 (555) 123-4567', external_id: 'u-1' },
      click_id: 'abc123def456',
      pixels: ['p-1', 'p-2'],
      events: [
        { id: page.events[0].id, name: 'identify', time: 1706540000000, properties: {} },
        {
          id,
          name: 'Order Completed',
          time: 1706540000000,
          properties: { order_id: 'ORD-001', total: 129.99 }
        }
      ]
    }
  ])
})

claim('what is not known is not in the batch', async (open) => {
  const page = open({ data: QUIET })
  page.edge.track('Signed Up')
  await page.pass(100)
  assert.deepEqual(Object.keys(page.batches[0]).sort(), ['events', 'page', 'sent_at', 'user', 'v'])
  assert.deepEqual(page.batches[0].user, {})
})

claim('a request is a credentialed cors fetch without a preflight', async (open) => {
  const page = open({ data: IMPLIED })
  await page.pass(100)
  const { url, init } = page.requests[0]
  assert.equal(url, `${EDGE}/e`)
  const { body, ...rest } = init
  assert.equal(typeof body, 'string') // and so text/plain
  assert.deepEqual({ ...rest }, {
    method: 'POST',
    credentials: 'include',
    keepalive: true
  })
})

claim('track gives the id at once, a random UUID', async (open) => {
  const page = open({ data: QUIET })
  const ids = [page.edge.track('a'), page.edge.track('b')]
  for (const id of ids) assert.match(id, UUID4)
  assert.notEqual(ids[0], ids[1])
  await page.pass(100)
  assert.deepEqual(page.events.map(({ id }) => id), ids)
})

claim('the caller may give the id and the time', async (open) => {
  const page = open({ data: QUIET })
  assert.equal(page.edge.track('a', {}, { id: 'order-7', time: 1700000000000 }), 'order-7')
  assert.equal(page.edge.track('b', {}, { id: 7, time: new Date(1700000000000) }), '7')
  assert.match(page.edge.track('c', {}, { id: undefined, time: undefined }), UUID4)
  await page.pass(100)
  assert.deepEqual(page.events.map(({ id, time }) => [id, time]).slice(0, 2), [
    ['order-7', 1700000000000],
    ['7', '2023-11-14T22:13:20.000Z']
  ])
  assert.equal(page.events[2].time, 1706540000000)
})

for (const key of [
  'event_id',
  'client_dedup_id',
  'client_deduplication_id',
  'CLIENT-DEDUP-ID',
  'clientDedupId'
]) {
  claim(`the properties' ${key} is the id, so that Snap's own pixel counts the same event`, (open) => {
    const page = open({ data: QUIET })
    assert.equal(page.edge.track('purchase', { [key]: 'dedup-1' }), 'dedup-1')
    assert.equal(page.edge.track('purchase', { [key]: 'dedup-1' }, { id: 'mine' }), 'mine')
  })
}

claim('a page call is marked as one, its name among the properties', async (open) => {
  const page = open({ data: QUIET })
  page.edge.page()
  page.edge.page('Home')
  page.edge.page('Home', { tab: 1 }, { id: 'x' })
  page.edge.page({ tab: 2 }, { id: 'y' })
  await page.pass(100)
  const calls = page.events.map(({ name, call, properties }) => ({ name, call, properties }))
  assert.deepEqual(calls, [
    { name: 'page', call: 'page', properties: {} },
    { name: 'page', call: 'page', properties: { name: 'Home' } },
    { name: 'page', call: 'page', properties: { tab: 1, name: 'Home' } },
    { name: 'page', call: 'page', properties: { tab: 2 } }
  ])
  assert.deepEqual(page.events.map(({ id }) => id).slice(2), ['x', 'y'])
})

claim('a track call named page is no page call', async (open) => {
  const page = open({ data: QUIET })
  page.edge.track('page')
  await page.pass(100)
  assert.equal('call' in page.events[0], false)
})

claim('an event is what it was at the call, whatever the page does to its objects later', async (open) => {
  const page = open({ data: QUIET })
  const properties = { products: [{ price: 5 }] }
  const traits = { email: 'a@example.com' }
  page.edge.track('a', properties)
  page.edge.identify('u', traits)
  properties.products[0].price = 6
  traits.email = 'b@example.com'
  await page.pass(100)
  assert.equal(page.events[0].properties.products[0].price, 5)
  assert.equal(page.batches[0].user.email, 'a@example.com')
})

claim('identify names the visitor for what waits and for what follows', async (open) => {
  const page = open({ data: IMPLIED })
  page.edge.identify({ email: 'jane@example.com' })
  page.edge.identify(7)
  await page.pass(100)
  page.edge.track('later')
  await page.pass(100)
  assert.deepEqual(page.names, ['page', 'identify', 'identify', 'later'])
  assert.equal(page.batches.length, 2)
  for (const { user } of page.batches) {
    assert.deepEqual(user, { email: 'jane@example.com', external_id: '7' })
  }
})

claim('reset forgets the visitor for later events, not for earlier ones', async (open) => {
  const page = open({ data: QUIET })
  page.edge.identify('u-1')
  page.edge.track('before')
  page.edge.reset()
  page.edge.track('after')
  await page.pass(100)
  assert.deepEqual(
    page.batches.map(({ user, events }) => [user.external_id, events.map(({ name }) => name)]),
    [
      ['u-1', ['identify', 'before']],
      [undefined, ['reset', 'after']]
    ]
  )
})

claim('events of two addresses are two batches', async (open) => {
  const page = open({ data: QUIET })
  page.edge.track('a')
  page.window.location.href = 'https://www.shop.example/second'
  page.edge.track('b')
  await page.pass(100)
  assert.deepEqual(
    page.batches.map((batch) => [batch.page.url, batch.events[0].name]),
    [
      ['https://www.shop.example/', 'a'],
      ['https://www.shop.example/second', 'b']
    ]
  )
})

claim('early calls run in order, after the automatic page view', async (open) => {
  const page = open({
    data: IMPLIED,
    stub: [['track', 'one', { n: 1 }], ['identify', 'u-1'], ['track', 'two']]
  })
  await page.pass(100)
  assert.deepEqual(page.names, ['page', 'one', 'identify', 'two'])
  assert.deepEqual(page.events[1].properties, { n: 1 })
})

claim('a stub that holds arguments objects is drained too', async (open) => {
  const page = open({
    data: QUIET,
    stub: `edge = []
      function call() { edge.push(arguments) }
      call('track', 'one', {n: 1})
      call('track', 'two')`
  })
  await page.pass(100)
  assert.deepEqual(page.names, ['one', 'two'])
  assert.deepEqual(page.events[0].properties, { n: 1 })
})

claim('a stub whose methods push is drained, and who kept it still reaches the tag', async (open) => {
  const page = open({
    data: QUIET,
    stub: `edge = []
      for (const name of ['page', 'track']) {
        edge[name] = function () { edge.push([name].concat([].slice.call(arguments))) }
      }
      kept = edge
      edge.track('one')
      edge.page('Home')`
  })
  page.run("kept.push(['track', 'late'])")
  await page.pass(100)
  assert.deepEqual(page.names, ['one', 'page', 'late'])
})

claim('after loading, push and the call by name still work', async (open) => {
  const page = open({ data: QUIET })
  page.edge.push(['track', 'one'], ['track', 'two'])
  assert.match(page.edge('track', 'three'), UUID4)
  await page.pass(100)
  assert.deepEqual(page.names, ['one', 'two', 'three'])
})

claim('one bad early call does not cost the others', async (open) => {
  const page = open({
    data: QUIET,
    stub: [null, ['nonsense'], 5, ['track'], ['constructor', 'x'], ['__proto__'], ['track', 'good']]
  })
  page.edge.push(['track', 'later'])
  await page.pass(100)
  assert.deepEqual(page.names, ['good', 'later'])
  assert.equal(page.warnings.length, 1)
})

claim('data-global names the global', async (open) => {
  const page = open({
    data: { ...QUIET, global: '_df' },
    stub: "_df = [['track', 'early']]"
  })
  page.run("_df.page('Home'); _df.track('Product Viewed'); _df.identify('u')")
  assert.equal(page.edge, undefined)
  await page.pass(100)
  assert.deepEqual(page.names, ['early', 'page', 'Product Viewed', 'identify'])
})

claim('loading the tag twice changes nothing', async (open) => {
  const page = open({ data: IMPLIED })
  const { edge } = page
  page.load('tag.js')
  page.load('s.js')
  assert.equal(page.edge, edge)
  await page.pass(100)
  assert.deepEqual(page.names, ['page'])
})

for (const [what, src, data, expected] of [
  ['the host it came from', `${EDGE}/s.js`, {}, `${EDGE}/e`],
  ['the prefix it came from', 'https://www.shop.example/edge/s.js', {}, 'https://www.shop.example/edge/e'],
  ['the same under another file name', `${EDGE}/scevent.min.js?v=1/2#x`, {}, `${EDGE}/e`],
  ['data-endpoint', `${EDGE}/s.js`, { endpoint: 'https://b.example/x' }, 'https://b.example/x/e'],
  ['data-endpoint with a slash', `${EDGE}/s.js`, { endpoint: '/edge/' }, 'https://www.shop.example/edge/e']
]) {
  claim(`the tag posts to ${what}`, async (open) => {
    const page = open({ src, data: { ...IMPLIED, ...data } })
    await page.pass(100)
    assert.equal(page.requests[0].url, expected)
  })
}

claim('a malformed call is refused with its reason, once, and sends nothing', async (open) => {
  const page = open({ data: QUIET })
  const circular = {}
  circular.self = circular
  assert.equal(page.edge.track(), '')
  assert.deepEqual(page.warnings, ['edge: needs name, {...}'])
  for (const call of [
    () => page.edge.track(5),
    () => page.edge.track(''),
    () => page.edge.track('a', 'b'),
    () => page.edge.track('a', circular),
    () => page.edge.track('a', { n: 10n }),
    () => page.edge.identify('u', circular),
    () => page.edge.consent()
  ]) {
    assert.equal(call(), '')
  }
  await page.pass(100)
  assert.equal(page.warnings.length, 1)
  assert.deepEqual(page.requests, [])
})

claim('a tag that works is silent', async (open) => {
  const page = open({ data: IMPLIED })
  page.edge.track('a')
  page.edge('nonsense')
  await page.pass(100)
  assert.deepEqual([...page.logs, ...page.warnings], [])
})

claim('an event may be narrowed to some pixels, in a batch of its own', async (open) => {
  const page = open({ data: { ...QUIET, pixel: 'p-1 p-2' } })
  page.edge.track('a')
  page.edge.track('b', {}, { pixels: ['p-2'] })
  await page.pass(100)
  assert.deepEqual(
    page.batches.map(({ pixels, events }) => [pixels, events.map(({ name }) => name)]),
    [
      [['p-1', 'p-2'], ['a']],
      [['p-2'], ['b']]
    ]
  )
})

claim("data-global='analytics' gives Segment's shape", async (open) => {
  const page = open({
    data: { ...QUIET, global: 'analytics' },
    stub: "analytics = [['identify', 'u-1', {email: 'jane@example.com'}], ['track', 'Product Viewed', {sku: 'A'}]]"
  })
  page.run("analytics.track('Order Completed', {order_id: 'o-1'}); analytics.page('Home')")
  await page.pass(100)
  assert.deepEqual(page.names, ['identify', 'Product Viewed', 'Order Completed', 'page'])
  assert.deepEqual(page.batches[0].user, { email: 'jane@example.com', external_id: 'u-1' })
})
