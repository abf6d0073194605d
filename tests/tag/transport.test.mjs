/** How batches are cut, sent, repeated and given up. */
import assert from 'node:assert/strict'

import { claim, EDGE, hang, offline } from './page.mjs'

const QUIET = { consent: 'implied', auto: 'false' }
const FOREVER_MS = 24 * 3600 * 1000
const KIB = 1024

const waits = (page) => page.requests.slice(1).map(({ at_ms }, n) => at_ms - page.requests[n].at_ms)

claim('calls close together are one request', async (open) => {
  const page = open({ data: QUIET })
  page.edge.track('a')
  await page.pass(10)
  page.edge.track('b')
  await page.pass(100)
  assert.equal(page.requests.length, 1)
  assert.deepEqual(page.names, ['a', 'b'])
})

claim('a batch has at most 50 events, and each event is in one', async (open) => {
  const page = open({ data: QUIET })
  const ids = []
  for (let n = 0; n < 120; n++) ids.push(page.edge.track('n'))
  await page.pass(100)
  assert.deepEqual(page.events.map(({ id }) => id), ids)
  for (const { events } of page.batches) assert.ok(events.length <= 50)
  assert.ok(page.batches.length <= 6)
})

for (const letter of ['x', 'é', '漢', '😀', '"']) {
  claim(`a body is at most 32 KiB, counted in bytes, with texts of ${letter}`, async (open) => {
    const page = open({ data: QUIET })
    for (let n = 0; n < 60; n++) page.edge.track('n', { text: letter.repeat(1000) })
    await page.pass(1000)
    assert.equal(page.names.length, 60)
    for (const { text } of page.requests) assert.ok(Buffer.byteLength(text) <= 32 * KIB)
  })
}

claim('an event that is too large for a batch goes alone, and the others go on', async (open) => {
  const page = open({ data: QUIET, answers: [413] })
  page.edge.track('huge', { text: 'x'.repeat(70 * KIB) })
  page.edge.track('small')
  await page.pass(1000)
  assert.deepEqual(page.batches.map(({ events }) => events.map(({ name }) => name)), [
    ['huge'],
    ['small']
  ])
})

claim('while the page stays one request is in flight: the next carries its cookies', async (open) => {
  const flight = hang()
  const page = open({ data: QUIET, answers: [flight] })
  page.edge.track('a')
  await page.pass(100)
  page.edge.track('b')
  await page.pass(5000)
  assert.deepEqual(page.names, ['a'])
  flight.answer(202)
  await page.pass(100)
  assert.deepEqual(page.names, ['a', 'b'])
})

for (const status of [200, 202, 204, 400, 401, 403, 404, 413, 415, 422]) {
  claim(`${status} is final`, async (open) => {
    const page = open({ data: QUIET, answers: [status] })
    page.edge.track('a')
    await page.pass(FOREVER_MS)
    assert.equal(page.requests.length, 1)
  })
}

for (const status of [408, 429, 500, 502, 503, 504]) {
  claim(`${status} is repeated with the same event id after 2, 10 and 30 s`, async (open) => {
    const page = open({ data: QUIET, answers: [status, status, status, 202] })
    const id = page.edge.track('a')
    await page.pass(FOREVER_MS)
    assert.deepEqual(waits(page), [2000, 10000, 30000])
    assert.deepEqual(page.events.map((event) => event.id), [id, id, id, id])
  })
}

claim('an event is tried eight times, then given up, and does not hold up later ones', async (open) => {
  const page = open({ data: QUIET, answers: Array(8).fill(503) })
  page.edge.track('lost')
  await page.pass(FOREVER_MS)
  assert.deepEqual(page.names, Array(8).fill('lost'))
  page.edge.track('later')
  await page.pass(100)
  assert.deepEqual(page.names.slice(8), ['later'])
})

claim('new events join the wait: a struggling edge is not asked sooner', async (open) => {
  const page = open({ data: QUIET, answers: [503] })
  page.edge.track('a')
  await page.pass(100)
  page.edge.track('b')
  await page.pass(1900)
  assert.equal(page.requests.length, 1)
  await page.pass(100)
  assert.deepEqual(page.names, ['a', 'a', 'b'])
})

claim('Retry-After is the wait', async (open) => {
  for (const [value, wait_ms] of [
    ['60', 60000],
    ['1', 1000],
    ['Wed, 21 Oct 2026 07:28:00 GMT', 2000],
    ['soon', 2000],
    ['0', 2000]
  ]) {
    const page = open({ data: QUIET, answers: [{ status: 503, headers: { 'Retry-After': value } }] })
    page.edge.track('a')
    await page.pass(FOREVER_MS)
    assert.deepEqual(waits(page), [wait_ms], value)
  }
})

claim('a hostile Retry-After costs eight requests, not a loop', async (open) => {
  const answers = Array(20).fill({ status: 503, headers: { 'Retry-After': '-5' } })
  const page = open({ data: QUIET, answers })
  page.edge.track('a')
  await page.pass(FOREVER_MS)
  assert.equal(page.requests.length, 8)
})

