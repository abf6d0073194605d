/** The queue that outlives the page: what lies in storage, what may not, and who sends it. */
import assert from 'node:assert/strict'

import { claim, hang, offline } from './page.mjs'

const QUIET = { consent: 'implied', auto: 'false' }
const HOUR_MS = 3600 * 1000
const HASH = 'ab'.repeat(32)

const bundles = (storage) => Object.keys(storage).filter((key) => /^edge_\d/.test(key))
const text = (storage) => bundles(storage).map((key) => storage[key]).join()
const down = () => Array(50).fill(offline())

/** The next page of the same visitor. */
const next = (open, page, options = {}) =>
  open({ data: QUIET, storage: page.storage, now_ms: page.now_ms, ...options })

claim('an event lies in storage from the call on until the edge has answered for it', async (open) => {
  const flight = hang()
  const page = open({ data: QUIET, answers: [flight] })
  page.edge.track('Order Completed', { order_id: 'o-1' })
  assert.match(text(page.storage), /o-1/)
  await page.pass(100)
  assert.match(text(page.storage), /o-1/)
  flight.answer(202)
  await page.pass(100)
  assert.deepEqual(page.storage, {})
})

for (const status of [400, 403, 413, 422]) {
  claim(`${status} ends it too`, async (open) => {
    const page = open({ data: QUIET, answers: [status] })
    page.edge.track('a')
    await page.pass(100)
    assert.deepEqual(page.storage, {})
  })
}

claim('a purchase made while the edge is down arrives from the next page, as the same event', async (open) => {
  const first = open({ data: QUIET, answers: down(), url: 'https://www.shop.example/thanks' })
  const id = first.edge.track('Order Completed', { order_id: 'o-1', total: 5 })
  await first.pass(3000)
  first.leave()
  await first.pass(0)
  const second = next(open, first, { url: 'https://www.shop.example/other' })
  await second.pass(100)
  assert.deepEqual(second.events.map(({ id, name, properties }) => [id, name, properties]), [
    [id, 'Order Completed', { order_id: 'o-1', total: 5 }]
  ])
  assert.equal(second.batches[0].page.url, 'https://www.shop.example/thanks')
  assert.equal(second.events[0].time, first.now_ms - 3000)
  assert.deepEqual(second.storage, {})
})

claim('a purchase made while the edge is down for a minute arrives from the same page', async (open) => {
  const page = open({ data: QUIET, answers: Array(4).fill(offline()) })
  page.edge.track('Order Completed')
  await page.pass(3 * 60 * 1000)
  assert.deepEqual(page.storage, {})
  assert.equal(new Set(page.events.map(({ id }) => id)).size, 1)
})

claim('the click id and the pixels of its page go with it', async (open) => {
  const first = open({
    data: { ...QUIET, pixel: 'p-1' },
    answers: down(),
    url: 'https://www.shop.example/?ScCid=click-1'
  })
  first.edge.track('a')
  first.leave()
  const second = next(open, first)
  await second.pass(100)
  assert.equal(second.batches[0].click_id, 'click-1')
  assert.deepEqual(second.batches[0].pixels, ['p-1'])
})

claim('a page that was killed is inherited after a quarter of an hour, a living one is not', async (open) => {
  const first = open({ data: QUIET, answers: [hang()] })
  first.edge.track('a')
  await first.pass(100)
  const second = next(open, first)
  await second.pass(14 * 60 * 1000)
  assert.deepEqual(second.names, [])
  await second.pass(2 * 60 * 1000)
  second.fire('online')
  await second.pass(100)
  assert.deepEqual(second.names, ['a'])
})

claim('what one tab has taken over the others leave alone', async (open) => {
  const first = open({ data: QUIET, answers: down() })
  first.edge.track('a')
  first.leave()
  await first.pass(0)
  const second = next(open, first, { answers: [hang()] })
  await second.pass(100)
  const third = next(open, second)
  await third.pass(60000)
  assert.deepEqual(second.names, ['a'])
  assert.deepEqual(third.names, [])
})

claim('leaving while a request is in flight keeps its events for the next page', async (open) => {
  const first = open({ data: QUIET, answers: [hang()] })
  const id = first.edge.track('a')
  await first.pass(100)
  first.leave()
  const second = next(open, first)
  await second.pass(100)
  assert.deepEqual(second.events.map((event) => event.id), [id])
})

claim('a page that comes back owns what it kept: nothing goes twice', async (open) => {
  const page = open({ data: QUIET, answers: [hang()] })
  page.edge.track('a')
  await page.pass(100)
  page.hide()
  page.show()
  await page.pass(60000)
  assert.deepEqual(page.names, ['a'])
})

claim('the tries of all pages together are eight', async (open) => {
  let page = open({ data: QUIET, answers: down() })
  page.edge.track('a')
  let count = 0
  for (let visit = 0; visit < 12; visit++) {
    await page.pass(100)
    page.leave()
    await page.pass(0)
    count += page.requests.length
    page = next(open, page, { answers: down() })
  }
  assert.ok(count <= 8 + 1, `${count} requests`)
  assert.deepEqual(page.storage, {})
})

