#!/usr/bin/env bash
# mqtt 5.16.0 (npm, MQTT.js), MQTT 5; the server here is a few lines on mqtt-packet 9.0.2.
#
# The quota that a server gives in its CONNACK, Receive Maximum, is read and not kept to: all publishes with QoS 1 are sent at
# once. MQTT 5, section 4.9, wants no more of them unacknowledged than that, and a server may end the connection with 0x93,
# Receive Maximum exceeded. (The option of that name is the other direction's: what the server may have open at the client.)
#
# Seen, 50 publishes at a server that acknowledges each after 100 ms:
#   told 3, has had 50 open at once
#
# Needs node and npm. Ends with 1 if that changes.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"

echo '{"private": true}' >package.json
npm install --silent --no-audit --no-fund mqtt@5.16.0 mqtt-packet@9.0.2

cat >seen.js <<'JS'
const net = require('net')
const mqtt = require('mqtt')
const packet = require('mqtt-packet')

const version = { protocolVersion: 5 }
let [open, most] = [0, 0]

const server = net.createServer((socket) => {
  const send = (message) => packet.writeToStream(message, socket, version)
  const parser = packet.parser(version)
  parser.on('packet', ({ cmd, messageId }) => {
    if (cmd === 'connect') send({ cmd: 'connack', reasonCode: 0, sessionPresent: false, properties: { receiveMaximum: 3 } })
    if (cmd !== 'publish') return
    most = Math.max(most, ++open)
    setTimeout(() => {
      open--
      send({ cmd: 'puback', messageId, reasonCode: 0 })
    }, 100)
  })
  socket.on('data', (data) => parser.parse(data))
})

server.listen(0, '127.0.0.1', async () => {
  const client = mqtt.connect(`mqtt://127.0.0.1:${server.address().port}`, version)
  const told = await new Promise((resolve) => client.on('connect', (connack) => resolve(connack.properties.receiveMaximum)))
  const messages = Array.from({ length: 50 }, (_, i) => client.publishAsync('readings', String(i), { qos: 1 }))
  await Promise.all(messages)
  await client.endAsync()
  server.close()
  console.log(`told ${told}, has had ${most} open at once`)
  if (told !== 3 || most !== 50) process.exitCode = 1
})
JS
node seen.js
