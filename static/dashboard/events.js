// The list of events goes on by itself: rows come by a stream and are written as text, never as
// HTML. While the tab is hidden, or paused, nothing is asked for; afterwards it catches up.
(function () {
  'use strict'
  var PAGE = 50
  var ROWS = 200
  var state = document.querySelector('[data-stream]')
  if (!state || !window.EventSource) return
  var words = state.querySelector('[data-stream-words]')
  var button = document.querySelector('[data-stream-pause]')
  var body = document.querySelector('table.events tbody')
  var mould = document.querySelector('[data-stream-row]').content.firstElementChild
  var url = new URL(state.dataset.stream, location.href)
  var source = null
  var paused = false

  function say(kind, text) {
    state.dataset.state = kind
    words.textContent = text
  }

  function slot(row, name, text) {
    var element = row.querySelector('[data-slot="' + name + '"]')
    if (!element) return
    element.textContent = text
    element.hidden = !text
  }

  function fill(row, event) {
    var time = row.querySelector('time')
    var at = new Date(event.at_ms)
    time.dateTime = at.toISOString()
    time.dataset.ms = event.at_ms
    time.title = at.toUTCString()
    row.querySelector('a.cover').setAttribute('href', event.url)
    var badge = row.querySelector('.fate .badge')
    badge.className = 'badge ' + event.reason.tone
    slot(row, 'label', event.reason.label)
    slot(row, 'name', event.name || event.said)
    slot(row, 'said', event.said === event.name ? '' : event.said)
    slot(row, 'source', event.source)
    slot(row, 'arrow', event.integration ? ' → ' : '')
    slot(row, 'integration', event.integration)
    slot(row, 'means', event.reason.means)
    slot(row, 'test', event.test ? 'test' : '')
    window.edgeproxy.localTimes(row)
  }

  /** A new row on top, or the same row with what has become of it. */
  function show(event) {
    var row = body.querySelector('tr[data-number="' + Number(event.number) + '"]')
    if (!row) {
      var first = body.firstElementChild
      var oldest = body.lastElementChild
      if (oldest && body.children.length >= PAGE && Number(oldest.dataset.number) > event.number) return
      row = mould.cloneNode(true)
      row.dataset.number = event.number
      while (first && Number(first.dataset.number) > event.number) first = first.nextElementSibling
      body.insertBefore(row, first)
      row.classList.add('fresh')
      while (body.children.length > ROWS) body.lastElementChild.remove()
      document.querySelector('.events-table').hidden = false
      var empty = document.querySelector('[data-stream-empty]')
      if (empty) empty.remove()
    }
    fill(row, event)
  }

  function close() {
    if (source) source.close()
    source = null
  }

  function open() {
    close()
    say('wait', 'Connecting')
    source = new EventSource(url)
    source.onopen = function () { say('live', 'Live') }
    source.onmessage = function (message) {
      url.searchParams.set('after', message.lastEventId)
      say('live', 'Live')
      show(JSON.parse(message.data))
    }
    source.addEventListener('pause', function (message) { say('wait', message.data) })
    source.addEventListener('over', function () {
      close()
      say('off', 'The login has ended; load the page again')
      button.hidden = true
    })
    source.onerror = function () {
      if (source && source.readyState === EventSource.CLOSED) {
        say('off', 'Not live: too many pages follow events, or the login has ended')
        close()
      } else say('wait', 'Connecting again')
    }
  }

  function rest() {
    close()
    say('off', paused ? 'Paused' : 'Resting while hidden')
  }

  button.addEventListener('click', function () {
    paused = !paused
    button.setAttribute('aria-pressed', String(paused))
    button.textContent = paused ? 'Go on' : 'Pause'
    if (paused) rest()
    else open()
  })
  document.addEventListener('visibilitychange', function () {
    if (paused) return
    if (document.hidden) rest()
    else open()
  })
  addEventListener('pagehide', close)
  addEventListener('pageshow', function (event) {
    if (event.persisted && !paused) open()
  })

  state.hidden = false
  button.hidden = false
  open()
})()
