/** What waits for the visitor's choice, and what a choice does. */
import assert from 'node:assert/strict'

import { claim, hang, offline } from './page.mjs'

const MEMORY = 'edge_consent'
const ADS = 'https://www.shop.example/?ScCid=click-1'

for (const [what, data] of [
  ['by default', {}],
  ['with data-consent="required"', { consent: 'required' }],
  ['with a mistyped data-consent', { consent: 'implicit' }]
]) {
  claim(`${what} nothing leaves the page and nothing is stored until the visitor agrees`, async (open) => {
    const page = open({ url: ADS, data })
    page.edge.track('Product Viewed')
    page.edge.identify('u-1', { email: 'jane@example.com' })
    await page.pass(60000)
    page.hide()
    page.fire('pagehide')
    await page.pass(60000)
    assert.deepEqual(page.requests, [])
    assert.deepEqual(page.storage, {})
    assert.deepEqual(page.cookieWrites, [])
  })
}

claim('a yes sends what was held, with its times, click id and visitor, and says the yes', async (open) => {
  const page = open({ url: ADS })
  page.edge.identify('u-1')
  await page.pass(5000)
  page.edge.consent({ ad: true })
  await page.pass(100)
  assert.deepEqual(page.names, ['page', 'identify'])
  assert.equal(page.events[0].time, page.batches[0].sent_at - 5000)
  assert.equal(page.batches[0].click_id, 'click-1')
  assert.deepEqual(page.batches[0].user, { external_id: 'u-1' })
  assert.deepEqual(page.batches[0].consent, { ad: true })
  assert.deepEqual(page.choices, [{ ad: true }])
})

claim('a yes in the early queue counts', async (open) => {
  const page = open({ stub: [['track', 'early'], ['consent', { ad: true }]] })
  await page.pass(100)
  assert.deepEqual(page.names, ['page', 'early'])
  assert.deepEqual(page.choices, [{ ad: true }])
})

claim('of more than 200 held events the landing page and the latest are kept', async (open) => {
  const page = open()
  for (let n = 1; n <= 250; n++) page.edge.track('event ' + n)
  page.edge.consent({ ad: true })
  await page.pass(1000)
  assert.equal(page.names.length, 200)
  assert.deepEqual(page.names.slice(0, 2), ['page', 'event 52'])
  assert.equal(page.names[199], 'event 250')
})

claim('with data-consent="implied" events flow, saying nothing of consent', async (open) => {
  const page = open({ data: { consent: 'implied' } })
  await page.pass(100)
  assert.deepEqual(page.names, ['page'])
  assert.equal('consent' in page.batches[0], false)
})

claim('a yes is remembered without an id, and the next page leaves the answer to the edge', async (open) => {
  const first = open()
  first.edge.consent({ ad: true })
  await first.pass(100)
  assert.deepEqual(first.storage, { [MEMORY]: '{"ad":true}' })
  const second = open({ storage: first.storage })
  await second.pass(100)
  assert.deepEqual(second.names, ['page'])
  assert.equal('consent' in second.batches[0], false)
})

claim('the same yes on the next page is in the batch and is not posted again', async (open) => {
  const page = open({ storage: { [MEMORY]: '{"ad":true}' } })
  page.edge.consent({ ad: true })
  await page.pass(100)
  assert.deepEqual(page.batches[0].consent, { ad: true })
  assert.deepEqual(page.choices, [])
})

claim('another choice on the next page is posted', async (open) => {
  const page = open({ storage: { [MEMORY]: '{"ad":true}' } })
  page.edge.consent({ categories: { advertising: true, analytics: false } })
  await page.pass(100)
  assert.deepEqual(page.choices, [{ categories: { advertising: true, analytics: false } }])
})

claim('a no forgets what waits, the click id, the visitor and the memory, and reaches the edge', async (open) => {
  const page = open({ url: ADS, data: { consent: 'implied' }, storage: { [MEMORY]: '{"ad":true}' } })
  page.edge.identify('u-1')
  page.edge.consent({ ad: false })
  assert.notEqual(page.edge.track('after'), '')
  await page.pass(60000)
  page.hide()
  await page.pass(60000)
  assert.deepEqual(page.requests.map(({ path, body }) => [path, body]), [['/consent', { ad: false }]])
  assert.deepEqual(page.storage, { [MEMORY]: '{"ad":false}' })
  page.edge.consent({ ad: true })
  page.edge.track('again')
  await page.pass(100)
  assert.deepEqual(page.names, ['again'])
  assert.deepEqual(page.batches[0].user, {})
  assert.equal('click_id' in page.batches[0], false)
})

claim('what is in flight when the visitor refuses does not come back', async (open) => {
  const flight = hang()
  const page = open({ data: { consent: 'implied' }, answers: [flight] })
  await page.pass(100)
  page.edge.consent({ ad: false })
  flight.answer(503)
  await page.pass(600000)
  page.edge.consent({ ad: true })
  await page.pass(600000)
  assert.deepEqual(page.names, ['page'])
  assert.deepEqual(page.choices, [{ ad: false }, { ad: true }])
})

claim('a choice that does not arrive is posted again, and the last one made is the last posted', async (open) => {
  const page = open({ data: { auto: 'false' }, answers: [503, offline(), 202, 202] })
  page.edge.consent({ ad: true })
  await page.pass(0)
  page.edge.consent({ ad: false })
  await page.pass(1000000)
  assert.deepEqual(page.choices[0], { ad: true })
  for (const choice of page.choices.slice(1)) assert.deepEqual(choice, { ad: false })
  assert.ok(page.choices.length >= 2)
})

