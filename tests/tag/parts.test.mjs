/** The parts that the tag fetches only where the page names them: consent adapters and the data layer. */
import assert from 'node:assert/strict'

import { claim, EDGE } from './page.mjs'

const TCF_YES = {
  eventStatus: 'tcloaded',
  gdprApplies: true,
  purpose: { consents: { 1: true, 7: true } },
  vendor: { consents: { 42: true }, disclosedVendors: { 42: true } }
}
const ADS = 'https://www.shop.example/?ScCid=click-1'

claim('without data-cmp and data-layer no part is fetched', async (open) => {
  const page = open({ data: { consent: 'implied' } })
  await page.pass(1000)
  assert.deepEqual(page.imports, [])
})

claim('a part comes from where the tag came from', async (open) => {
  const page = open({
    src: 'https://www.shop.example/edge/s.js?v=1',
    data: { cmp: 'tcf', layer: 'dataLayer', endpoint: 'https://other.example' }
  })
  await page.pass(0)
  assert.deepEqual(page.imports, [
    'https://www.shop.example/edge/cmp.js',
    'https://www.shop.example/edge/layer.js'
  ])
})

claim('a part that the page forbids costs nothing but itself', async (open) => {
  const rejected = []
  const collect = (reason) => rejected.push(reason)
  process.on('unhandledRejection', collect)
  const page = open({ data: { cmp: 'tcf', layer: 'x', consent: 'implied' }, blocked: true })
  await page.pass(100)
  process.off('unhandledRejection', collect)
  assert.deepEqual(rejected, [])
  assert.deepEqual(page.names, ['page'])
})

/** A page with an IAB manager that the test speaks for: `page.tcf(data)`. */
function managed(open, data, options = {}) {
  const page = open({
    url: ADS,
    data,
    stub: `__tcfapi = function (command, version, callback) { tcf = callback }
      __gpp = function (command, callback) { gpp = callback }`,
    ...options
  })
  page.tcf = (given, success = true) => page.window.tcf(given, success)
  page.gpp = (pingData, eventName = 'signalStatus') => page.window.gpp({ eventName, pingData })
  return page
}

claim('TCF: nothing leaves or is stored until the visitor decided, then all of it', async (open) => {
  const page = managed(open, { cmp: 'tcf' })
  await page.pass(1000)
  page.tcf({ ...TCF_YES, eventStatus: 'cmpuishown', purpose: { consents: {} } })
  await page.pass(60000)
  assert.deepEqual(page.requests, [])
  assert.deepEqual(page.storage, {})
  page.tcf({ ...TCF_YES, eventStatus: 'useractioncomplete' })
  await page.pass(100)
  assert.deepEqual(page.choices, [{ ad: true }])
  assert.deepEqual(page.names, ['page'])
  assert.equal(page.batches[0].click_id, 'click-1')
})

for (const [what, data, given, success, choices] of [
  ['a yes to the purposes', {}, TCF_YES, true, [{ ad: true }]],
  ['a no to purpose 7', {}, { ...TCF_YES, purpose: { consents: { 1: true } } }, true, [{ ad: false }]],
  ['a no to storage', { tcfPurposes: '7' }, { ...TCF_YES, purpose: { consents: { 7: true } } }, true, [{ ad: false }]],
  ['other purposes asked for', { tcfPurposes: '1, 10' }, TCF_YES, true, [{ ad: false }]],
  ['a vendor that is allowed', { tcfVendor: '42' }, TCF_YES, true, [{ ad: true }]],
  ['a vendor that is not', { tcfVendor: '43' }, TCF_YES, true, [{ ad: false }]],
  ['a vendor that was not disclosed', { tcfVendor: '42' },
    { ...TCF_YES, vendor: { consents: { 42: true }, disclosedVendors: {} } }, true, [{ ad: false }]],
  ['a string without disclosed vendors', { tcfVendor: '42' },
    { ...TCF_YES, vendor: { consents: { 42: true } } }, true, [{ ad: true }]],
  ['a law that does not apply', {}, { ...TCF_YES, gdprApplies: false }, true, []],
  ['a law that may apply', {}, { ...TCF_YES, gdprApplies: undefined }, true, []],
  ['no success', {}, TCF_YES, false, []],
  ['data in no form', {}, { eventStatus: 'tcloaded', gdprApplies: true }, true, []]
]) {
  claim(`TCF: ${what} → ${JSON.stringify(choices)}`, async (open) => {
    const page = managed(open, { cmp: 'tcf', auto: 'false', ...data })
    await page.pass(0)
    page.tcf(given, success)
    await page.pass(100)
    assert.deepEqual(page.choices, choices)
  })
}

