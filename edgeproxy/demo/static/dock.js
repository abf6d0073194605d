// Keeps the list of events beside the shop fresh. Everything that it shows comes from the server as
// the page itself does; without this script a reload does the same.
;(function () {
  'use strict'

  const list = document.querySelector('[data-dock]')
  if (!list) return
  const SHOWN = 12
  const { life } = list.dataset
  const news = document.querySelector('[data-news]')
  let rev = list.dataset.rev
  let stream = null

  function state(name) {
    for (const dot of document.querySelectorAll('[data-state]')) dot.dataset.state = name
  }

  /** The times as clocks here show them; the title keeps UTC. */
  function localTimes(root) {
    for (const time of root.querySelectorAll('time')) {
      time.textContent = new Date(time.dateTime).toLocaleTimeString([], { hour12: false })
    }
  }

  /** Put a card in its place: over its older version, or by its number, newest first. */
  function place(number, html) {
    const template = document.createElement('template')
    template.innerHTML = html.trim()
    const card = template.content.firstElementChild
    localTimes(card)
    const old = document.getElementById(card.id)
    if (old) {
      const hadFocus = old.contains(document.activeElement)
      old.replaceWith(card)
      if (hadFocus) card.querySelector('a')?.focus({ preventScroll: true })
    } else {
      const next = [...list.children].find((one) => Number(one.dataset.n) < number)
      list.insertBefore(card, next || null)
      while (list.children.length > SHOWN) list.lastElementChild.remove()
    }
    card.classList.add('fresh')
  }

  function show(event) {
    const { n, html, totals, news: text } = JSON.parse(event.data)
    rev = event.lastEventId
    place(n, html)
    for (const [name, value] of Object.entries(totals)) {
      for (const cell of document.querySelectorAll(`[data-total="${name}"]`)) {
        cell.textContent = String(value)
      }
    }
    for (const box of document.querySelectorAll('[data-empty]')) box.hidden = true
    if (news) news.textContent = text
  }

  function connect() {
    if (stream || document.hidden) return
    stream = new EventSource(`/dock/stream?life=${life}&since=${rev}`)
    stream.addEventListener('open', () => state('live'))
    stream.addEventListener('card', show)
    stream.addEventListener('reset', () => location.reload())
    stream.addEventListener('error', () => state('gone')) // the browser tries again by itself
  }

  function disconnect() {
    if (stream) stream.close()
    stream = null
  }

  // A browser opens six connections to a host: a tab that nobody sees gives its own back.
  document.addEventListener('visibilitychange', () => {
    if (document.hidden) disconnect()
    else connect()
  })
  addEventListener('pagehide', disconnect)
  addEventListener('pageshow', (event) => event.persisted && connect())
  localTimes(document)
  connect()
})()