claim('the same choice twice is posted once', async (open) => {
  const page = open()
  for (let n = 0; n < 3; n++) page.edge.consent({ ad: true })
  await page.pass(100)
  assert.equal(page.choices.length, 1)
})

for (const [given, flows] of [
  [{ categories: { advertising: true, analytics: false } }, true],
  [{ categories: { advertising: false, analytics: true } }, false],
  [{ categories: { marketing: true } }, true], // whose category it is, the edge knows
  [{ categories: { marketing: false } }, false],
  [{ ad: false, categories: { advertising: true } }, false],
  [{ ad: true, categories: { advertising: false } }, false]
]) {
  claim(`${JSON.stringify(given)} is ${flows ? 'a yes' : 'a no'}, passed on as given`, async (open) => {
    const page = open()
    page.edge.consent(given)
    await page.pass(100)
    assert.deepEqual(page.choices, [given])
    assert.deepEqual(page.names, flows ? ['page'] : [])
    if (flows) assert.deepEqual(page.batches[0].consent, given)
  })
}

claim('what says neither yes nor no changes nothing', async (open) => {
  const page = open({ data: { consent: 'implied' }, storage: { [MEMORY]: '{"ad":true}' } })
  for (const given of [undefined, null, {}, { ad: 'yes' }, { ad: 1 }, { categories: {} }, true, 'no']) {
    page.edge.consent(given)
  }
  await page.pass(100)
  assert.deepEqual(page.names, ['page'])
  assert.deepEqual(page.choices, [])
  assert.deepEqual(Object.keys(page.storage), [MEMORY])
  assert.deepEqual(page.warnings, ['edge: needs {...}'])
})

claim('under Global Privacy Control nothing is sent, not even after a yes, and no yes is remembered', async (open) => {
  const page = open({
    data: { consent: 'implied' },
    navigator: { globalPrivacyControl: true },
    storage: { [MEMORY]: '{"ad":true}' }
  })
  page.edge.consent({ ad: true })
  assert.notEqual(page.edge.track('a'), '')
  page.edge.identify('u-1')
  await page.pass(60000)
  page.hide()
  await page.pass(60000)
  assert.deepEqual(page.requests, [])
  assert.deepEqual(page.storage, {})
})

claim('Global Privacy Control holds from the moment it is switched on', async (open) => {
  const page = open({ data: { consent: 'implied' } })
  page.navigator.globalPrivacyControl = true
  await page.pass(60000)
  page.hide()
  assert.deepEqual(page.requests, [])
})

claim('a withdrawal reaches the edge under Global Privacy Control too', async (open) => {
  const page = open({ navigator: { globalPrivacyControl: true } })
  page.edge.consent({ ad: false })
  await page.pass(100)
  assert.deepEqual(page.choices, [{ ad: false }])
  assert.deepEqual(page.events, [])
})

claim("the edge's own record of a refusal outweighs implied consent and the memory", async (open) => {
  const page = open({
    data: { consent: 'implied' },
    cookie: '_scid=x; edge_optout=1',
    storage: { [MEMORY]: '{"ad":true}' }
  })
  await page.pass(100)
  assert.deepEqual(page.requests, [])
  assert.deepEqual(page.storage, {})
  page.edge.consent({ ad: true })
  await page.pass(100)
  assert.deepEqual(page.names, ['page'])
  assert.deepEqual(page.choices, [{ ad: true }])
})

claim('without storage a yes counts for this page', async (open) => {
  const page = open({
    before: (window) => {
      Object.defineProperty(window, 'localStorage', {
        get() {
          throw new Error('SecurityError')
        }
      })
    }
  })
  page.edge.consent({ ad: true })
  await page.pass(100)
  assert.deepEqual(page.names, ['page'])
  assert.deepEqual(page.warnings, [])
})

claim('a no that did not reach the edge is told by the next page, and nothing flows meanwhile', async (open) => {
  const first = open({ data: { consent: 'implied' }, answers: [offline()] })
  first.edge.consent({ ad: false })
  await first.pass(0)
  first.leave()
  const second = open({ data: { consent: 'implied' }, storage: first.storage, answers: [202] })
  await second.pass(60000)
  assert.deepEqual(second.choices, [{ ad: false }])
  assert.deepEqual(second.events, [])
})

claim("a no that the edge marked is forgotten by the tag, the edge's mark being enough", async (open) => {
  const page = open({ cookie: 'edge_optout=1', storage: { [MEMORY]: '{"ad":false}' } })
  await page.pass(60000)
  assert.deepEqual(page.requests, [])
  assert.deepEqual(page.storage, {})
})

claim('a memory that is no JSON is no choice', async (open) => {
  const page = open({ storage: { [MEMORY]: 'nonsense' } })
  page.edge.consent({ ad: true })
  await page.pass(100)
  assert.deepEqual(page.names, ['page'])
})

claim('a choice made while the page is prerendered is told when it is shown', async (open) => {
  const page = open({ data: { auto: 'false' }, document: { prerendering: true, hidden: true } })
  page.edge.consent({ ad: true })
  await page.pass(1000)
  assert.deepEqual(page.requests, [])
  page.document.prerendering = page.document.hidden = false
  page.fire('prerenderingchange')
  await page.pass(100)
  assert.deepEqual(page.choices, [{ ad: true }])
})
