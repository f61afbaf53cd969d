#!/usr/bin/env bash
# koa-ratelimit 6.0.0 (npm), with koa 3.3.0, driver "memory".
#
# A refusal's "Retry-After" is rounded down to whole seconds, so who waits for exactly as long is refused again, and in the last
# second of a window it is 0: come again at once. X-RateLimit-Reset beside it is exact, with a fraction of a second, although
# clients expect whole seconds there.
#
# Seen, 2 requests in 1.5 s:
#   429 Retry-After: 1, 1.5 s before X-RateLimit-Reset
#   after 1 s: 429 Retry-After: 0
#   after X-RateLimit-Reset: 200
#
# Needs node and npm. Ends with 1 if that changes.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"

echo '{"private": true}' >package.json
npm install --silent --no-audit --no-fund koa@3.3.0 koa-ratelimit@6.0.0

cat >seen.js <<'JS'
const Koa = require('koa')
const ratelimit = require('koa-ratelimit')

const app = new Koa()
app.use(ratelimit({ driver: 'memory', db: new Map(), duration: 1500, max: 2, id: () => 'all' }))
app.use((context) => { context.body = 'ok' })

const sleep = (ms) => new Promise((resolve) => setTimeout(resolve, ms))

const server = app.listen(0, '127.0.0.1', async () => {
  const ask = async () => {
    const r = await fetch(`http://127.0.0.1:${server.address().port}/`)
    await r.text()
    const [after, reset] = [r.headers.get('retry-after'), Number(r.headers.get('x-ratelimit-reset'))]
    console.log(r.status, `retry-after=${after}`, `${(reset - Date.now() / 1000).toFixed(1)} s before the reset`)
    return [r.status, after, reset]
  }
  await ask()
  await ask()
  const [first, after, reset] = await ask()
  await sleep(Number(after) * 1000)
  const [second, again] = await ask()
  await sleep(reset * 1000 - Date.now() + 20)
  const [third] = await ask()
  if (first !== 429 || after !== '1' || second !== 429 || again !== '0' || third !== 200) process.exitCode = 1
  server.close()
})
JS
node seen.js
