/** The files that are served: small, up to date, and free of what a page must not get from us. */
import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { appendFileSync, cpSync, existsSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { readFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { fileURLToPath } from 'node:url'
import { brotliDecompressSync, gunzipSync, gzipSync } from 'node:zlib'

import { STATIC } from './page.mjs'

const HERE = fileURLToPath(new URL('.', import.meta.url))
const read = (name) => readFileSync(new URL(name, STATIC))

// The whole budget is 5,120 and 2,250 bytes; what is left is for what is still to come.
const BUDGET = { 's.js': 3700, 's.js.gz': 2110, 's.js.br': 1900 }

for (const [name, bytes] of Object.entries(BUDGET)) {
  test(`${name} is at most ${bytes} bytes`, () => {
    assert.ok(read(name).length <= bytes, `${read(name).length} bytes`)
  })
}

test('the gzipped copy was squeezed as well as gzip can', () => {
  assert.ok(read('s.js.gz').length <= gzipSync(read('s.js'), { level: 9 }).length + 20)
})

test('the squeezed copies hold the very file', () => {
  assert.deepEqual(gunzipSync(read('s.js.gz')), read('s.js'))
  assert.deepEqual(brotliDecompressSync(read('s.js.br')), read('s.js'))
})

test('nothing in it is forbidden by Trusted Types or a strict policy, nothing closes the cache', () => {
  const code = read('s.js').toString()
  for (const forbidden of [
    /\beval\b/,
    /new Function/,
    /innerHTML|outerHTML|insertAdjacent|document\.write/,
    /createElement|importScripts|\bimport\b/,
    /unload/,
    /\.cookie\s*=[^=]/,
    /sessionStorage|indexedDB/,
    /sourceMappingURL/,
    /snapchat\.com|sc-static/
  ]) {
    assert.doesNotMatch(code, forbidden)
  }
  assert.match(code, /^[\x20-\x7e\n]*$/) // the same in any charset
})

const esbuild = existsSync(join(HERE, 'node_modules', 'esbuild'))
const skip = esbuild || process.env.CI ? false : 'esbuild is not installed: npm ci --prefix tests/tag'

function check(folder) {
  return spawnSync(process.execPath, [join(folder, 'tests', 'tag', 'build.mjs'), '--check'], {
    encoding: 'utf8'
  })
}

test('what is committed is what the source makes', { skip }, () => {
  const { status, stderr } = check(join(HERE, '..', '..'))
  assert.equal(status, 0, stderr)
})

for (const [name, spoil] of [
  ['tag.js', (path) => appendFileSync(path, ';console.log(1)\n')],
  ['s.js', (path) => appendFileSync(path, ' ')],
  ['s.js.gz', (path) => writeFileSync(path, gzipSync('old'))],
  ['s.js.br', (path) => writeFileSync(path, 'no brotli')]
]) {
  test(`the check fails when ${name} is another`, { skip }, (t) => {
    const copy = mkdtempSync(join(tmpdir(), 'edgeproxy-tag-'))
    t.after(() => rmSync(copy, { recursive: true }))
    cpSync(fileURLToPath(STATIC), join(copy, 'static'), { recursive: true })
    cpSync(join(HERE, 'build.mjs'), join(copy, 'tests', 'tag', 'build.mjs'))
    symlinkSync(join(HERE, 'node_modules'), join(copy, 'tests', 'tag', 'node_modules'))
    spoil(join(copy, 'static', name))
    const { status, stderr } = check(copy)
    assert.equal(status, 1)
    assert.match(stderr, new RegExp(name === 'tag.js' ? 's\\.js' : name.replaceAll('.', '\\.')))
  })
}