claim('TCF: a manager that comes later is found when the page is loaded', async (open) => {
  const page = open({ data: { cmp: 'tcf' } })
  await page.pass(0)
  page.run('__tcfapi = function (command, version, callback) { tcf = callback }')
  page.fire('load')
  page.window.tcf(TCF_YES, true)
  await page.pass(100)
  assert.deepEqual(page.choices, [{ ad: true }])
})

claim('TCF: a withdrawal reaches the edge and stops everything', async (open) => {
  const page = managed(open, { cmp: 'tcf' })
  await page.pass(0)
  page.tcf(TCF_YES)
  await page.pass(100)
  page.tcf({ ...TCF_YES, eventStatus: 'useractioncomplete', purpose: { consents: {} } })
  page.edge.track('after')
  await page.pass(60000)
  assert.deepEqual(page.choices, [{ ad: true }, { ad: false }])
  assert.deepEqual(page.names, ['page'])
})

const READY = { signalStatus: 'ready', applicableSections: [7] }
const usnat = (core, ...more) => ({ ...READY, parsedSections: { usnat: [core, ...more] } })

for (const [what, ping, choices] of [
  ['no opt-out is no grant', usnat({ SaleOptOut: 2, SharingOptOut: 2 }), []],
  ['a sale opt-out', usnat({ SaleOptOut: 1 }), [{ ad: false }]],
  ['a sharing opt-out', usnat({ SharingOptOut: 1 }), [{ ad: false }]],
  ['a targeting opt-out', usnat({ TargetedAdvertisingOptOut: 1 }), [{ ad: false }]],
  ['not applicable', usnat({ SaleOptOut: 0 }), []],
  ['the Gpc segment', usnat({ SaleOptOut: 2 }, { SubsectionType: 1, Gpc: true }), [{ ad: false }]],
  ['the Gpc segment as a number', usnat({ SaleOptOut: 2 }, { Gpc: 1 }), [{ ad: false }]],
  ['a section that does not apply', { ...usnat({ SaleOptOut: 1 }), applicableSections: [8] }, []],
  ['California', { ...READY, applicableSections: [8], parsedSections: { usca: [{ SaleOptOut: 1 }] } }, [{ ad: false }]],
  ['an older name', { ...READY, parsedSections: { usnatv1: [{ SaleOptOut: 1 }] } }, [{ ad: false }]],
  ['a section that is one object', { ...READY, parsedSections: { usnat: { SaleOptOut: 1 } } }, [{ ad: false }]],
  ['not ready yet', { ...usnat({ SaleOptOut: 1 }), signalStatus: 'not ready' }, []],
  ['a state that has no rule', { ...usnat({ SaleOptOut: 1 }), applicableSections: [-1] }, []],
  ['Europe, yes', { ...READY, applicableSections: [2],
    parsedSections: { tcfeuv2: [{ PurposeConsents: [1, 7] }] } }, [{ ad: true }]],
  ['Europe, no', { ...READY, applicableSections: [2],
    parsedSections: { tcfeuv2: [{ PurposeConsents: [1] }] } }, [{ ad: false }]],
  ['no sections at all', { signalStatus: 'ready' }, []]
]) {
  claim(`GPP: ${what} → ${JSON.stringify(choices)}`, async (open) => {
    const page = managed(open, { cmp: 'gpp', auto: 'false' })
    await page.pass(0)
    page.gpp(ping)
    await page.pass(100)
    assert.deepEqual(page.choices, choices)
  })
}

