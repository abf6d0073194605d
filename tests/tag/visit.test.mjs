/** The life of a page: its views, prerendering, the back/forward cache, and the click id. */
import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'

import { claim } from './page.mjs'

const IMPLIED = { consent: 'implied' }
const UUID = '7b3a7917-a82a-47e8-9728-e1b3b045abb2'
const SHOP = 'https://www.shop.example/'

claim('a page view is sent by itself', async (open) => {
  const page = open({ data: IMPLIED })
  await page.pass(100)
  assert.deepEqual(page.events.map(({ name, call }) => [name, call]), [['page', 'page']])
})

claim('data-auto="false" leaves page views to the site', async (open) => {
  const page = open({ data: { ...IMPLIED, auto: 'false' } })
  page.fire('pageshow', { persisted: true })
  await page.pass(100)
  assert.deepEqual(page.requests, [])
})

claim('a page from the back/forward cache is a new view, a first show is not', async (open) => {
  const page = open({ data: IMPLIED })
  page.fire('pageshow', { persisted: false })
  await page.pass(100)
  page.fire('pagehide', { persisted: true })
  page.fire('pageshow', { persisted: true })
  await page.pass(100)
  assert.deepEqual(page.names, ['page', 'page'])
  assert.notEqual(page.events[0].id, page.events[1].id)
})

claim('a prerendered page sends nothing until it is shown, and its view is of that moment', async (open) => {
  const page = open({ data: IMPLIED, document: { prerendering: true } })
  page.edge.track('early')
  await page.pass(5000)
  page.fire('pagehide')
  assert.deepEqual(page.requests, [])
  page.document.prerendering = false
  page.fire('pageshow')
  page.fire('prerenderingchange')
  await page.pass(100)
  assert.deepEqual(page.names.toSorted(), ['early', 'page'])
  const view = page.events.find(({ name }) => name === 'page')
  assert.equal(view.time, page.now_ms - 100)
})

claim('a prerendered page without an automatic view sends its calls when it is shown', async (open) => {
  const page = open({ data: { ...IMPLIED, auto: 'false' }, document: { prerendering: true } })
  page.edge.track('early')
  await page.pass(5000)
  page.document.prerendering = false
  page.fire('prerenderingchange')
  await page.pass(100)
  assert.deepEqual(page.names, ['early'])
})

claim('there is no unload handler, which would close the back/forward cache', (open) => {
  assert.deepEqual(open().listens, ['pagehide', 'pageshow', 'prerenderingchange', 'visibilitychange'])
})

async function clickId(open, options) {
  const page = open({ data: IMPLIED, ...options })
  await page.pass(100)
  return page.batches[0].click_id
}

const CASES = JSON.parse(
  readFileSync(new URL('../cases/click_ids.json', import.meta.url), 'utf8')
).click_ids.filter(({ page_url: url, ...rest }) =>
  // Only what the address itself decides; what is percent-encoded the edge reads from the page's url.
  url && !url.includes('%') && !Object.keys(rest).some((key) => /referrer|batch|properties|cookie|master/.test(key))
)
assert.ok(CASES.length > 10)

for (const { name, page_url: url, expected } of CASES) {
  claim(`click id, case ${name}`, async (open) => {
    assert.equal(await clickId(open, { url }), expected ?? undefined)
  })
}

for (const [query, expected] of [
  [`?sscid=${UUID}&x=1`, UUID],
  [`?SSCID=${UUID.toUpperCase()}`, UUID.toUpperCase()],
  [`?sscid=${UUID}0`, undefined],
  ['?a=1&SC_CLICK_ID=v.1_-#top', 'v.1_-'],
  ['?ScCid=a%3Cb', undefined],
  ['?ScCid=a%20b&sclid=good', 'good'],
  ['?u_sclid=x', undefined]
]) {
  claim(`${query} has the click id ${expected}`, async (open) => {
    assert.equal(await clickId(open, { url: SHOP + query }), expected)
  })
}

claim("a router that cleaned the address before us does not hide the navigation's click id", async (open) => {
  const before = (window) => {
    window.performance = { getEntriesByType: () => [{ name: `${SHOP}?ScCid=landed` }] }
  }
  assert.equal(await clickId(open, { before }), 'landed')
  assert.equal(await clickId(open, { before, url: `${SHOP}?ScCid=now` }), 'now')
})

claim('the click id goes with later batches of the page, and lies in no storage', async (open) => {
  const page = open({ data: IMPLIED, url: `${SHOP}?ScCid=click-1` })
  await page.pass(100)
  page.window.location.href = `${SHOP}second`
  page.edge.track('later')
  page.edge.reset()
  await page.pass(100)
  assert.deepEqual(page.batches.map(({ click_id: id }) => id), ['click-1', 'click-1', 'click-1'])
  assert.deepEqual(page.storage, {})
  assert.deepEqual(page.cookieWrites, [])
})
