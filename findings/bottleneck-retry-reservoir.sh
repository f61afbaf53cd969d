#!/usr/bin/env bash
# bottleneck 2.19.5 (npm).
#
# A job that is tried again takes nothing from the reservoir and does not wait for minTime: it runs when the handler of "failed"
# said, whatever the limits are. So where a service refuses, it is asked more than it allows, which has more refused. The README
# says so of minTime, and nothing of the reservoir (SGrondin/bottleneck#170, open since 2020).
#
# Seen, 10 calls that fail and are tried again after 10 ms, twice, with a reservoir of 2 and nothing that fills it:
#   2 of 10 calls were begun, the service was asked 6 times, 0 are left in the reservoir
#
# Needs node and npm. Ends with 1 if that changes.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"

echo '{"private": true}' >package.json
npm install --silent --no-audit --no-fund bottleneck@2.19.5

cat >seen.js <<'JS'
const Bottleneck = require('bottleneck')

async function main() {
  const limiter = new Bottleneck({ reservoir: 2, minTime: 100 })
  limiter.on('failed', (error, job) => (job.retryCount < 2 ? 10 : null))
  const begun = new Set()
  let asked = 0
  for (let i = 0; i < 10; i++) {
    limiter.schedule(async () => {
      begun.add(i)
      asked++
      throw new Error('429')
    }).catch(() => {})
  }
  await new Promise((resolve) => setTimeout(resolve, 1000))
  const left = await limiter.currentReservoir()
  console.log(`${begun.size} of 10 calls were begun, the service was asked ${asked} times, ${left} are left in the reservoir`)
  process.exit(begun.size === 2 && asked === 6 && left === 0 ? 0 : 1)
}
main()
JS
node seen.js
