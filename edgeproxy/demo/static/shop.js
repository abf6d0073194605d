// The made-up shop's own script: tells the tag what stands in the page's data attributes, and asks
// for consent. The tag may load before or after it: until then the calls wait in an array.
;(function () {
  'use strict'

  const KEY = 'tidewheel-choice'

  /** Call the tag, or leave the call in its queue. */
  function edge(...call) {
    const queue = (window.edge = window.edge || [])
    queue.push(call)
  }

  function remembered() {
    try {
      return localStorage.getItem(KEY)
    } catch (_) {
      return null // storage is forbidden: the visitor is asked on each page
    }
  }

  function remember(choice) {
    try {
      localStorage.setItem(KEY, choice)
    } catch (_) {}
  }

  /** What an element says of an event, told to the tag. */
  function track(element, name) {
    const id = element.dataset.eventId
    edge('track', name, JSON.parse(element.dataset.properties), id ? { id } : undefined)
  }

  /** Who fills in a form, by the names of its fields. */
  function identify(form) {
    const traits = {}
    for (const name of form.dataset.identify.split(' ')) traits[name] = form.elements[name].value
    edge('identify', traits)
  }

  function ask() {
    const box = document.getElementById('choice')
    const again = document.getElementById('choose-again')
    const show = (visible) => {
      box.hidden = !visible
      again.hidden = visible
    }
    show(!remembered())
    again.addEventListener('click', () => {
      show(true)
      box.querySelector('button').focus()
    })
    box.addEventListener('click', (event) => {
      const choice = event.target.dataset.choice
      if (!choice) return
      remember(choice)
      edge('consent', { ad: choice === 'yes' })
      show(false)
    })
  }

  // On every page, as a consent platform does; a refusal is remembered by the proxy's own cookie.
  if (remembered() === 'yes') edge('consent', { ad: true })

  document.addEventListener('DOMContentLoaded', () => {
    ask()
    if (document.body.dataset.event) track(document.body, document.body.dataset.event)
    document.addEventListener('submit', ({ target: form }) => {
      if (form.dataset.eventOnSubmit) track(form, form.dataset.eventOnSubmit)
      if (form.dataset.identify) identify(form)
    })
  })
})()