claim('GPP: other events say nothing', async (open) => {
  const page = managed(open, { cmp: 'gpp', auto: 'false' })
  await page.pass(0)
  page.gpp(usnat({ SaleOptOut: 1 }), 'cmpDisplayStatus')
  await page.pass(100)
  assert.deepEqual(page.choices, [])
})

for (const [consent, choices] of [
  ['implied', [{ ad: false }, { ad: true }]],
  ['required', [{ ad: false }]]
]) {
  claim(`GPP: an opt-out taken back, consent ${consent} → ${JSON.stringify(choices)}`, async (open) => {
    const page = managed(open, { cmp: 'gpp', auto: 'false', consent })
    await page.pass(0)
    page.gpp(usnat({ SaleOptOut: 1 }))
    page.gpp(usnat({ SaleOptOut: 2 }), 'sectionChange')
    await page.pass(100)
    assert.deepEqual(page.choices, choices)
  })
}

claim('GPP: no opt-out is no grant under implied consent either, where another refusal may stand', async (open) => {
  const page = managed(open, { cmp: 'gpp', auto: 'false', consent: 'implied' })
  await page.pass(0)
  page.gpp(usnat({ SaleOptOut: 2 }))
  await page.pass(100)
  assert.deepEqual(page.choices, [])
})

/** A page whose Consent Mode entries are `before` and, when the tag runs, `after`. */
async function google(open, before, after = [], data = {}) {
  const gtag = (entries) => entries.map((entry) => `gtag('consent', ${JSON.stringify(entry).slice(1, -1)})`).join(';')
  const page = open({
    data: { cmp: 'google', auto: 'false', ...data },
    stub: `dataLayer = []; function gtag() { dataLayer.push(arguments) } ${gtag(before)}`
  })
  await page.pass(0)
  page.run(gtag(after))
  await page.pass(100)
  return page
}

const all = (said) => ({ ad_storage: said, ad_user_data: said })

for (const [what, before, after, choices] of [
  ['denied by default', [['default', all('denied')]], [], [{ ad: false }]],
  ['denied, then granted', [['default', all('denied')]], [['update', all('granted')]], [{ ad: false }, { ad: true }]],
  ['denied but waiting, then granted', [['default', { ...all('denied'), wait_for_update: 500 }]],
    [['update', all('granted')]], [{ ad: true }]],
  ['granted by default', [['default', all('granted')]], [], [{ ad: true }]],
  ['one of two granted', [['update', { ad_storage: 'granted' }]], [], []],
  ['the last word field by field', [['update', all('granted')]], [['update', { ad_user_data: 'denied' }]],
    [{ ad: true }, { ad: false }]],
  ['a denial for a region counts', [['default', { ...all('denied'), region: ['DE'] }]], [], [{ ad: false }]],
  ['a grant for a region does not', [['default', { ...all('granted'), region: ['US'] }]], [], []],
  ['one of two denied', [['update', { ad_user_data: 'denied' }]], [], [{ ad: false }]],
  ['analytics is not advertising', [['update', { analytics_storage: 'granted' }]], [], []],
  ['no fields', [['update']], [['update', null]], []]
]) {
  claim(`Consent Mode: ${what} → ${JSON.stringify(choices)}`, async (open) => {
    assert.deepEqual((await google(open, before, after)).choices, choices)
  })
}

claim('Consent Mode: push keeps what it gives and holds what was pushed', async (open) => {
  const page = await google(open, [])
  assert.equal(page.run("dataLayer.push(['consent'], {event: 'x'}, null, 5)"), 4)
  assert.equal(page.run('dataLayer.length'), 4)
})

claim('Consent Mode: another name of the layer', async (open) => {
  const page = open({
    data: { cmp: 'google', auto: 'false', googleLayer: 'gl' },
    stub: `gl = [['consent', 'update', ${JSON.stringify(all('granted'))}]]`
  })
  await page.pass(100)
  assert.deepEqual(page.choices, [{ ad: true }])
})