claim('Retry-After of a final answer means nothing', async (open) => {
  const page = open({ data: QUIET, answers: [{ status: 202, headers: { 'Retry-After': '60' } }] })
  page.edge.track('a')
  await page.pass(100)
  page.edge.track('b')
  await page.pass(100)
  assert.deepEqual(page.names, ['a', 'b'])
})

claim('a repeat does without keepalive, whose quota may have been the reason', async (open) => {
  const page = open({ data: QUIET, answers: [offline(), 202] })
  page.edge.track('a')
  await page.pass(FOREVER_MS)
  assert.deepEqual(page.requests.map(({ init }) => init.keepalive), [true, false])
  assert.deepEqual(waits(page), [2000])
})

claim('a repeat on leaving has keepalive, because nothing else outlives the page', async (open) => {
  const page = open({ data: QUIET, answers: [offline()] })
  page.edge.track('a')
  await page.pass(100)
  page.leave()
  assert.deepEqual(page.requests.map(({ init }) => init.keepalive), [true, true])
})

for (const [what, back] of [
  ['the network is back', (page) => page.fire('online')],
  ['the visitor is back', (page) => page.show()]
]) {
  claim(`when ${what} a wait is over`, async (open) => {
    const page = open({ data: QUIET, answers: [offline(), offline(), offline(), 202] })
    page.edge.track('a')
    await page.pass(20000)
    assert.equal(page.names.length, 3)
    back(page)
    await page.pass(100)
    assert.equal(page.names.length, 4)
  })
}

claim('what else happens to the page does not start a second request beside the first', async (open) => {
  const flight = hang()
  const page = open({ data: QUIET, answers: [flight] })
  page.edge.track('a')
  await page.pass(100)
  page.edge.track('b')
  for (const type of ['pageshow', 'online', 'popstate', 'visibilitychange']) page.fire(type)
  await page.pass(100)
  assert.deepEqual(page.names, ['a'])
  flight.answer(202)
  await page.pass(100)
  assert.deepEqual(page.names, ['a', 'b'])
})

claim('nothing is tried while the browser is offline', async (open) => {
  const page = open({ data: QUIET, navigator: { onLine: false } })
  page.edge.track('a')
  await page.pass(FOREVER_MS)
  assert.deepEqual(page.requests, [])
  page.navigator.onLine = true
  page.fire('online')
  await page.pass(100)
  assert.deepEqual(page.names, ['a'])
})

claim('a hidden page whose edge is down waits between tries as a shown one does', async (open) => {
  const page = open({ data: QUIET, answers: Array(20).fill(503) })
  page.hide()
  page.edge.track('a')
  await page.pass(FOREVER_MS)
  assert.deepEqual(waits(page).slice(0, 3), [2000, 10000, 30000])
  assert.equal(page.requests.length, 8)
})

claim('an event is never in two requests at once', async (open) => {
  const flights = [hang(), hang(), hang()]
  const page = open({ data: QUIET, answers: [...flights] })
  page.edge.track('a')
  await page.pass(100)
  page.edge.track('b')
  page.hide()
  page.fire('pagehide')
  await page.pass(60000)
  assert.deepEqual(page.names, ['a', 'b'])
  flights[1].answer(202)
  await page.pass(60000)
  assert.deepEqual(page.names, ['a', 'b'])
})

for (const [what, leave] of [
  ['hidden', (page) => page.hide()],
  ['left', (page) => page.fire('pagehide')]
]) {
  claim(`when the page is ${what} everything that waits goes at once, by the same fetch`, async (open) => {
    const page = open({ data: QUIET, answers: [hang(), hang(), hang(), hang()] })
    for (let n = 0; n < 120; n++) page.edge.track('n')
    leave(page)
    assert.equal(page.names.length, 120) // in the handler, not after it
    for (const { init } of page.requests) assert.equal(init.keepalive, true)
  })
}

claim('leaving does not wait for a retry, nor for an answer', async (open) => {
  const page = open({ data: QUIET, answers: [503, hang()] })
  page.edge.track('a')
  await page.pass(100)
  page.fire('pagehide')
  assert.deepEqual(page.names, ['a', 'a'])
})

claim('a call made by the page while it is being left still goes', async (open) => {
  const page = open({ data: QUIET })
  page.fire('pagehide')
  page.edge.track('last words')
  assert.deepEqual(page.names, ['last words'])
})

claim('a page that is shown again gathers calls as before', async (open) => {
  const page = open({ data: QUIET })
  page.hide()
  page.show()
  page.edge.track('a')
  assert.deepEqual(page.names, [])
  await page.pass(100)
  assert.deepEqual(page.names, ['a'])
})

claim('a page that comes back from the cache waits again between calls', async (open) => {
  const page = open({ data: QUIET })
  page.fire('pagehide')
  page.fire('pageshow', { persisted: true })
  page.edge.track('a')
  assert.deepEqual(page.names, [])
  await page.pass(100)
  assert.deepEqual(page.names, ['a'])
})
