/**
 * Builds the served tag: static/tag.js → static/s.js, s.js.gz, s.js.br.
 *
 *   npm ci --prefix tests/tag
 *   node tests/tag/build.mjs           writes them
 *   node tests/tag/build.mjs --check   fails when what is committed is not what the source makes
 *
 * Exit status: 0 done, 1 stale, 2 esbuild is not installed.
 */
import { readFileSync, writeFileSync } from 'node:fs'
import { brotliCompressSync, brotliDecompressSync, constants, gunzipSync, gzipSync } from 'node:zlib'

const STATIC = new URL('../../static/', import.meta.url)

// Properties of the tag's own entries; every other name is the page's, the browser's or the wire's.
const INTERNAL = /^(json|tries|scene)$/

const COPIES = {
  's.js.gz': { squeeze: gzip, open: gunzipSync },
  's.js.br': { squeeze: brotli, open: brotliDecompressSync }
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

async function minified() {
  let esbuild
  try {
    esbuild = await import('esbuild')
  } catch {
    console.error('esbuild is not installed; run: npm ci --prefix tests/tag')
    process.exit(2)
  }
  const { code } = await esbuild.transform(readFileSync(new URL('tag.js', STATIC), 'utf8'), {
    minify: true,
    target: 'es2017',
    mangleProps: INTERNAL,
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
function stale(tag) {
  const names = committed('s.js').equals(tag) ? [] : ['s.js']
  for (const [name, { open }] of Object.entries(COPIES)) {
    try {
      if (open(committed(name)).equals(tag)) continue
    } catch {} // no such file, or not a squeezed one
    names.push(name)
  }
  return names
}

const tag = await minified()
if (process.argv.includes('--check')) {
  const names = stale(tag)
  if (names.length) {
    console.error(`stale in static/: ${names.join(', ')}; run: node tests/tag/build.mjs`)
    process.exit(1)
  }
} else {
  writeFileSync(new URL('s.js', STATIC), tag)
  for (const [name, { squeeze }] of Object.entries(COPIES)) {
    writeFileSync(new URL(name, STATIC), squeeze(tag))
  }
}
console.log(
  ['s.js', ...Object.keys(COPIES)].map((name) => `${name} ${committed(name).length}`).join(' · ')
)
