/**
 * Builds the served scripts: static/tag.js → static/s.js, and the parts that a page names in place:
 * static/cmp.source.js → static/cmp.js, static/layer.source.js → static/layer.js; each with its .gz and
 * .br.
 *
 *   npm ci --prefix tests/tag
 *   node tests/tag/build.mjs           writes them
 *   node tests/tag/build.mjs --check   fails when what is committed is not what the sources make
 *
 * Exit status: 0 done, 1 stale, 2 esbuild is not installed.
 */
import { readFileSync, writeFileSync } from 'node:fs'
import { brotliCompressSync, brotliDecompressSync, constants, gunzipSync, gzipSync } from 'node:zlib'

const STATIC = new URL('../../static/', import.meta.url)

const SOURCES = { 's.js': 'tag.js', 'cmp.js': 'cmp.source.js', 'layer.js': 'layer.source.js' }

// Properties of the tag's own entries; every other name is the page's, the browser's or the wire's.
// The short names never change, because another version's entries may lie in a visitor's storage.
const INTERNAL = { scene: 's', tries: 't', busy: 'b' }

const COPIES = {
  '.gz': { squeeze: gzip, open: gunzipSync },
  '.br': { squeeze: brotli, open: brotliDecompressSync }
}

function gzip(bytes) {
  const squeezed = gzipSync(bytes, { level: 9 })
  squeezed[9] = 255 // the operating system it was made on: unknown
  return squeezed
}

function brotli(bytes) {
  return brotliCompressSync(bytes, {
    params: {
      [constants.BROTLI_PARAM_QUALITY]: constants.BROTLI_MAX_QUALITY,
      [constants.BROTLI_PARAM_MODE]: constants.BROTLI_MODE_TEXT,
      [constants.BROTLI_PARAM_SIZE_HINT]: bytes.length
    }
  })
}

async function minified(source) {
  let esbuild
  try {
    esbuild = await import('esbuild')
  } catch {
    console.error('esbuild is not installed; run: npm ci --prefix tests/tag')
    process.exit(2)
  }
  // One keyword instead of two is a dozen bytes less for every visitor.
  const text = readFileSync(new URL(source, STATIC), 'utf8').replace(/\bconst (?=[\w{[])/g, 'let ')
  const { code } = await esbuild.transform(text, {
    minify: true,
    target: 'es2019',
    mangleProps: new RegExp(`^(${Object.keys(INTERNAL).join('|')})$`),
    mangleCache: INTERNAL,
    legalComments: 'none'
  })
  return Buffer.from(code)
}

function committed(name) {
  try {
    return readFileSync(new URL(name, STATIC))
  } catch {
    return Buffer.alloc(0)
  }
}

/**
 * The files that are not what the source makes. Squeezed copies are compared by what is inside,
 * because two versions of zlib may squeeze the same bytes differently.
 */
function stale(name, built) {
  const names = committed(name).equals(built) ? [] : [name]
  for (const [ending, { open }] of Object.entries(COPIES)) {
    try {
      if (open(committed(name + ending)).equals(built)) continue
    } catch {} // no such file, or not a squeezed one
    names.push(name + ending)
  }
  return names
}

function write(name, built) {
  writeFileSync(new URL(name, STATIC), built)
  for (const [ending, { squeeze }] of Object.entries(COPIES)) {
    writeFileSync(new URL(name + ending, STATIC), squeeze(built))
  }
}

const old = []
for (const [name, source] of Object.entries(SOURCES)) {
  const built = await minified(source)
  if (process.argv.includes('--check')) old.push(...stale(name, built))
  else write(name, built)
  const sizes = ['', ...Object.keys(COPIES)].map((ending) => committed(name + ending).length)
  console.log(`${name} ${sizes[0]} · gzip ${sizes[1]} · brotli ${sizes[2]}`)
}
if (old.length) {
  console.error(`stale in static/: ${old.join(', ')}; run: node tests/tag/build.mjs`)
  process.exit(1)
}
