#!/usr/bin/env bash
# express-slow-down 3.1.1 (npm), with express 4.21.2.
#
# It delays requests and never refuses one. With standardHeaders it is nevertheless built on a limiter whose limit is 0,
# and says so: every answer, the first included, is a 200 with "limit=0, remaining=0" and "Retry-After: 60", although two
# requests are allowed before any delay. A client that believes these headers waits a minute after each success.
#
# Seen, 5 requests one after another:
#   1 200 limit=0, remaining=0, reset=60 retry-after=60
#   …
#   5 200 limit=0, remaining=0, reset=60 retry-after=60
#
# Needs node and npm. Ends with 1 if that changes.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"

echo '{"private": true}' >package.json
npm install --silent --no-audit --no-fund express@4.21.2 express-slow-down@3.1.1

cat >seen.js <<'JS'
const express = require('express')
const { slowDown } = require('express-slow-down')

const app = express()
app.use(slowDown({ windowMs: 60_000, delayAfter: 2, delayMs: () => 1, standardHeaders: 'draft-7' }))
app.get('/', (request, response) => response.send('ok'))

const server = app.listen(0, '127.0.0.1', async () => {
  for (let i = 1; i <= 5; i++) {
    const r = await fetch(`http://127.0.0.1:${server.address().port}/`)
    await r.text()
    // the minute may have lost a second meanwhile
    const [limit, after] = [r.headers.get('ratelimit'), r.headers.get('retry-after')]
    console.log(i, r.status, limit, `retry-after=${after}`)
    if (r.status !== 200 || !/^limit=0, remaining=0, reset=\d+$/.test(limit) || !(after > 50)) process.exitCode = 1
  }
  server.close()
})
JS
node seen.js
