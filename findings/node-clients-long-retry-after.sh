#!/usr/bin/env bash
# got 14.6.6, axios-retry 4.5.0 with axios 1.21.1, openai 6.49.0 (npm), with Node 20.
#
# They wait for as long as Retry-After says, with a timer, and a timer of Node's that is longer than 24.8 days (2^31 - 1 ms) ends
# after 1 ms. So a service that says "again in 30 days", because the quota of the month is used up, is asked again within
# milliseconds, until the attempts are used up. ky 1.14.3 does not fall into this (it waits 24.8 days), nor does
# @anthropic-ai/sdk 1.14.0 (it waits as if nothing had been said).
#
# Seen, the attempts within the first second of a call, and the time between the first and the last of them:
#   got          Retry-After: 2592000  3 in 22 ms   Retry-After: 2  1
#   axios-retry  Retry-After: 2592000  3 in 7 ms    Retry-After: 2  1
#   openai       Retry-After: 2592000  3 in 12 ms   Retry-After: 2  1
#
# Needs node and npm. Ends with 1 if that changes.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"

echo '{"private": true, "type": "module"}' >package.json
npm install --silent --no-audit --no-fund got@14.6.6 axios@1.21.1 axios-retry@4.5.0 openai@6.49.0

cat >seen.js <<'JS'
import http from 'node:http'
import axios from 'axios'
import axiosRetry from 'axios-retry'
import got from 'got'
import OpenAI from 'openai'

const retrying = axios.create()
axiosRetry(retrying, { retries: 2 })
const clients = {
  got: (url) => got(url, { retry: { limit: 2 } }),
  'axios-retry': (url) => retrying.get(url),
  openai: (url) => new OpenAI({ apiKey: 'none', baseURL: url, maxRetries: 2 }).models.list(),
}

// within returns how many attempts a call makes within a second.
async function within(name, after) {
  const attempts = []
  const server = http.createServer((request, response) => {
    attempts.push(Date.now())
    response.writeHead(429, { 'retry-after': after }).end('{}')
  })
  await new Promise((resolve) => server.listen(0, '127.0.0.1', resolve))
  const call = clients[name](`http://127.0.0.1:${server.address().port}/`).catch(() => {})
  await Promise.race([call, new Promise((resolve) => setTimeout(resolve, 1000))])
  console.log(`${name}  Retry-After: ${after}  ${attempts.length} in ${attempts.at(-1) - attempts[0]} ms`)
  return attempts.length
}

for (const name of Object.keys(clients)) {
  const [month, short] = [await within(name, 2592000), await within(name, 2)]
  if (month !== 3 || short !== 1) process.exitCode = 1
}
process.exit()
JS
node --no-warnings seen.js
