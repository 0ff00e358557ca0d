// Consume Stripe's events, each once; then send a command and wait for its result.
//
//   npm ci
//   KAFKA_BOOTSTRAP_SERVERS=localhost:9092 CONNECTION=acme node stripeline-example.js
//
// @platformatic/kafka, because it is maintained and plain JavaScript: kafkajs has had no release since 2023, and
// @confluentinc/kafka-javascript fetches a native library from outside the registry when it is installed.

import { randomUUID } from 'node:crypto'
import {
  compatibilityPartitioner, Consumer, FetchIsolationLevels, ListOffsetTimestamps, MessagesStreamModes, ProduceAcks,
  Producer, stringDeserializers, stringSerializers
} from '@platformatic/kafka'

const bootstrapBrokers = (process.env.KAFKA_BOOTSTRAP_SERVERS ?? 'localhost:9092').split(',')
const prefix = process.env.TOPIC_PREFIX ?? 'stripe.'
const connection = process.env.CONNECTION ?? 'acme'
const events = Number(process.env.EVENTS ?? 3)
const timeoutS = Number(process.env.TIMEOUT_S ?? 60)

async function main () {
  await consume(`${prefix}payment-event`, events)
  const command = {
    // Choose the id and keep it before you send: sending the same command again is then always safe.
    command_id: `crm-${randomUUID()}`,
    action: 'stripe/create-customer',
    connection,
    input: { email: 'ada@example.com', name: 'Ada Lovelace' }
  }
  const { command_id: id, status, output, error } = await sendAndWait(command, 'crm-user-4711')
  console.log('result   ', id, status, ...(output ? [output.id] : [error.code, error.message]))
  return status === 'succeeded' ? 0 : 1
}

// Handle this many new events. Stripe may send one twice, and so may Kafka: an id tells.
async function consume (topic, count) {
  const known = new Set() // Yours outlives the process: a unique column, written together with what you do.
  const consumer = newConsumer('crm-payments-javascript')
  try {
    // An offset is committed by us, after the work; a new group begins with the oldest event.
    const start = { mode: MessagesStreamModes.COMMITTED, fallbackMode: 'earliest' }
    const stream = await consumer.consume({ topics: [topic], autocommit: false, ...start })
    await within(`${count} events on ${topic}`, async () => {
      for await (const record of stream) {
        const event = JSON.parse(record.value)
        if (known.has(event.id)) {
          console.log('again    ', event.id)
        } else {
          console.log('event    ', event.id, event.type, event.data.id)
          known.add(event.id)
        }
        await record.commit() // after each for clarity; after a batch for speed
        if (known.size === count) return
      }
    })
  } finally {
    await consumer.close(true)
  }
}

// Commands of one key are done in their order. The result has the command's id.
async function sendAndWait (command, key) {
  const consumer = newConsumer(`crm-results-${randomUUID()}`) // a group of its own: every result comes to it
  try {
    // Stand at the end of the results before the command is sent, and its result can't be missed.
    const topic = `${prefix}action-result`
    const ends = await consumer.listOffsets({ topics: [topic], timestamp: ListOffsetTimestamps.LATEST })
    const offsets = ends.get(topic).map((offset, partition) => ({ topic, partition, offset }))
    const mode = MessagesStreamModes.MANUAL
    const stream = await consumer.consume({ topics: [topic], autocommit: false, mode, offsets })
    await send(`${prefix}action-command`, key, command)
    console.log('command  ', command.command_id, command.action)
    return await within(`a result of ${command.command_id}`, async () => {
      for await (const record of stream) {
        const result = JSON.parse(record.value)
        if (result.command_id === command.command_id) return result
      }
    })
  } finally {
    await consumer.close(true)
  }
}

// Return when every replica has it. The partitioner puts a key where the clients of Java put it, whoever sends it.
async function send (topic, key, value) {
  const sure = { acks: ProduceAcks.ALL, idempotent: true, partitioner: compatibilityPartitioner }
  const producer = new Producer({ clientId: 'crm', bootstrapBrokers, serializers: stringSerializers, ...sure })
  try {
    await producer.send({ messages: [{ topic, key, value: JSON.stringify(value) }] })
  } finally {
    await producer.close()
  }
}

function newConsumer (groupId) {
  const isolationLevel = FetchIsolationLevels.READ_COMMITTED // what a transaction took back is not read
  return new Consumer({ clientId: 'crm', groupId, bootstrapBrokers, deserializers: stringDeserializers, isolationLevel })
}

async function within (wanted, work) {
  const { promise, reject } = Promise.withResolvers()
  const timer = setTimeout(() => reject(new Error(`waited ${timeoutS} s for ${wanted}`)), timeoutS * 1000)
  return Promise.race([work(), promise]).finally(() => clearTimeout(timer))
}

try {
  process.exitCode = await main()
} catch (error) {
  console.error(`failed: ${error.message}`)
  process.exitCode = 1
}
