// Keeps the list of events fresh, on the live page and beside the shop. Everything that it shows
// comes from the server as the page itself does; without this script a reload does the same.
;(function () {
  'use strict'

  const list = document.querySelector('[data-live]')
  if (!list) return
  const { life } = list.dataset
  const opens = 'open' in list.dataset
  const shown = Number(list.dataset.shown)
  const pause = document.querySelector('[data-pause]')
  const news = document.querySelector('[data-news]')
  let rev = list.dataset.rev
  let stream = null
  let paused = false

  function state(name) {
    for (const dot of document.querySelectorAll('[data-state]')) dot.dataset.state = name
    const text = document.querySelector('[data-state-text]')
    if (!text) return
    text.dataset.stateText = name
    text.textContent = { live: 'Live', paused: 'Paused', gone: 'Not connected' }[name]
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
    const details = card.querySelector('details')
    const old = document.getElementById(card.id)
    if (old) {
      details.open = old.querySelector('details').open
      const hadFocus = old.contains(document.activeElement)
      old.replaceWith(card)
      if (hadFocus) card.querySelector('summary').focus({ preventScroll: true })
    } else {
      details.open = opens && !('brief' in card.dataset)
      const next = [...list.children].find((one) => Number(one.dataset.n) < number)
      list.insertBefore(card, next || null)
      while (list.children.length > shown) list.lastElementChild.remove()
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
    if (stream || paused || document.hidden) return
    stream = new EventSource(`/live/stream?life=${life}&since=${rev}`)
    stream.addEventListener('open', () => state('live'))
    stream.addEventListener('card', show)
    stream.addEventListener('reset', () => location.reload())
    stream.addEventListener('error', () => state('gone')) // the browser tries again by itself
  }

  function disconnect() {
    if (stream) stream.close()
    stream = null
  }

  if (pause) {
    pause.hidden = false
    pause.addEventListener('click', () => {
      paused = !paused
      pause.setAttribute('aria-pressed', String(paused))
      pause.textContent = paused ? 'Go on' : 'Pause'
      if (paused) disconnect()
      else connect()
      state(paused ? 'paused' : 'live')
    })
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