claim('the stored copy names nobody: no raw e-mail, phone, name, address or own id', async (open) => {
  const page = open({
    data: QUIET,
    answers: down(),
    url: 'https://www.shop.example/?email=jane%40example.com&phone=15551234567',
    referrer: 'https://www.shop.example/account?user_phone=15551234567'
  })
  page.edge.identify('customer-77', {
    email: 'jane@example.com',
    phone: 15551234567,
    firstName: 'Janine',
    last_name: 'Roesler',
    address: { street: 'Hauptstrasse 5' },
    user_hashed_email: HASH
  })
  page.edge.track('Order Completed', {
    order_id: 'o-1',
    user_email: 'jane@example.com',
    Phone_Number: '+1 555 123 4567',
    user_hashed_phone_number: HASH,
    note: 'write to jane@example.com'
  })
  page.leave()
  assert.doesNotMatch(text(page.storage), /jane|555|Janine|Roesler|Hauptstrasse|customer-77/i)
  assert.match(text(page.storage), /"user_hashed_email":"(ab){32}"/)
  assert.match(text(page.storage), /"user_hashed_phone_number":"(ab){32}"/)
  assert.match(text(page.storage), /o-1/)
  // What is sent from memory is whole.
  assert.equal(page.batches[0].user.email, 'jane@example.com')
  assert.equal(page.batches[0].page.url.includes('email='), true)
})

claim('an ordinary address keeps its parameters', async (open) => {
  const page = open({
    data: QUIET,
    answers: down(),
    url: 'https://www.shop.example/?utm_medium=email&ScCid=click-1'
  })
  page.edge.track('a')
  assert.match(text(page.storage), /utm_medium=email&ScCid=click-1/)
})

claim('at most 50 events of a page lie in storage, the latest', async (open) => {
  const page = open({ data: QUIET, answers: down() })
  for (let n = 1; n <= 80; n++) page.edge.track('event ' + n)
  const [[, entries]] = bundles(page.storage).map((key) => JSON.parse(page.storage[key]))
  assert.equal(entries.length, 50)
  assert.equal(entries[49].event.name, 'event 80')
})

claim('at most 64 KB lie in storage, two bytes a character', async (open) => {
  const page = open({ data: QUIET, answers: down() })
  for (let n = 1; n <= 40; n++) page.edge.track('event ' + n, { text: 'x'.repeat(2000) })
  assert.ok(text(page.storage).length <= 32 * 1024)
  assert.match(text(page.storage), /event 40"/)
  page.edge.track('huge', { text: 'x'.repeat(40000) })
  assert.ok(text(page.storage).length <= 32 * 1024)
})

claim('what is a day old is not kept', async (open) => {
  const page = open({ data: QUIET, answers: down(), navigator: { onLine: false } })
  page.edge.track('old')
  await page.pass(24 * HOUR_MS)
  page.edge.track('new')
  assert.doesNotMatch(text(page.storage), /"old"/)
  assert.match(text(page.storage), /"new"/)
})

claim('before the visitor agrees nothing is stored; with the yes all that waits is', async (open) => {
  const page = open({ data: { auto: 'false' }, answers: down() })
  page.edge.track('held')
  page.leave()
  assert.deepEqual(page.storage, {})
  page.show()
  page.edge.consent({ ad: true })
  assert.match(text(page.storage), /held/)
})

claim('a refusal empties it, whatever page it is from', async (open) => {
  const first = open({ data: QUIET, answers: down() })
  first.edge.track('a')
  const second = next(open, first)
  second.edge.consent({ ad: false })
  assert.deepEqual(bundles(second.storage), [])
  await second.pass(HOUR_MS)
  assert.deepEqual(second.events, [])
})

claim('under Global Privacy Control what lies there is thrown away unsent', async (open) => {
  const first = open({ data: QUIET, answers: down() })
  first.edge.track('a')
  first.leave()
  await first.pass(0)
  const second = next(open, first, { navigator: { globalPrivacyControl: true } })
  await second.pass(HOUR_MS)
  assert.deepEqual(second.storage, {})
  assert.deepEqual(second.requests, [])
})

claim('a page that nobody saw stores and sends nothing', async (open) => {
  const page = open({ data: QUIET, document: { prerendering: true, hidden: true } })
  page.edge.track('a')
  await page.pass(HOUR_MS)
  page.leave()
  assert.deepEqual(page.storage, {})
  assert.deepEqual(page.requests, [])
})

claim("the site's own storage is left alone", async (open) => {
  const page = open({ data: QUIET, storage: { cart: '1', edgecase: '2' } })
  page.edge.consent({ ad: false })
  await page.pass(100)
  assert.equal(page.storage.cart + page.storage.edgecase, '12')
})

claim('a site that clears its storage loses nothing that waits', async (open) => {
  const page = open({ data: QUIET, answers: [offline()] })
  page.edge.track('a')
  await page.pass(100)
  for (const key of Object.keys(page.storage)) delete page.storage[key]
  await page.pass(10000)
  assert.deepEqual(page.names, ['a', 'a'])
})
