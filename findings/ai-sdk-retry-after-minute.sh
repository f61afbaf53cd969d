#!/usr/bin/env bash
# ai 6.0.326, with @ai-sdk/openai-compatible 2.0.92 (npm): the AI SDK, generateText.
#
# A Retry-After of less than a minute is waited for. One of a minute or more is not a longer wait, but none: the next attempt comes
# after the 2 s of a service that says nothing. A limit per minute that was just used up says 60, and then the default of two
# more attempts is used up within 6 s.
#
# Seen, the time before the second attempt:
#   Retry-After: 4   4.0 s
#   Retry-After: 60  2.0 s
#
# Needs node and npm. Ends with 1 if that changes.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"

echo '{"private": true, "type": "module"}' >package.json
npm install --silent --no-audit --no-fund ai@6.0.326 @ai-sdk/openai-compatible@2.0.92

cat >seen.js <<'JS'
import http from 'node:http'
import { createOpenAICompatible } from '@ai-sdk/openai-compatible'
import { generateText } from 'ai'

// wait returns how long the second attempt comes after the first was told to wait.
async function wait(seconds) {
  const attempts = []
  const server = http.createServer((request, response) => {
    attempts.push(Date.now())
    response.writeHead(429, { 'content-type': 'application/json', 'retry-after': seconds })
    response.end('{"error": {"message": "slow down"}}')
  })
  await new Promise((resolve) => server.listen(0, '127.0.0.1', resolve))
  const provider = createOpenAICompatible({ name: 'here', baseURL: `http://127.0.0.1:${server.address().port}` })
  await generateText({ model: provider('some'), prompt: 'Hello?', maxRetries: 1 }).catch(() => {})
  server.close()
  const between = (attempts[1] - attempts[0]) / 1000
  console.log(`Retry-After: ${seconds}  ${between.toFixed(1)} s`)
  return between
}

const [short, minute] = [await wait(4), await wait(60)]
process.exit(short >= 3.9 && minute < 3 ? 0 : 1)
JS
node seen.js
