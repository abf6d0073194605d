// What pages get when there is JavaScript: the theme before the first paint, times in the viewer's
// zone, copying, charts, and the form token on every change that htmx sends. Every page works
// without it.
(function () {
  'use strict'
  var root = document.documentElement
  var stored = null
  try {
    stored = localStorage.getItem('theme')
  } catch (_) {} // storage may be forbidden; the system's theme is shown then
  if (stored === 'light' || stored === 'dark') root.dataset.theme = stored

  function isDark() {
    return root.dataset.theme ? root.dataset.theme === 'dark' : matchMedia('(prefers-color-scheme: dark)').matches
  }

  function switchTheme() {
    root.dataset.theme = isDark() ? 'light' : 'dark'
    try {
      localStorage.setItem('theme', root.dataset.theme)
    } catch (_) {}
    drawCharts(document)
  }

  var clock = new Intl.DateTimeFormat(undefined, { hour: '2-digit', minute: '2-digit', second: '2-digit' })
  var day = new Intl.DateTimeFormat(undefined, { day: 'numeric', month: 'short' })
  var minute = new Intl.DateTimeFormat(undefined, { hour: '2-digit', minute: '2-digit' })
  var dayHour = new Intl.DateTimeFormat(undefined, { day: 'numeric', month: 'short', hour: '2-digit', minute: '2-digit' })

  /** Times of the page in the viewer's zone; UTC stays in the title. Today's have no date. */
  function localTimes(scope) {
    var today = day.format(new Date())
    scope.querySelectorAll('time[data-ms]').forEach(function (element) {
      var at = new Date(Number(element.dataset.ms))
      var date = day.format(at)
      element.textContent = (date === today ? '' : date + ' ') + clock.format(at)
    })
  }

  function colour(name) {
    var probe = document.createElement('span')
    probe.className = name + '-probe'
    root.appendChild(probe)
    probe.style.color = 'var(--' + name + ')'
    var found = getComputedStyle(probe).color
    probe.remove()
    return found
  }

  var UNITS = {
    count: function (v) { return v == null ? '–' : v >= 1e6 ? (v / 1e6).toFixed(1) + ' M' : v >= 1e4 ? (v / 1e3).toFixed(0) + ' k' : String(Math.round(v * 100) / 100) },
    ms: function (v) { return v == null ? '–' : v >= 1000 ? Math.round(v / 100) / 10 + ' s' : Math.round(v) + ' ms' },
    percent: function (v) { return v == null ? '–' : Math.round(v * 10) / 10 + ' %' }
  }

  /** The least that an axis reaches up to, so that nothing much looks like nothing much. */
  var LEAST = { count: 4, ms: 10, percent: 100 }
  var WHOLE = []
  for (var power = 1; power <= 1e12; power *= 10) WHOLE.push(power, 2 * power, 5 * power)

  /** The points that no line reaches, because there is nothing beside them. */
  function alone(plot, series) {
    var values = plot.data[series]
    var found = []
    values.forEach(function (value, at) {
      if (value != null && values[at - 1] == null && values[at + 1] == null) found.push(at)
    })
    return found.length ? found : null
  }

  /** Each element with `data-chart` becomes a chart: {x, series: [{label, tone, values}], unit}. */
  function drawCharts(scope) {
    if (!window.uPlot) return
    var tones = { good: colour('good'), warn: colour('warn'), bad: colour('bad'), info: colour('info'), soft: colour('soft') }
    var grid = colour('line')
    scope.querySelectorAll('[data-chart]').forEach(function (element) {
      var spec = JSON.parse(element.dataset.chart)
      var say = UNITS[spec.unit] || UNITS.count
      var lines = spec.series.map(function (one) {
        var tone = tones[one.tone] || tones.soft
        return {
          label: one.label,
          stroke: tone,
          width: 1.6,
          fill: spec.series.length === 1 ? tone.replace('rgb(', 'rgba(').replace(')', ', 0.1)') : undefined,
          points: { show: false, size: 5, fill: tone, filter: alone },
          value: function (_, v) { return v == null ? '' : say(v) }
        }
      })
      var axis = { stroke: tones.soft, grid: { stroke: grid, width: 1 }, ticks: { show: false }, font: '12px system-ui, sans-serif' }
      var day7 = spec.x.length > 1 && spec.x[spec.x.length - 1] - spec.x[0] > 100000
      var stamp = day7 ? dayHour : minute
      element.textContent = ''
      element.uplot = new uPlot({
        width: Math.max(element.clientWidth, 160),
        height: Number(element.dataset.height) || 200,
        cursor: { points: { size: 7 } },
        scales: { y: { range: function (_, low, high) { return [Math.min(0, low), Math.max(high * 1.08, LEAST[spec.unit] || 4)] } } },
        series: [{ label: '', value: function (_, at) { return at == null ? '' : stamp.format(at * 1000) } }].concat(lines),
        axes: [
          Object.assign({ space: 64, size: 30, values: function (_, all) { return all.map(function (at) { return (day7 ? day : minute).format(at * 1000) }) } }, axis),
          Object.assign({ size: 52, incrs: WHOLE, values: function (_, all) { return all.map(say) } }, axis)
        ]
      }, [spec.x].concat(spec.series.map(function (one) { return one.values })), element)
    })
  }

  function fitCharts() {
    document.querySelectorAll('[data-chart]').forEach(function (element) {
      if (element.uplot) element.uplot.setSize({ width: Math.max(element.clientWidth, 160), height: Number(element.dataset.height) || 200 })
    })
  }

  function copy(button) {
    var text = button.parentNode.querySelector('code').textContent
    navigator.clipboard.writeText(text).then(function () {
      button.textContent = 'Copied'
      setTimeout(function () { button.textContent = 'Copy' }, 1600)
    })
  }

  /** What the parts of a page need that have just come in. */
  function awaken(scope) {
    localTimes(scope)
    drawCharts(scope)
    if (navigator.clipboard) scope.querySelectorAll('[data-copy]').forEach(function (one) { one.hidden = false })
    scope.querySelectorAll('[data-theme-switch]').forEach(function (one) { one.hidden = false })
  }

  document.addEventListener('click', function (event) {
    var target = event.target
    if (!(target instanceof Element)) return
    if (target.closest('[data-theme-switch]')) switchTheme()
    else if (target.closest('[data-copy]')) copy(target.closest('[data-copy]'))
    else if (target.closest('[data-close]')) target.closest('details').open = false
    document.querySelectorAll('details.person[open], details.confirm[open]').forEach(function (open) {
      if (!open.contains(target)) open.open = false
    })
  })
  document.addEventListener('keydown', function (event) {
    if (event.key !== 'Escape') return
    document.querySelectorAll('details.person[open], details.confirm[open]').forEach(function (open) {
      open.open = false
      open.querySelector('summary').focus()
    })
  })
  document.addEventListener('htmx:config:request', function (event) {
    var meta = document.querySelector('meta[name="csrf"]')
    if (meta) event.detail.ctx.request.headers['X-CSRF-Token'] = meta.content
  })
  document.addEventListener('htmx:after:swap', function () { awaken(document) })
  document.addEventListener('DOMContentLoaded', function () {
    awaken(document)
    var lit = document.querySelector('.menu a[aria-current]')
    if (lit) lit.parentNode.scrollLeft = lit.offsetLeft - lit.parentNode.offsetLeft - 60 // on a phone it may stand beyond the edge
  })
  matchMedia('(prefers-color-scheme: dark)').addEventListener('change', function () { drawCharts(document) })
  addEventListener('resize', fitCharts)

  window.edgeproxy = { awaken: awaken, localTimes: localTimes }
})()
