// Starts one server with a rate limit: node server.cjs NAME PORT WINDOW [REDIS_PORT]
// NAME is a key of servers, WINDOW is in milliseconds; each window has room for 50 requests.
'use strict'

const [, , name, port, window, redis] = process.argv
const [ms, max] = [Number(window), 50]
const host = '127.0.0.1'

function withExpress(...handlers) {
  const app = require('express')()
  for (const handler of handlers) app.use(handler)
  app.get('/', (request, response) => response.send('ok'))
  app.listen(Number(port), host)
}

const express = (options) => require('express-rate-limit').rateLimit({ windowMs: ms, limit: max, ...options })

async function withFastify(options) {
  const app = require('fastify')()
  await app.register(require('@fastify/rate-limit'), { max, timeWindow: ms, ...options })
  app.get('/', async () => 'ok')
  await app.listen({ port: Number(port), host })
}

function withKoa(limiter) {
  const app = new (require('koa'))()
  app.use(limiter)
  app.use((context) => { context.body = 'ok' })
  app.listen(Number(port), host)
}

async function withHapi(plugin, options) {
  const server = require('@hapi/hapi').server({ port, host })
  await server.register({ plugin: require(plugin), options })
  server.route({ method: 'GET', path: '/', handler: () => 'ok' })
  await server.start()
}

// flexible is what rate-limiter-flexible's README shows; reset writes the moment of the reset.
function flexible(limiter, reset) {
  return (request, response, next) => {
    const tell = (r) => response.set({
      'Retry-After': String(r.msBeforeNext / 1000),
      'X-RateLimit-Limit': String(limiter.points),
      'X-RateLimit-Remaining': String(r.remainingPoints),
      'X-RateLimit-Reset': reset(r.msBeforeNext),
    })
    limiter.consume('all').then((r) => { tell(r); next() }, (r) => { tell(r); response.status(429).send('too many') })
  }
}

const memory = (points, milliseconds) => {
  const { RateLimiterMemory } = require('rate-limiter-flexible')
  return new RateLimiterMemory({ points, duration: milliseconds / 1000 })
}
const inSeconds = (wait) => String(Math.ceil((Date.now() + wait) / 1000))
const asDate = (wait) => String(new Date(Date.now() + wait))

async function withNest(throttlers) {
  require('reflect-metadata')
  const { Controller, Get, Module } = require('@nestjs/common')
  const { APP_GUARD, NestFactory } = require('@nestjs/core')
  const { ThrottlerGuard, ThrottlerModule } = require('@nestjs/throttler')
  class Root { ok() { return 'ok' } }
  Controller()(Root)
  Get()(Root.prototype, 'ok', Object.getOwnPropertyDescriptor(Root.prototype, 'ok'))
  class App {}
  Module({
    imports: [ThrottlerModule.forRoot(throttlers)],
    controllers: [Root],
    providers: [{ provide: APP_GUARD, useClass: ThrottlerGuard }],
  })(App)
  const app = await NestFactory.create(App, { logger: false })
  await app.listen(Number(port), host)
}

function withMoleculer() {
  const { ServiceBroker } = require('moleculer')
  const broker = new ServiceBroker({ logger: false })
  broker.createService({
    name: 'api',
    mixins: [require('moleculer-web')],
    settings: { port, ip: host, rateLimit: { window: ms, limit: max, headers: true }, routes: [{ path: '/', aliases: { 'GET /': 'it.ok' } }] },
  })
  broker.createService({ name: 'it', actions: { ok: () => 'ok' } })
  return broker.start()
}

function withRestify() {
  const restify = require('restify')
  const server = restify.createServer()
  server.use(restify.plugins.throttle({ burst: max, rate: max / (ms / 1000), ip: true, setHeaders: true }))
  server.get('/', (request, response, next) => { response.send('ok'); next() })
  server.listen(Number(port), host)
}

async function withHono() {
  const { Hono } = await import('hono')
  const { serve } = await import('@hono/node-server')
  const { rateLimiter } = await import('hono-rate-limiter')
  const app = new Hono()
  app.use(rateLimiter({ windowMs: ms, limit: max, keyGenerator: () => 'all' }))
  app.get('/', (context) => context.text('ok'))
  serve({ fetch: app.fetch, port: Number(port), hostname: host })
}

const servers = {
  'express-legacy': () => withExpress(express({ legacyHeaders: true, standardHeaders: false })),
  'express-draft-6': () => withExpress(express({ legacyHeaders: false, standardHeaders: 'draft-6' })),
  'express-draft-7': () => withExpress(express({ legacyHeaders: false, standardHeaders: 'draft-7' })),
  'express-draft-8': () => withExpress(express({ legacyHeaders: false, standardHeaders: 'draft-8' })),
  'express-two-draft-6': () => withExpress(
    express({ windowMs: ms / 5, limit: 20, legacyHeaders: false, standardHeaders: 'draft-6' }),
    express({ legacyHeaders: false, standardHeaders: 'draft-6' })),
  'express-two-draft-8': () => withExpress(
    express({ windowMs: ms / 5, limit: 20, legacyHeaders: false, standardHeaders: 'draft-8' }),
    express({ legacyHeaders: false, standardHeaders: 'draft-8' })),
  'express-slow-down': () => withExpress(require('express-slow-down').slowDown({
    windowMs: ms, delayAfter: max, delayMs: () => 500, legacyHeaders: true, standardHeaders: 'draft-7',
  })),
  'fastify': () => withFastify({}),
  'fastify-backoff': () => withFastify({ exponentialBackoff: true }),
  'fastify-continue': () => withFastify({ continueExceeding: true }),
  'fastify-ban': () => withFastify({ ban: 2 }),
  'hono': withHono,
  'koa': () => withKoa(require('koa-ratelimit')({ driver: 'memory', db: new Map(), duration: ms, max, id: () => 'all' })),
  'koa2': () => withKoa(require('koa2-ratelimit').RateLimit.middleware({ interval: ms, max })),
  'nest': () => withNest([{ ttl: ms, limit: max }]),
  'nest-named': () => withNest([{ name: 'short', ttl: ms / 5, limit: 20 }, { name: 'long', ttl: ms, limit: max }]),
  'hapi': () => withHapi('hapi-rate-limit', { userLimit: max, userCache: { expiresIn: ms }, pathLimit: false }),
  'hapi-limitor': () => withHapi('hapi-rate-limitor', { max, duration: ms, namespace: `limitor-${port}`, redis: { port: Number(redis), host } }),
  'flexible': () => withExpress(flexible(memory(max, ms), inSeconds)),
  'flexible-date': () => withExpress(flexible(memory(max, ms), asDate)),
  'flexible-bursty': () => {
    const { BurstyRateLimiter } = require('rate-limiter-flexible')
    withExpress(flexible(new BurstyRateLimiter(memory(max / 2, ms), memory(max, 2 * ms)), inSeconds))
  },
  'moleculer': withMoleculer,
  'restify': withRestify,
}

Promise.resolve(servers[name]()).catch((error) => { console.error(error); process.exit(1) })