claim('among several signals a no wins, and nothing said is no yes', async (open) => {
  const page = managed(open, { cmp: 'tcf gpp', auto: 'false' })
  await page.pass(0)
  page.tcf(TCF_YES)
  page.gpp(usnat({ SaleOptOut: 1 }))
  page.tcf({ ...TCF_YES, eventStatus: 'useractioncomplete' })
  await page.pass(100)
  assert.deepEqual(page.choices, [{ ad: true }, { ad: false }])
})

claim('a yes of a manager does not outweigh Global Privacy Control', async (open) => {
  const page = managed(open, { cmp: 'tcf' }, { navigator: { globalPrivacyControl: true } })
  await page.pass(0)
  page.tcf(TCF_YES)
  await page.pass(60000)
  assert.deepEqual(page.requests, [])
})

claim('a signal that nobody knows is named in the console, the others work', async (open) => {
  const page = managed(open, { cmp: 'constructor,tcf', auto: 'false' })
  await page.pass(0)
  page.tcf(TCF_YES)
  await page.pass(100)
  assert.deepEqual(page.choices, [{ ad: true }])
  assert.equal(page.warnings.length, 1)
  assert.match(page.warnings[0], /tcf, gpp and google, not constructor/)
})

for (const [what, cmp, stub] of [
  ['a manager that throws', 'tcf gpp', '__tcfapi = __gpp = function () { throw 1 }'],
  ['a layer that is frozen', 'google', 'dataLayer = Object.freeze([])'],
  ['a layer that is none', 'google', 'dataLayer = 5']
]) {
  claim(`${what} reaches neither the page nor the tag`, async (open) => {
    const rejected = []
    const collect = (reason) => rejected.push(reason)
    process.on('unhandledRejection', collect)
    const page = open({ data: { cmp, layer: 'dataLayer', consent: 'implied' }, stub })
    await page.pass(100)
    process.off('unhandledRejection', collect)
    assert.deepEqual(rejected, [])
    assert.deepEqual(page.names, ['page'])
  })
}

const ITEMS = [{ item_id: 'A', price: 5, quantity: 2 }]
const PURCHASE = { transaction_id: 'o-1', value: 10, currency: 'EUR', items: ITEMS }

/** A page that pushes `before` and, when the tag runs, `after`, both as JavaScript. */
async function layered(open, before, after = '', data = {}) {
  const page = open({
    data: { layer: 'dataLayer', consent: 'implied', auto: 'false', ...data },
    stub: `dataLayer = []; function gtag() { dataLayer.push(arguments) }; ${before}`
  })
  await page.pass(0)
  page.run(after)
  await page.pass(1000)
  return page
}

const json = JSON.stringify

for (const [what, code] of [
  ['dataLayer', `dataLayer.push({ event: 'purchase', ecommerce: ${json(PURCHASE)} })`],
  ['gtag', `gtag('event', 'purchase', ${json(PURCHASE)})`],
  ['dataLayer in two pushes', `dataLayer.push({ ecommerce: ${json(PURCHASE)} }); dataLayer.push({ event: 'purchase' })`]
]) {
  for (const [when, before, after] of [['before', code, ''], ['after', '', code]]) {
    claim(`a purchase pushed to ${what} ${when} loading is an event`, async (open) => {
      const page = await layered(open, before, after)
      assert.deepEqual(page.names, ['purchase'])
      assert.deepEqual(page.events[0].properties, PURCHASE)
    })
  }
}

