/** The life of a page: its views, prerendering, the back/forward cache, and the click id. */
import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'

import { claim } from './page.mjs'

const IMPLIED = { consent: 'implied' }
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
  assert.deepEqual(open().listens, [
    'online',
    'pagehide',
    'pageshow',
    'popstate',
    'prerenderingchange',
    'visibilitychange'
  ])
})

async function clickId(open, options) {
  const page = open({ data: IMPLIED, ...options })
  await page.pass(100)
  return page.batches[0].click_id
}

const CASES = JSON.parse(
  readFileSync(new URL('../cases/click_ids.json', import.meta.url), 'utf8')
).click_ids.filter(({ page_url: url, expected, name, ...rest }) =>
  // Only what the address itself decides. What is percent-encoded, and `sscid`, the edge reads from the
  // page's url; a value that is none it ignores, and looks further.
  url && expected && !url.includes('%') && !/sscid/i.test(name) &&
    !Object.keys(rest).some((key) => /referrer|batch|properties|cookie|master/.test(key))
)
assert.ok(CASES.length > 6)

for (const { name, page_url: url, expected } of CASES) {
  claim(`click id, case ${name}`, async (open) => {
    assert.equal(await clickId(open, { url }), expected)
  })
}

for (const [query, expected] of [
  ['?a=1&SC_CLICK_ID=v.1_-#top', 'v.1_-'],
  ['#/landing?ScCid=routed', 'routed'],
  ['?u_sclid=x', undefined],
  ['?myScCid=x', undefined],
  ['?ScCid=', undefined],
  ['?ScCid=&ScCid=second', 'second']
]) {
  claim(`${query} has the click id ${expected}`, async (open) => {
    assert.equal(await clickId(open, { url: SHOP + query }), expected)
  })
}

claim("a router that cleaned the address before us does not hide the navigation's click id", async (open) => {
  const before = (window) => {
    window.performance = { getEntries: () => [{ name: `${SHOP}?ScCid=landed` }] }
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
  assert.deepEqual(page.batches.map(({ click_id: id }) => id), ['click-1', 'click-1'])
  assert.deepEqual(page.storage, {})
  assert.deepEqual(page.cookieWrites, [])
})

claim('the referrer goes with every batch, for the click id in it', async (open) => {
  const page = open({ data: IMPLIED, referrer: `${SHOP}landing?ScCid=first-page` })
  await page.pass(100)
  assert.equal(page.batches[0].page.referrer, `${SHOP}landing?ScCid=first-page`)
})

async function views(open, url, go, data = IMPLIED) {
  const page = open({ data, url })
  await page.pass(100)
  go(page)
  await page.pass(100)
  return page.batches.flatMap(({ page: { url: at }, events }) => events.map(() => at.slice(SHOP.length - 1)))
}

for (const [what, go, expected] of [
  ['pushState to a page', ({ history }) => history.pushState({}, '', '/b'), ['/a?q=1', '/b']],
  ['pushState to another query', ({ history }) => history.pushState({}, '', '/a?q=2'), ['/a?q=1', '/a?q=2']],
  ['pushState to the same address', ({ history }) => history.pushState({}, '', '/a?q=1'), ['/a?q=1']],
  ['pushState of a state only', ({ history }) => history.pushState({ n: 1 }, ''), ['/a?q=1']],
  ['pushState to a place on the page', ({ history }) => history.pushState({}, '', '#top'), ['/a?q=1']],
  ['replaceState that cleans the query', ({ history }) => history.replaceState({}, '', '/a'), ['/a?q=1']],
  ['replaceState of a state only', ({ history }) => history.replaceState({ n: 1 }, ''), ['/a?q=1']],
  ['replaceState to another page', ({ history }) => history.replaceState({}, '', '/b'), ['/a?q=1', '/b']],
  ['pushState and replaceState to one page', ({ history }) => {
    history.pushState({}, '', '/b')
    history.replaceState({ n: 1 }, '', '/b')
    history.replaceState({ n: 2 }, '', '/b?sort=1')
  }, ['/a?q=1', '/b']],
  ['a query that was cleaned and a fragment', (page) => {
    page.history.replaceState({}, '', '/a')
    page.pop('/a#top')
  }, ['/a?q=1']],
  ['going back', (page) => page.pop('/'), ['/a?q=1', '/']],
  ['a fragment', (page) => page.pop('/a?q=1#reviews'), ['/a?q=1']],
  ['a route in the fragment', (page) => page.pop('/a?q=1#/cart'), ['/a?q=1', '/a?q=1#/cart']],
  ['an old route in the fragment', (page) => page.pop('/a?q=1#!cart'), ['/a?q=1', '/a?q=1#!cart']],
  ['coming back to the tab', (page) => {
    page.hide()
    page.show()
  }, ['/a?q=1']],
  ['leaving', (page) => page.leave(), ['/a?q=1']]
]) {
  claim(`${what}: ${expected.length === 1 ? 'no view more' : 'one view more'}`, async (open) => {
    assert.deepEqual(await views(open, `${SHOP}a?q=1`, go), expected)
  })
}

claim('data-auto="false" leaves the views of a single-page site to the site too', async (open) => {
  const go = ({ history }) => history.pushState({}, '', '/b')
  assert.deepEqual(await views(open, `${SHOP}a`, go, { ...IMPLIED, auto: 'false' }), [])
})

claim("a wrapped function keeps what it gives, its this, and the page's own exception", (open) => {
  const page = open({
    data: IMPLIED,
    before: ({ history }) => {
      history.pushState = function (state, title, to) {
        if (to === 'bad') throw new TypeError('not allowed')
        return [this === history, state, arguments.length]
      }
    }
  })
  assert.deepEqual(page.history.pushState(1, '', '/b'), [true, 1, 3])
  assert.throws(() => page.history.pushState(1, '', 'bad'), /not allowed/)
})

claim('a page that is prerendered and then moved has one view, of where it is', async (open) => {
  const page = open({ data: IMPLIED, document: { prerendering: true, hidden: true } })
  page.history.replaceState({}, '', '/moved')
  await page.pass(1000)
  page.document.prerendering = false
  page.document.hidden = false
  page.fire('prerenderingchange')
  page.fire('visibilitychange')
  await page.pass(100)
  assert.deepEqual(page.names, ['page'])
  assert.equal(page.batches[0].page.url, `${SHOP}moved`)
})
