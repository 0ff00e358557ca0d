// The receiver that a team of Node developers would write: Fastify, Node's crypto, and @platformatic/kafka's stream.
// It verifies Stripe's signature, publishes the same record as `stripeline ingest`, and answers 200 when Kafka has it.
// acks=all; not idempotent, the producer's default. A batch leaves after 1 ms, or with 100 messages.
import { createHmac, randomBytes, timingSafeEqual } from 'node:crypto'
import { Producer, ProduceAcks, ProducerStreamReportModes } from '@platformatic/kafka'
import Fastify from 'fastify'

const [port, brokers, topic, secret] = process.argv.slice(2)
const TOLERANCE_S = 300
const producer = new Producer({ clientId: 'bench-peer', bootstrapBrokers: brokers.split(',') })
const stream = producer.asStream({
  acks: ProduceAcks.ALL, batchSize: 100, batchTime: 1, highWaterMark: 10_000, reportMode: ProducerStreamReportModes.BATCH
})

// The stream writes in order, and reports how many messages of it Kafka has.
const waiting = []
stream.on('delivery-report', ({ count }) => {
  for (const { resolve } of waiting.splice(0, count)) resolve()
})
stream.on('error', error => {
  for (const { reject } of waiting.splice(0)) reject(error)
})

function published (message) {
  return new Promise((resolve, reject) => {
    waiting.push({ resolve, reject })
    stream.write(message)
  })
}

function isSigned (header, body) {
  let signedAt = ''
  const given = []
  for (const item of (header ?? '').split(',')) {
    if (item.startsWith('t=')) signedAt = item.slice(2)
    else if (item.startsWith('v1=')) given.push(Buffer.from(item.slice(3)))
  }
  const mac = Buffer.from(createHmac('sha256', secret).update(`${signedAt}.`).update(body).digest('hex'))
  const isKnown = given.some(one => one.length === mac.length && timingSafeEqual(one, mac))
  return isKnown && Math.abs(Date.now() / 1000 - Number(signedAt)) <= TOLERANCE_S
}

function recordOf ({ id, type, api_version, created, livemode, request, data }) {
  const output = { id, type, api_version, created, data: data.object, request, livemode }
  if (data.previous_attributes) output.previous_attributes = data.previous_attributes
  const trace = randomBytes(24).toString('hex')
  return {
    topic,
    key: Buffer.from(data.object.id),
    value: Buffer.from(JSON.stringify(output)),
    headers: new Map([
      ['ce_specversion', '1.0'], ['ce_id', id], ['ce_type', type], ['ce_source', '/stripeline/triggers/payments'],
      ['ce_time', new Date(created * 1000).toISOString()], ['content-type', 'application/json'],
      ['traceparent', `00-${trace.slice(0, 32)}-${trace.slice(32)}-01`],
      ['stripeline-trigger', 'payments'], ['stripeline-connection', 'acme']
    ].map(header => header.map(text => Buffer.from(text))))
  }
}

const app = Fastify({ logger: false, keepAliveTimeout: 75_000 })
app.addContentTypeParser('application/json', { parseAs: 'buffer' }, (_, body, done) => done(null, body))
app.post('/webhooks/payments', async (request, reply) => {
  if (!isSigned(request.headers['stripe-signature'], request.body)) return reply.code(400).send()
  await published(recordOf(JSON.parse(request.body)))
  return reply.code(200).send()
})
await app.listen({ port: Number(port), host: '127.0.0.1', backlog: 1024 })
