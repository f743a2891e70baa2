import { appendFileSync, readFileSync } from 'node:fs'
import { svelte } from '@sveltejs/vite-plugin-svelte'
import type { Plugin } from 'vite'
import { defineConfig } from 'vitest/config'

/** Vite lists the licences of modules only; the font's belongs there too. */
function fontLicence(): Plugin {
  return {
    name: 'font-licence',
    apply: 'build',
    writeBundle: {
      order: 'post',
      handler(options) {
        const text = readFileSync('node_modules/@fontsource-variable/inter/LICENSE', 'utf8')
        appendFileSync(`${options.dir}/licenses.txt`, `\n## Inter (OFL-1.1)\n\n${text}`)
      },
    },
  }
}

// The built page is part of the Python package, and every address in it is relative: it works
// behind any path prefix.
export default defineConfig({
  base: './',
  plugins: [svelte(), fontLicence()],
  // vitest would take Svelte's server build otherwise.
  resolve: process.env.VITEST ? { conditions: ['browser'] } : undefined,
  build: {
    outDir: '../src/stepwell/studio',
    emptyOutDir: true,
    target: 'es2022',
    license: { fileName: 'licenses.txt' },
    // The page's policy forbids data: fonts and inline code.
    assetsInlineLimit: 0,
    modulePreload: { polyfill: false },
    reportCompressedSize: false,
  },
  server: {
    proxy: { '/api': process.env.STUDIO_SERVER ?? 'http://127.0.0.1:7837' },
  },
  test: { environment: 'happy-dom', include: ['src/**/*.test.ts'] },
})
