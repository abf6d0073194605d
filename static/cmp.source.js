// @ts-check
/**
 * Consent adapters: what the visitor told the site's consent manager, told to the tag.
 *
 * Served as /cmp.js and fetched by the tag only where the page names signals in
 * `data-cmp="tcf gpp google"`. Each adapter reads one signal and says yes, no or nothing; a no outweighs
 * every yes, and nothing is no yes. Global Privacy Control needs no adapter: the tag and the edge obey it.
 *
 * Further attributes of the tag: `data-tcf-purposes` (default "1 7"), `data-tcf-vendor`, and
 * `data-google-layer` (default "dataLayer").
 */

/** @typedef {{[key: string]: any}} Values */
/** @typedef {(verdict: boolean | undefined) => void} Tell */

const OPT_OUTS = ['SaleOptOut', 'SharingOptOut', 'TargetedAdvertisingOptOut']

/** GPP section id → its prefix. Source: IAB Tech Lab, GPP section information. */
const STATES = /** @type {Values} */ ({
  7: 'usnat',
  8: 'usca',
  9: 'usva',
  10: 'usco',
  11: 'usut',
  12: 'usct'
})

/**
 * Call `start` with the page's function of that name, now or when the page is loaded: a consent manager
 * leaves a stub that queues, so there is nothing to poll for.
 * @param {string} name
 * @param {(api: (...values: any[]) => any) => void} start
 */
function when(name, start) {
  const page = /** @type {Values} */ (window)
  const look = guard(() => {
    if (typeof page[name] !== 'function') return false
    start(page[name])
    return true
  })
  if (!look() && document.readyState !== 'complete') addEventListener('load', look)
}

/**
 * Nothing that a consent manager gets wrong may reach the page; what it said stays unknown.
 * @param {(...values: any[]) => any} run
 */
function guard(run) {
  return (/** @type {any[]} */ ...values) => {
    try {
      return run(...values)
    } catch (_) {
      return undefined
    }
  }
}

/**
 * IAB TCF 2.2 and 2.3. Source: IAB Europe, CMP API v2.
 * @param {Tell} tell
 * @param {DOMStringMap} options
 */
function tcf(tell, options) {
  when('__tcfapi', (api) => {
    api('addEventListener', 2, guard((data, success) => {
      if (!success || !/^(tcloaded|useractioncomplete)$/.test(data.eventStatus)) return
      tell(data.gdprApplies === true ? tcfAllows(data, options) : undefined)
    }))
  })
}

/**
 * @param {Values} data a TCData object, or the sub-sections of a GPP string that are named alike
 * @param {DOMStringMap} options
 */
function tcfAllows({ purpose, vendor }, { tcfPurposes = '1 7', tcfVendor }) {
  const purposes = ['1', ...words(tcfPurposes)]
  if (!purposes.every((id) => purpose.consents[id] === true)) return false
  if (!tcfVendor) return true
  const { consents, disclosedVendors } = vendor
  return consents[tcfVendor] === true && (!disclosedVendors || disclosedVendors[tcfVendor] === true)
}

/**
 * IAB GPP 1.1. It knows opt-outs: taking one back is a yes only under implied consent.
 * @param {Tell} tell
 * @param {DOMStringMap} options
 */
function gpp(tell, options) {
  let out = false
  when('__gpp', (api) => {
    api('addEventListener', guard(({ eventName, pingData }) => {
      if (!/^(listenerRegistered|signalStatus|sectionChange)$/.test(eventName)) return
      if (pingData.signalStatus !== 'ready') return
      const verdict = gppSays(pingData, options)
      const back = out && verdict === undefined && options.consent === 'implied'
      out = verdict === false
      tell(back ? true : verdict)
    }))
  })
}

/**
 * @param {Values} ping
 * @param {DOMStringMap} options
 * @returns {boolean | undefined}
 */