claim("GA4's e-commerce names are events, the layer's other messages are not", async (open) => {
  const names = ['view_item', 'view_item_list', 'add_to_cart', 'add_to_wishlist', 'begin_checkout',
    'add_payment_info', 'purchase', 'search', 'sign_up', 'login', 'share', 'generate_lead']
  const others = ['gtm.js', 'gtm.dom', 'page_view', 'scroll', 'remove_from_cart', 'Purchase!', '']
  const page = await layered(open, [...names, ...others].map((event) => `dataLayer.push(${json({ event })})`).join(';'))
  assert.deepEqual(page.names, names)
  const called = await layered(open, [...names, ...others].map((event) => `gtag('event', ${json(event)})`).join(';'))
  assert.deepEqual(called.names, names)
})

claim('commerce that was taken back is not in the next event', async (open) => {
  const page = await layered(open, `dataLayer.push({ ecommerce: ${json(PURCHASE)} })
    dataLayer.push({ ecommerce: null })
    dataLayer.push({ event: 'search', search_term: 'mug' })`)
  assert.deepEqual(page.events[0].properties, { search_term: 'mug' })
})

for (const [what, code] of [
  ['with the event', `dataLayer.push({ event: 'purchase', user_data: { email_address: 'jane@example.com' } })`],
  ["with gtag's event", `gtag('event', 'purchase', { user_data: { email_address: 'jane@example.com' } })`],
  ['set', `gtag('set', 'user_data', { email_address: 'jane@example.com' }); gtag('event', 'purchase', {})`],
  ['set in an object', `gtag('set', { user_data: { email_address: 'jane@example.com' } }); gtag('event', 'purchase')`],
  ['in a message of its own', `dataLayer.push({ user_data: { email_address: 'jane@example.com' } }); dataLayer.push({ event: 'purchase' })`]
]) {
  claim(`user_data ${what} says who the visitor is`, async (open) => {
    const page = await layered(open, code)
    const batch = page.batches.find(({ events }) => events.some(({ name }) => name === 'purchase'))
    assert.deepEqual(batch.user, { email_address: 'jane@example.com' })
  })
}

claim('user_id is the visitor\'s id', async (open) => {
  const page = await layered(open, `gtag('config', 'G-1', { user_id: 'u-1' }); gtag('event', 'login')`)
  assert.deepEqual(page.batches[0].user, { external_id: 'u-1' })
})

claim('what is pushed still arrives where it was pushed to, and push gives what it gave', async (open) => {
  const page = await layered(open, '')
  assert.equal(page.run("dataLayer.push({ event: 'purchase' }, { event: 'login' })"), 2)
  await page.pass(100)
  assert.deepEqual(page.names, ['purchase', 'login'])
  assert.throws(() => page.run('dataLayer.push = 5; dataLayer.push()'))
})

claim('rubbish in the layer is nobody\'s event', async (open) => {
  const page = await layered(open, `
    dataLayer.push(null, 5, 'text', [], [[]], function () {}, { event: {} }, { get event() { throw 1 } })
    gtag('event'); gtag('event', 5); gtag('set'); gtag()
    gtag('event', 'purchase', 'text')
    gtag('event', 'login')`)
  assert.deepEqual(page.names.filter((name) => name !== 'identify'), ['login'])
})

claim('a layer that the page has not made yet is made', async (open) => {
  const page = open({ data: { layer: 'later', consent: 'implied', auto: 'false' } })
  await page.pass(0)
  page.run("later.push({ event: 'login' })")
  await page.pass(100)
  assert.deepEqual(page.names, ['login'])
})

claim('the layer waits for consent as every other call does', async (open) => {
  const page = await layered(open, "dataLayer.push({ event: 'login' })", '', { consent: 'required' })
  assert.deepEqual(page.requests, [])
  assert.deepEqual(page.storage, {})
  page.edge.consent({ ad: true })
  await page.pass(100)
  assert.deepEqual(page.names, ['login'])
})

claim('parts load beside each other from one tag', async (open) => {
  const page = open({
    src: `${EDGE}/scevent.min.js`,
    data: { cmp: 'google', layer: 'dataLayer', auto: 'false' },
    stub: `dataLayer = [{ event: 'login' }, ['consent', 'update', ${json(all('granted'))}]]`
  })
  await page.pass(100)
  assert.deepEqual(page.names, ['login'])
})
