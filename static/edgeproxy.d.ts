/**
 * The public API of the tag, for pages written in TypeScript: copy this file, or reference it.
 *
 * With `data-global="_df"` on the script the same object is `window._df`.
 */

/** What belongs to one event only. */
export interface EdgeOptions {
  /**
   * The event's id, when the caller has one: the same id is the same event, counted once. Without it
   * `event_id`, `client_dedup_id` or `client_deduplication_id` of the properties is taken, in any
   * spelling, else a random one. Give the same id to Snap's own pixel where that runs too.
   */
  id?: string | number
  /** When it happened: Unix milliseconds, a date, or an ISO 8601 text. Default: now. */
  time?: number | string | Date
  /** Narrows the event to these pixels; without it all of the page's, which are all of the site's. */
  pixels?: string[]
}

/**
 * A choice of the visitor: the short form, or by category. A no to `advertising` is a no to all, and so
 * is a choice without any yes; which categories an integration needs is the edge's to know.
 */
export type EdgeConsent = { ad: boolean } | { categories: Record<string, boolean> }

/** What the visitor is known by; e-mail and phone are hashed by the edge before anything is stored. */
export interface EdgeTraits {
  email?: string
  phone?: string
  first_name?: string
  last_name?: string
  city?: string
  state?: string
  zip?: string
  country?: string
  [trait: string]: unknown
}

export type EdgeProperties = Record<string, unknown>

/** One call as data, as the early queue holds it: `['track', 'Product Viewed', {value: 5}]`. */
export type EdgeCall = readonly unknown[] | IArguments

export interface Edge {
  /** A call by its name: `edge('track', 'Product Viewed', {value: 5})`. */
  (call: 'page' | 'track' | 'identify' | 'consent' | 'reset' | 'init', ...values: unknown[]): string | void
  /** A page view. Returns the event's id, or `''` when the call was unusable. */
  page(properties?: EdgeProperties, options?: EdgeOptions): string
  page(name?: string | null, properties?: EdgeProperties | null, options?: EdgeOptions): string
  /** An event. Returns its id at once, or `''` when the call was unusable. */
  track(name: string, properties?: EdgeProperties | null, options?: EdgeOptions): string
  /** An event for one pixel, named by its UUID: the other form of Snap's `track`. */
  track(pixel: string, name: string, properties?: EdgeProperties | null): string
  /** Adds a pixel, and what is known of the visitor, as Snap's `init` does. */
  init(pixel: string, traits?: EdgeTraits | null): void
  /** Who the visitor is, for the events not yet sent and the later ones of this page. */
  identify(traits: EdgeTraits): void
  identify(id?: string | number | null, traits?: EdgeTraits | null): void
  /** The visitor's choice. A refusal forgets what waits and what is known of the visitor. */
  consent(choice: EdgeConsent): void
  /** Forgets who the visitor is, at logout. */
  reset(): void
  /** Calls as data; what the stub's `push` does before the tag is there, this does after. */
  push(...calls: EdgeCall[]): void
  /** True when the tag runs; a stub has no such property. */
  readonly loaded: true
}

/**
 * Snap's pixel, as its own snippet calls it. Commands that are neither `init` nor `track` do nothing.
 * Keys of traits and parameters are Snap's, in any letter case and separator.
 */
export interface Snaptr {
  (command: 'init', pixel: string, traits?: EdgeTraits): void
  (command: 'track', event: string, parameters?: EdgeProperties): string | void
  (command: 'track', pixel: string, event: string, parameters?: EdgeProperties): string | void
  (command: string, ...values: unknown[]): unknown
  handleRequest?: (...values: any[]) => unknown
  queue?: EdgeCall[]
}

declare global {
  interface Window {
    edge: Edge
    snaptr: Snaptr
  }
}