function gppSays({ applicableSections, parsedSections }, options) {
  const verdicts = applicableSections.map((/** @type {number} */ id) => {
    if (id === 2) return europeSays(parsedSections.tcfeuv2, options)
    const prefix = STATES[id]
    const section = prefix && (parsedSections[prefix] || parsedSections[prefix + 'v1'])
    return section && optedOut([].concat(section)) ? false : undefined
  })
  if (verdicts.includes(false)) return false
  return verdicts.includes(true) ? true : undefined
}

/** @param {Values[]} parts sub-sections, the core one first */
function optedOut(parts) {
  return parts.some(
    (part) => OPT_OUTS.some((name) => part[name] === 1) || part.Gpc === true || part.Gpc === 1
  )
}

/**
 * The European section inside GPP, where consents are lists of ids.
 * @param {any} section
 * @param {DOMStringMap} options
 */
function europeSays(section, { tcfPurposes = '1 7', tcfVendor }) {
  if (!section) return undefined
  const core = /** @type {Values[]} */ ([]).concat(section)[0]
  const { PurposeConsents, PurposeConsent = PurposeConsents, VendorConsents, VendorConsent = VendorConsents } =
    core
  const has = (/** @type {any} */ list, /** @type {string} */ id) =>
    Array.isArray(list) && (list.includes(+id) || list[+id - 1] === true)
  return (
    ['1', ...words(tcfPurposes)].every((id) => has(PurposeConsent, id)) &&
    (!tcfVendor || has(VendorConsent, tcfVendor))
  )
}

/**
 * Google Consent Mode v2, as it is pushed: there is no documented way to ask for it. The last entry
 * wins field by field; of a default for a region only its denials count, because where the visitor is
 * we do not know; a default that waits for an update is no answer yet.
 * @param {Tell} tell
 * @param {DOMStringMap} options
 */
function google(tell, { googleLayer = 'dataLayer' }) {
  const page = /** @type {Values} */ (window)
  /** @type {Values} */
  const state = {}
  let waiting = false

  const read = guard((entry) => {
    const [command, kind, fields] = [entry[0], entry[1], entry[2]]
    if (command !== 'consent' || !/^(default|update)$/.test(kind)) return
    for (const name of ['ad_storage', 'ad_user_data']) {
      const said = fields[name]
      if (said === 'denied' || (said === 'granted' && !(kind === 'default' && fields.region))) {
        state[name] = said === 'granted'
      }
    }
    waiting = kind === 'default' && (waiting || fields.wait_for_update > 0)
    if (waiting) return
    const { ad_storage: storage, ad_user_data: data } = state
    tell(storage === false || data === false ? false : storage && data)
  })

  const layer = (page[googleLayer] = page[googleLayer] || [])
  for (const entry of [].slice.call(layer)) read(entry)
  const push = layer.push
  layer.push = function () {
    const result = push.apply(this, arguments)
    for (const entry of arguments) read(entry)
    return result
  }
}

/** @param {string} text names divided by blanks or commas */
function words(text) {
  return text.split(/[\s,]+/).filter(Boolean)
}

const ADAPTERS = /** @type {{[name: string]: (tell: Tell, options: DOMStringMap) => void}} */ ({
  tcf,
  gpp,
  google
})

/**
 * Start the adapters that the tag's script element names.
 * @param {any} edge the tag's API
 * @param {HTMLScriptElement} script
 */
export default function start(edge, { dataset }) {
  /** @type {{[name: string]: boolean | undefined}} */
  const verdicts = {}
  for (const name of words(/** @type {string} */ (dataset.cmp))) {
    const adapter = Object.prototype.hasOwnProperty.call(ADAPTERS, name) && ADAPTERS[name]
    if (!adapter) {
      console.warn('edge: data-cmp knows tcf, gpp and google, not ' + name)
      continue
    }
    guard(adapter)((/** @type {boolean | undefined} */ verdict) => {
      verdicts[name] = verdict
      const all = Object.keys(verdicts).map((one) => verdicts[one])
      if (all.includes(false)) edge.consent({ ad: false })
      else if (all.includes(true)) edge.consent({ ad: true })
    }, dataset)
  }
}
