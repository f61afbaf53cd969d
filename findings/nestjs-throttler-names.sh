#!/usr/bin/env bash
# @nestjs/throttler 6.5.0 (npm), with NestJS 11.2.10.
#
# A throttler may have a name, and must have one where there are several, as the documentation's example has ("short",
# "medium", "long"). The name is then put behind each header's, also behind the standard one: a 429 comes with
# "Retry-After-short" and without "Retry-After". No client that follows HTTP sees when it may come again.
#
# Seen, the third of three requests where two are allowed:
#   named default: 429, retry-after: 3
#   named short: 429, retry-after-short: 3
#
# Needs node and npm. Ends with 1 if that changes.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"

echo '{"private": true}' >package.json
npm install --silent --no-audit --no-fund @nestjs/throttler@6.5.0 \
	@nestjs/common@11.2.10 @nestjs/core@11.2.10 @nestjs/platform-express@11.2.10 reflect-metadata@0.2.2 rxjs@7.8.2

cat >seen.js <<'JS'
require('reflect-metadata')
const { Controller, Get, Module } = require('@nestjs/common')
const { APP_GUARD, NestFactory } = require('@nestjs/core')
const { ThrottlerGuard, ThrottlerModule } = require('@nestjs/throttler')

// The decorators are called by hand, since this is no TypeScript.
class Root { get() { return 'ok' } }
Controller()(Root)
Get()(Root.prototype, 'get', Object.getOwnPropertyDescriptor(Root.prototype, 'get'))

async function third(name) {
  class App {}
  Module({
    imports: [ThrottlerModule.forRoot([{ name, ttl: 3000, limit: 2 }])],
    controllers: [Root],
    providers: [{ provide: APP_GUARD, useClass: ThrottlerGuard }],
  })(App)
  const app = await NestFactory.create(App, { logger: false })
  await app.listen(0, '127.0.0.1')
  let answer
  for (let i = 0; i < 3; i++) {
    answer = await fetch(`http://127.0.0.1:${app.getHttpServer().address().port}/`)
    await answer.text()
  }
  await app.close()
  const told = [...answer.headers].filter(([key]) => key.startsWith('retry-after'))
  console.log(`named ${name}: ${answer.status}, ${told.map((h) => h.join(': '))}`)
  return told.map(([key]) => key).join()
}

async function main() {
  const unnamed = await third('default')
  const named = await third('short')
  process.exit(unnamed === 'retry-after' && named === 'retry-after-short' ? 0 : 1)
}
main()
JS
node seen.js
