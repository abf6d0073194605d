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

const BUDGET = { 's.js': 5120, 's.js.gz': 2250, 's.js.br': 2100, 'cmp.js.gz': 1500, 'layer.js.gz': 700 }
const SERVED = ['s.js', 'cmp.js', 'layer.js']

for (const [name, bytes] of Object.entries(BUDGET)) {
  test(`${name} is at most ${bytes} bytes`, () => {
    assert.ok(read(name).length <= bytes, `${read(name).length} bytes`)
  })
}

for (const name of SERVED) {
  test(`the gzipped copy of ${name} was squeezed as well as gzip can`, () => {
    assert.ok(read(name + '.gz').length <= gzipSync(read(name), { level: 9 }).length + 20)
  })

  test(`the squeezed copies hold the very ${name}`, () => {
    assert.deepEqual(gunzipSync(read(name + '.gz')), read(name))
    assert.deepEqual(brotliDecompressSync(read(name + '.br')), read(name))
  })

  test(`nothing in ${name} is forbidden by Trusted Types or a strict policy, nothing closes the cache`, () => {
    const code = read(name).toString()
    for (const forbidden of [
      /\beval\b/,
      /new Function/,
      /innerHTML|outerHTML|insertAdjacent|document\.write/,
      /createElement|importScripts/,
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
}

test('the tag imports its own parts and nothing else', () => {
  assert.equal(read('s.js').toString().match(/\bimport\b/g).length, 1)
  for (const part of ['cmp.js', 'layer.js']) assert.doesNotMatch(read(part).toString(), /\bimport\b/)
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
  ['s.js.br', (path) => writeFileSync(path, 'no brotli')],
  ['cmp.source.js', (path) => appendFileSync(path, ';console.log(1)\n')],
  ['layer.js.gz', (path) => writeFileSync(path, gzipSync('old'))]
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
    const served = { 'tag.js': 's.js', 'cmp.source.js': 'cmp.js' }[name] ?? name
    assert.ok(stderr.includes(served), stderr)
  })
}
