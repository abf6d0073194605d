// Keeps the page fresh: asks once a second, while it is visible, what came since the newest row.
const SHOWN = 50
const list = document.getElementById('events')
const empty = document.getElementById('empty')
const script = document.getElementById('script')
const state = document.getElementById('state')
let next = Number(list.dataset.next)

// The server writes UTC; people read their own clock, and find UTC in the title.
function localTimes(root) {
  for (const time of root.querySelectorAll('time')) {
    time.textContent = new Date(time.dateTime).toLocaleTimeString([], { hour12: false })
  }
}

function show(news) {
  for (const [name, value] of Object.entries(news.counts)) {
    const figure = document.querySelector(`[data-count="${name}"]`)
    if (!figure || figure.textContent === value) continue
    figure.textContent = value
    figure.classList.toggle('zero', value === '0')
  }
  script.hidden = news.script === 0
  script.querySelector('b').textContent = news.script
  for (const html of news.rows.toReversed ? news.rows.toReversed() : [...news.rows].reverse()) {
    list.insertAdjacentHTML('afterbegin', html) // escaped by the server's templates
    const row = list.firstElementChild
    row.classList.add('fresh')
    localTimes(row)
  }
  for (const row of [...list.children]) {
    if (Number(row.dataset.n) < news.first) row.remove()
  }
  while (list.children.length > SHOWN) list.lastElementChild.remove()
  empty.hidden = list.children.length > 0
  next = news.next
}

function say(word) {
  if (state.dataset.is === word) return
  state.dataset.is = word
  state.textContent = word
}

async function ask() {
  if (document.hidden) return say('paused')
  try {
    const answer = await fetch(`/_sandbox/live?since=${next}`, { cache: 'no-store' })
    if (!answer.ok) throw new Error(String(answer.status))
    show(await answer.json())
    say('live')
  } catch {
    say('offline')
  }
}

async function keepAsking() {
  await ask()
  setTimeout(keepAsking, 1000)
}

localTimes(list)
document.addEventListener('visibilitychange', ask)
keepAsking()
