// Prints what AsyncAPI's own parser says of a document: {version, channels, operations, messages, diagnostics}.
import { readFileSync } from 'node:fs'
import { Parser } from '@asyncapi/parser'

const { document, diagnostics } = await new Parser().parse(readFileSync(process.argv[2], 'utf8'))
const names = all => all.all().map(one => one.id())
console.log(JSON.stringify({
  version: document?.version() ?? null,
  channels: document ? names(document.channels()) : [],
  operations: document ? names(document.operations()) : [],
  messages: document ? names(document.allMessages()) : [],
  diagnostics: diagnostics.map(({ code, message, path, severity }) => ({ code, message, path, severity }))
}))
